"""Dagster's servers on the real PostgreSQL: a landing commit starts a build, and a killed build is run again."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest

from headrace.contracts.settings import Settings
from headrace.orchestration.instance import config as dagster
from headrace.orchestration.instance.processes import PROCESS_TAG
from headrace.orchestration.keys import table_key, topic_key
from headrace.streaming.landing.positions import adopt, connection
from tests.integration.landed import Landing
from tests.integration.samples import order

ROOT = Path(__file__).parents[2]
BUILD_STARTS_WITHIN_SECONDS = 30.0
PATIENCE_SECONDS = 120.0


@pytest.fixture
def served(with_dagster: Settings) -> Iterator[dg.DagsterInstance]:
    """Code server and daemon, started at once on an empty database, and the instance that they serve."""
    fresh = with_dagster
    dagster.write_instance_config(fresh)
    own = fresh.environment()
    environment = os.environ | own | dagster.environment(fresh) | {"PYTHONPATH": str(ROOT)}
    log = (fresh.root / "dagster.log").open("w")
    servers = [
        subprocess.Popen(command, env=environment, cwd=fresh.root, stdout=log, stderr=log)
        for command in (dagster.code_server_command(fresh), dagster.daemon_command(fresh))
    ]
    try:
        with dagster.opened(fresh) as instance:
            _wait(lambda: _sensor_ticked(instance), "the sensor to tick")
            yield instance
    finally:
        processes = [psutil.Process(server.pid) for server in servers]
        processes += [child for process in processes for child in process.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # a child that has ended since
                process.terminate()
        _, left = psutil.wait_procs(processes, timeout=20)
        for process in left:
            process.kill()
        for server in servers:
            server.wait()
        log.close()


def _wait(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


def _sensor_ticked(instance: dg.DagsterInstance) -> bool:
    return any(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
               for state in instance.all_instigator_state())  # fmt: skip


def _runs(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name="build", statuses=list(statuses))))


def test_a_landing_commit_starts_a_build_and_one_that_is_killed_is_run_again(
    fresh: Settings, served: dg.DagsterInstance
) -> None:
    landing = Landing(fresh)
    with connection(fresh.conninfo()) as db:
        adopt(db, "orders", landing.topic_id("orders"))
    landing.land("orders", [order("1", ("A", 2, "2.50"))])
    _wait(lambda: bool(_runs(served)), "a build", BUILD_STARTS_WITHIN_SECONDS)
    _wait(lambda: len(_runs(served, dg.DagsterRunStatus.SUCCESS)) == 1, "the build to succeed")
    assert _rows_built(served, "core.orders") == 1
    _wait(lambda: _observed(served, "orders"), "the observation of the topic")

    landing.land("orders", [order("2", ("A", 2, "2.50"))])
    _wait(lambda: any(PROCESS_TAG in run.tags for run in _runs(served, dg.DagsterRunStatus.STARTED)), "a build")
    (running,) = _runs(served, dg.DagsterRunStatus.STARTED)
    process = psutil.Process(int(running.tags[PROCESS_TAG].split()[-2]))
    assert any("forkserver" in argument for argument in process.cmdline()), "the run did not start as a fork"
    process.kill()
    _wait(lambda: bool(_runs(served, dg.DagsterRunStatus.FAILURE)), "the killed build to be noticed")
    _wait(lambda: len(_runs(served, dg.DagsterRunStatus.SUCCESS)) == 2, "another build to succeed")
    assert _rows_built(served, "core.orders") == 2


def _observed(instance: dg.DagsterInstance, topic: str) -> bool:
    return bool(instance.fetch_observations(topic_key(topic), limit=1).records)


def _rows_built(instance: dg.DagsterInstance, table: str) -> object:
    built = instance.get_latest_materialization_event(table_key(table))
    assert built is not None
    assert built.asset_materialization is not None
    return built.asset_materialization.metadata["dagster/row_count"].value
