"""The lander's commits in PostgreSQL, as the warehouse reads them: which files were committed since an offset."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from headrace.contracts.landing import LandedFile
from headrace.contracts.postgres import postgres_needed

_COMMITS = """
select commit.log_id::text, commit.partition, commit.next_offset,
    commit.file, commit.file_rows, commit.file_bytes, commit.file_sha256,
    commit.quarantine_file, commit.quarantine_file_rows, commit.quarantine_file_bytes, commit.quarantine_file_sha256
from (
    select log_id, partition from landing.positions where topic = %(topic)s
    union select log_id, partition from landing.truncations where topic = %(topic)s
) log
left join unnest(%(ids)s::uuid[], %(partitions)s::integer[], %(offsets)s::bigint[])
    as registered (log_id, partition, next_offset) using (log_id, partition)
cross join lateral (
    select * from landing.commits
    where log_id = log.log_id and partition = log.partition
        and first_offset >= coalesce(registered.next_offset, 0)
) commit
order by commit.commit_id
"""


@dataclass(frozen=True)
class Landed:
    """Files of a topic landed beyond given offsets, and the next offsets, by log id and partition."""

    files: tuple[LandedFile, ...]
    quarantine_files: tuple[LandedFile, ...]
    next_offsets: dict[tuple[str, int], int]


def landed_since(postgres: psycopg.Connection, topic: str, registered: Mapping[tuple[str, int], int]) -> Landed:
    """Files of a topic that were committed beyond the `registered` offsets, in order of commit.

    A flush commits all its partitions in one transaction, and this is one statement, so a file is seen with all its
    ranges or not at all. The ranges of each partition have no gaps, so reading resumes exactly by offsets; commit ids
    become visible out of order.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    parameters: dict[str, Any] = {
        "topic": topic,
        "ids": [topic_id for topic_id, _ in registered],
        "partitions": [partition for _, partition in registered],
        "offsets": list(registered.values()),
    }
    with postgres_needed():
        row = postgres.execute("select to_regclass('landing.commits')").fetchone()
        if row == (None,):
            return Landed((), (), {})
        rows = postgres.execute(_COMMITS, parameters).fetchall()
    files: dict[str, LandedFile] = {}
    quarantine_files: dict[str, LandedFile] = {}
    next_offsets: dict[tuple[str, int], int] = {}
    for topic_id, partition, next_offset, *committed in rows:
        file, quarantine_file = committed[0], committed[4]
        if file is not None:
            files[file] = LandedFile(*committed[:4])
        if quarantine_file is not None:
            quarantine_files[quarantine_file] = LandedFile(*committed[4:])
        place = (topic_id, partition)
        next_offsets[place] = max(next_offset, next_offsets.get(place, 0))
    return Landed(tuple(files.values()), tuple(quarantine_files.values()), next_offsets)


def files_named(postgres: psycopg.Connection, topic: str, paths: Collection[str]) -> list[LandedFile]:
    """The files of a topic with these paths, as they were committed."""
    rows = postgres.execute(
        "select distinct named.* from landing.commits"
        " cross join lateral (values (file, file_rows, file_bytes, file_sha256),"
        " (quarantine_file, quarantine_file_rows, quarantine_file_bytes, quarantine_file_sha256)) as named (path)"
        " where topic = %s and named.path = any(%s)",
        [topic, list(paths)],
    ).fetchall()
    return [LandedFile(*row) for row in rows]
