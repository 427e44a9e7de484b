"""What keeps Dagster's own history small."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from headrace.orchestration.defs.ops import delete_runs


def test_dagsters_history_is_kept_bounded() -> None:
    @dg.job
    def nothing() -> None:
        pass

    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(3):
            nothing.execute_in_process(instance=instance)
        assert delete_runs(instance, datetime.now(UTC) - timedelta(hours=1)) == 0
        assert delete_runs(instance, datetime.now(UTC) + timedelta(hours=1)) == 3
        assert instance.get_runs() == []
