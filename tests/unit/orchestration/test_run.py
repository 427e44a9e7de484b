"""What a build reports, and how runs of dead processes are found."""

import subprocess
import sys
from uuid import uuid4

import dagster as dg
import psutil
import pytest

from headrace.orchestration.defs.jobs import build_in_hand
from headrace.orchestration.instance.processes import PROCESS_TAG, fail_abandoned_runs, is_gone, process_tag
from headrace.orchestration.run import summarize


def _asset(name: str, deps: list[str], *, rows: int | None = None, passed: bool = True) -> dg.AssetsDefinition:
    key = dg.AssetKey(name.split("."))

    @dg.asset(key=key, deps=[each.split(".") for each in deps], check_specs=[dg.AssetCheckSpec("keys", asset=key)])
    def made():
        if rows is None:
            raise ValueError("made to fail")
        check = dg.AssetCheckResult(check_name="keys", passed=passed)
        return dg.MaterializeResult(metadata={"dagster/row_count": rows}, check_results=[check])

    return made


def _run(*assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    return dg.materialize(assets, raise_on_error=False, instance=dg.DagsterInstance.ephemeral())


def test_a_summary_names_every_table_that_failed_and_every_one_left_out() -> None:
    result = _run(
        _asset("raw.a", [], rows=1),
        _asset("raw.b", []),
        _asset("core.a", ["raw.a"]),
        _asset("core.b", ["raw.b"], rows=1),
        _asset("core.c", ["raw.a"], rows=3),
    )
    summary = summarize(result.all_events, ["core.a", "core.b", "core.c", "raw.a", "raw.b"], "id")
    assert not summary.success
    assert summary.failed == ("core.a", "raw.b")
    assert summary.skipped == ("core.b",)
    assert summary.rows_by_table == {"raw.a": 1, "core.c": 3}


def test_a_build_whose_checks_fail_is_no_success_though_its_tables_are_built() -> None:
    summary = summarize(_run(_asset("core.a", [], rows=1, passed=False)).all_events, ["core.a"], "id")
    assert (summary.success, summary.failed, summary.failed_checks) == (False, (), ("core.a: keys",))


def test_a_build_of_which_all_is_well_is_a_success() -> None:
    summary = summarize(_run(_asset("core.a", [], rows=1)).all_events, ["core.a"], "id")
    assert summary.success
    assert (summary.failed, summary.skipped, summary.failed_checks) == ((), (), ())


@pytest.fixture
def dead_process() -> str:
    """The identity of a process that is no more."""
    host, _, _ = _own_process().rsplit(" ", 2)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = f"{host} {process.pid} {psutil.Process(process.pid).create_time():.2f}"
        assert not is_gone(identity)
        process.kill()
    return identity


def _own_process() -> str:
    return process_tag("id")[PROCESS_TAG].removeprefix("id ")


def test_a_process_is_gone_when_it_died_or_its_pid_is_anothers(dead_process: str) -> None:
    host, pid, _ = _own_process().rsplit(" ", 2)
    assert is_gone(dead_process)
    assert is_gone(f"{host} {pid} 12.00")
    assert not is_gone(_own_process())
    assert not is_gone(f"another-host {pid} 12.00"), "it cannot be determined from here"


@dg.job(name="build")
def _nothing() -> None: ...


def _started(instance: dg.DagsterInstance, run_id: str, tag: str) -> dg.DagsterRun:
    status = dg.DagsterRunStatus.STARTED
    return instance.create_run_for_job(_nothing, run_id=run_id, status=status, tags={PROCESS_TAG: tag})


def test_the_run_of_a_dead_process_no_longer_counts_as_in_hand(dead_process: str) -> None:
    dead, living = str(uuid4()), str(uuid4())
    with dg.DagsterInstance.ephemeral() as instance:
        _started(instance, dead, f"{dead} {dead_process}")
        run = _started(instance, living, process_tag(living)[PROCESS_TAG])
        assert fail_abandoned_runs(instance) == [dead]
        assert build_in_hand(instance)
        instance.report_run_failed(run)
        assert not build_in_hand(instance)


def test_a_retry_is_not_dead_because_it_inherited_the_tags_of_a_dead_run(dead_process: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        _started(instance, str(uuid4()), f"{uuid4()} {dead_process}")
        assert fail_abandoned_runs(instance) == []
