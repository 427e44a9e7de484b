"""What Dagster is given: pinned, so that a change of the graph is seen where it is made."""

import dagster as dg
import pytest
from pydantic import ValidationError

from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.operations.training import SOURCES
from headrace.orchestration.definitions import build_defs
from headrace.orchestration.defs.jobs import TRAIN, VERIFY_JOB
from headrace.orchestration.keys import BUILD_JOB, FILE_KEY, model_key, table_key, topic_key
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.ingest.raw import raw_tables
from headrace.warehouse.tables import DOMAINS, all_tables
from tests.unit.orchestration.snapshot import SNAPSHOT, described

MODEL_PARTS = ("frame", "version", "evaluation", "champion")
RESCORING = model_key("behavior", "rescoring")


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(Settings(home=tmp_path_factory.mktemp("home")))


def test_the_assets_their_groups_inputs_and_checks_are_those_written_down(defs: dg.Definitions) -> None:
    assert described(defs) == SNAPSHOT.read_text(), "if the change is meant, run `make docs`"


def test_every_topic_raw_table_and_warehouse_table_is_an_asset(defs: dg.Definitions) -> None:
    wanted = {topic_key(name) for name in TOPICS} | {table_key(raw.qualified) for raw in raw_tables()}
    wanted |= {table_key(table.qualified) for table in all_tables()} | {FILE_KEY}
    wanted |= {table_key(name) for name in STAGED_TABLES}
    wanted |= {model_key(name, part) for name in SOURCES for part in MODEL_PARTS}
    wanted.add(RESCORING)
    assert {spec.key for spec in defs.resolve_all_asset_specs()} == wanted


def test_every_mart_goes_back_to_a_topic_of_its_own_case(defs: dg.Definitions) -> None:
    parents = {spec.key: {dep.asset_key for dep in spec.deps} for spec in defs.resolve_all_asset_specs()}
    for table in all_tables():
        if table.schema == "marts":
            upstream = _upstream(parents, table_key(table.qualified))
            domains = set(DOMAINS) if table.domain == "operations" else {table.domain}
            assert domains & {TOPICS[name].domain for name in TOPICS if topic_key(name) in upstream}, table.qualified


def _upstream(parents: dict[dg.AssetKey, set[dg.AssetKey]], key: dg.AssetKey) -> set[dg.AssetKey]:
    return parents[key].union(*(_upstream(parents, parent) for parent in parents[key]))


def test_a_build_runs_in_one_process_and_makes_everything_but_topics_and_models(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def(BUILD_JOB)
    assert job.executor_def.name == dg.in_process_executor.name
    others = {topic_key(name) for name in TOPICS} | {model_key(name, part) for name in SOURCES for part in MODEL_PARTS}
    made = job.asset_layer.executable_asset_keys
    assert made == {spec.key for spec in defs.resolve_all_asset_specs()} - others - {RESCORING}
    assert not [node.name for node in job.nodes if "champion" in node.name or "trained" in node.name]


def test_a_model_is_trained_by_a_job_of_its_own_one_at_a_time(defs: dg.Definitions) -> None:
    for model, trained in TRAIN.items():
        job = defs.resolve_job_def(trained.name)
        assert job.asset_layer.executable_asset_keys == {model_key(model, part) for part in MODEL_PARTS}
        (step,) = [node.definition for node in job.nodes]
        assert isinstance(step, dg.OpDefinition)
        assert step.pool == "models"


def test_a_build_checks_the_references_and_only_a_verification_reads_the_topics(defs: dg.Definitions) -> None:
    build = {node.name for node in defs.resolve_job_def(BUILD_JOB).nodes}
    referring = {f"references_of_{table.schema}_{table.name}" for table in all_tables() if table.references}
    assert {name for name in build if name.startswith("references_of_")} == referring
    assert {node.name for node in defs.resolve_job_def(VERIFY_JOB).nodes} == {"verify_topics"}
    assert "verify_topics" not in build


def test_one_run_at_a_time_writes_to_the_warehouse(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def(BUILD_JOB)
    steps = [node.definition for node in job.nodes]
    writers = [step for step in steps if not step.name.startswith("references_of_")]
    assert {step.pool for step in writers if isinstance(step, dg.OpDefinition)} == {"warehouse"}


def test_sensor_and_schedules_run_without_being_switched_on(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assert {s.name: s.default_status for s in repository.sensor_defs} == {
        "landing_commits": dg.DefaultSensorStatus.RUNNING,
        "alert_on_failure": dg.DefaultSensorStatus.RUNNING,
        "drift_retrains": dg.DefaultSensorStatus.RUNNING,
    }
    assert {s.name: s.default_status for s in repository.schedule_defs} == {
        "build_fallback": dg.DefaultScheduleStatus.RUNNING,
        "verify_hourly": dg.DefaultScheduleStatus.RUNNING,
        "maintenance_regularly": dg.DefaultScheduleStatus.RUNNING,
        "retention_nightly": dg.DefaultScheduleStatus.RUNNING,
        "audit_daily": dg.DefaultScheduleStatus.RUNNING,
        "rescore_behavior_daily": dg.DefaultScheduleStatus.RUNNING,
        "check_models_hourly": dg.DefaultScheduleStatus.RUNNING,
        **{f"train_{model}_daily": dg.DefaultScheduleStatus.RUNNING for model in SOURCES},
    }


def test_every_table_shows_its_grain_and_its_sql(defs: dg.Definitions) -> None:
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    for table in all_tables():
        spec = specs[table_key(table.qualified)]
        assert table.grain in (spec.description or "")
        assert spec.metadata["sql"] == dg.MetadataValue.md(f"```sql\n{table.sql}\n```")


def test_every_table_turns_stale_when_no_build_brings_it_up_to_date(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        is_no_table = spec.key.path[0] in ("kafka", "models")
        assert (spec.freshness_policy is None) == is_no_table, spec.key


def test_the_shortest_time_after_which_tables_are_stale_is_one_that_dagster_takes() -> None:
    with pytest.raises(ValidationError):
        Settings(fresh_minutes=1)
    assert build_defs(Settings(fresh_minutes=2)).resolve_all_asset_specs()
