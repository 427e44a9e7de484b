-- The lander's accounts in PostgreSQL: written by `streaming.landing`, read by `warehouse` and by reconciliation.
create schema if not exists landing;

-- The id under which each topic is landed. It changes only by `accept-gap`, after a topic was recreated.
create table if not exists landing.topics (
    topic text primary key,
    topic_id uuid not null,
    accepted_at timestamptz not null default clock_timestamp()
);

-- One row a partition: everything below `next_offset` is committed, everything from it on is not.
create table if not exists landing.positions (
    topic_id uuid not null,
    partition integer not null,
    topic text not null,
    start_offset bigint not null,
    next_offset bigint not null,
    high_offset bigint,
    observed_at timestamptz,
    stopped_reason text,
    stopped_at timestamptz,
    primary key (topic_id, partition)
);

-- One row a partition and flush: the chain of ranges [first_offset, next_offset), and the files that hold them.
-- A file holds the rows of all partitions of its flush, so several rows name it.
create table if not exists landing.commits (
    commit_id bigint generated always as identity,
    topic text not null,
    topic_id uuid not null,
    partition integer not null,
    first_offset bigint not null,
    next_offset bigint not null check (next_offset > first_offset),
    rows bigint not null,
    quarantined bigint not null,
    file text,
    file_rows bigint,
    file_bytes bigint,
    file_sha256 text,
    quarantine_file text,
    quarantine_file_rows bigint,
    quarantine_file_bytes bigint,
    quarantine_file_sha256 text,
    min_event_time timestamptz,
    max_event_time timestamptz,
    committed_at timestamptz not null default clock_timestamp(),
    primary key (topic_id, partition, first_offset)
);
create index if not exists commits_committed_at on landing.commits (committed_at);

-- Offsets that were given up on purpose, by `headrace landing accept-gap`.
create table if not exists landing.gaps (
    topic text not null,
    topic_id uuid not null,
    partition integer not null,
    from_offset bigint not null,
    to_offset bigint,
    reason text not null,
    accepted_at timestamptz not null default clock_timestamp()
);
