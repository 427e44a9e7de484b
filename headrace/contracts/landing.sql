-- The landing positions in PostgreSQL: written by `headrace.streaming.landing`, read by `warehouse` and by reconciliation.
create schema if not exists landing;

-- The id under which each topic is landed. It changes only by `accept-gap`, after a topic was recreated.
create table if not exists landing.topics (
    topic text primary key,
    topic_id uuid not null,
    accepted_at timestamptz not null default clock_timestamp()
);

-- One row per partition: everything below `next_offset` is committed, everything from it on is not.
-- A partition's log is identified by the topic's id until the broker loses its end. Records written at those offsets
-- afterwards belong to another log, with an id derived from the topic's (`headrace.contracts.landing.log_id`). Landed rows have
-- it as `_topic_id`. `leader_epoch` and `last_record` (a fingerprint) describe the record before `next_offset`.
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
    log_id uuid not null,
    truncations integer not null default 0,
    leader_epoch integer,
    last_record bytea,
    primary key (topic_id, partition)
);

-- One row per partition and flush: the chain of ranges [first_offset, next_offset), and the files that contain them.
-- A file has the rows of all partitions of its flush, so several rows name it. `fingerprint` covers all records of the
-- range; `last_record` and `leader_epoch` describe its last one.
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
    log_id uuid not null,
    leader_epoch integer,
    last_record bytea,
    fingerprint bytea,
    primary key (log_id, partition, first_offset)
);
do $$ begin
    -- Migrates homes from before logs had ids.
    if not exists (
        select from information_schema.columns
        where table_schema = 'landing' and table_name = 'commits' and column_name = 'log_id'
    ) then
        alter table landing.positions
            add column log_id uuid,
            add column truncations integer not null default 0,
            add column leader_epoch integer,
            add column last_record bytea;
        update landing.positions set log_id = topic_id;
        alter table landing.positions alter column log_id set not null;
        alter table landing.commits
            add column log_id uuid,
            add column leader_epoch integer,
            add column last_record bytea,
            add column fingerprint bytea;
        update landing.commits set log_id = topic_id;
        alter table landing.commits alter column log_id set not null;
        alter table landing.commits drop constraint commits_pkey;
        alter table landing.commits add primary key (log_id, partition, first_offset);
    end if;
end $$;
create index if not exists commits_of_topic on landing.commits (topic_id, partition, first_offset);
create index if not exists commits_committed_at on landing.commits (committed_at);

-- Ends of logs that the broker lost after they had landed: the topic no longer has offsets [from_offset, to_offset) of
-- the log `log_id`, and the log `new_log_id` begins at `from_offset`.
create table if not exists landing.truncations (
    topic text not null,
    topic_id uuid not null,
    partition integer not null,
    log_id uuid not null,
    new_log_id uuid not null,
    from_offset bigint not null,
    to_offset bigint not null,
    leader_epoch integer,
    detected_at timestamptz not null default clock_timestamp(),
    primary key (log_id, partition)
);

-- Offsets that were skipped on purpose, by `headrace landing accept-gap`.
create table if not exists landing.gaps (
    topic text not null,
    topic_id uuid not null,
    partition integer not null,
    from_offset bigint not null,
    to_offset bigint,
    reason text not null,
    accepted_at timestamptz not null default clock_timestamp()
);

-- Offsets that no client can read, set apart: positions and deliveries skip them. `records` is the count in the batch's
-- header, `batch` the batch as Kafka stores it, `bytes` its size. `reader`: `lander`, or the delivery by Connect.
-- `log_id` is as in `landing.positions`: if the broker lost the end of a log, its offsets are reused by another log.
create table if not exists landing.set_apart (
    topic text not null,
    topic_id uuid not null,
    partition integer not null,
    first_offset bigint not null,
    next_offset bigint not null check (next_offset > first_offset),
    reader text not null,
    records bigint not null,
    reason text not null,
    bytes bigint not null,
    batch bytea,
    set_apart_at timestamptz not null default clock_timestamp()
);
alter table landing.set_apart add column if not exists log_id uuid;
update landing.set_apart set log_id = topic_id where log_id is null;
alter table landing.set_apart drop constraint if exists set_apart_pkey;
create unique index if not exists set_apart_of_log on landing.set_apart (log_id, partition, first_offset, reader);
