"""Worker processes parse lines as this process does, and all of them end with their source."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial

import psutil
import pytest

from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.access_log.workers import LARGE, Workers
from headrace.contracts.errors import Terminal
from headrace.streaming.sources.delivery import encoded
from headrace.streaming.sources.files import Block, read_pieces
from headrace.streaming.sources.outcomes import Rejected
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.shared_data import shared
from tests.unit.sources.walking import pieces

SAMPLE = "web-logs-elastic/apache_logs.gz"


def parser(key: bytes) -> LineParser:
    return LineParser(pseudonymizer(key))


def workers_of(pid: int) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for each in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # a zombie of another test is one, too
            found += [each] if "spawn_main" in " ".join(each.cmdline()) else []
    return found


def test_workers_find_what_the_parser_here_finds_in_order() -> None:
    given = list(read_pieces(shared(SAMPLE)))
    expected = [encoded(outcome) for outcome in parser(b"key").outcomes(given)]
    workers = Workers(partial(parser, b"key"))
    batches = [workers.outcomes([piece]) for piece in given]
    assert sum(map(len, batches)) == len(expected) == 10_000
    assert [encoded(outcome) for batch in batches for outcome in batch] == expected
    assert batches[0][:2] == [batches[0][0], batches[0][1]] == expected[:2]


def test_few_lines_are_parsed_here_and_oversized_ones_anywhere() -> None:
    before = len(workers_of(os.getpid()))
    workers = Workers(partial(parser, b"key"))
    assert len(workers.outcomes(pieces(b"x\n" * (LARGE - 1)))) == LARGE - 1
    assert len(workers_of(os.getpid())) == before
    many = pieces(b"y" * 1_200_000 + b"\n" + b"x\n" * LARGE)
    found = workers.outcomes(many)
    first = found[0]
    assert len(found) == LARGE + 1
    assert isinstance(first, Rejected)
    assert first.size == 1_200_000


def test_a_worker_that_is_killed_ends_the_source_with_a_remedy() -> None:
    before = {each.pid for each in workers_of(os.getpid())}
    workers = Workers(partial(parser, b"key"))
    block = Block("f", 0, 1, b"\n".join([b"x"] * LARGE))
    assert len(list(workers.outcomes([block]))) == LARGE
    for each in workers_of(os.getpid()):
        if each.pid not in before:
            each.kill()
    deadline = time.monotonic() + 20
    batches = iter(lambda: list(workers.outcomes([block])) if time.monotonic() < deadline else None, None)
    with pytest.raises(Terminal, match="restarts the source"):
        deque(batches, maxlen=0)  # until the death is noticed


def test_workers_end_with_the_process_that_started_them_however_it_ends() -> None:
    code = (
        "import time\nfrom tests.unit.sources.test_access_log_workers import *\n"
        "if __name__ == '__main__':\n"
        "    workers = Workers(partial(parser, b'key'))\n"  # kept: a pool without a reference ends by itself
        "    list(workers.outcomes([Block('f', 0, 1, b'\\n'.join([b'x'] * LARGE))]))\n"
        "    print('parsed', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"parsed\n"
        workers = workers_of(started.pid)
        assert workers
        started.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
