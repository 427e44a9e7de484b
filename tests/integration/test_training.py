"""From events to a champion by one command, and its figures on a file of what came later."""

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from headrace.cases.ecommerce.sources.order_book.online_retail import COLUMNS, outcomes, read_lines
from headrace.cases.ecommerce.topics.orders import Order
from headrace.commands import models, training
from headrace.contracts.settings import Settings
from headrace.models.artifact import Rejected
from headrace.orchestration.instance.config import opened
from headrace.orchestration.keys import model_key
from headrace.streaming.sources.outcomes import Accepted
from tests.integration.building import build_from
from tests.integration.landed import Landing

START = datetime(2025, 1, 5, 9, tzinfo=UTC)
DAYS_KNOWN, DAYS_LATER, CUSTOMERS = 240, 45, 400
CUTOFF = f"{START + timedelta(days=DAYS_KNOWN):%Y-%m-%d}"


@pytest.fixture
def command(fresh: Settings, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The commands about models, on the test's own stack."""
    monkeypatch.setenv("HEADRACE_HOME", str(fresh.home))
    monkeypatch.setenv("HEADRACE_POSTGRES_CONNINFO", str(fresh.postgres_conninfo))
    monkeypatch.setenv("HEADRACE_DATABASE", fresh.database)
    app = typer.Typer(pretty_exceptions_enable=False)
    models.register(app)
    training.register(app)
    return app


def book(path: Path, days: int) -> Path:
    """An order book of customers who each order every so many days of their own, which the rule cannot see."""
    rng = random.Random(11)
    rows: list[tuple[datetime, str, str]] = []
    for customer in range(CUSTOMERS):
        pace = rng.choice([12, 40, 60, 90])
        time = rng.uniform(0, 90)
        while time < DAYS_KNOWN + DAYS_LATER:
            rows.append((START + timedelta(days=time), str(customer), f"{rng.randrange(100, 5_000) / 100:.2f}"))
            time += pace * rng.uniform(0.9, 1.1)
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for number, (time, customer, price) in enumerate(sorted(rows), 1):
            if time < START + timedelta(days=days):
                writer.writerow([number, "A", "a", 1, f"{time:%Y-%m-%d %H:%M:%S}", price, customer, "France"])
    return path


def answer(app: typer.Typer, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def test_one_command_trains_a_champion_that_another_judges_on_later_data(
    fresh: Settings, command: typer.Typer, tmp_path: Path
) -> None:
    parsed = outcomes(read_lines(book(tmp_path / "known.csv", DAYS_KNOWN)))
    orders = [each.event for each in parsed if isinstance(each, Accepted) and isinstance(each.event, Order)]
    Landing(fresh).land("orders", orders)
    build_from(fresh, "orders")

    trained = answer(command, "train", "behavior")
    assert (trained["version"], trained["promoted"]) == ("behavior-1", True), trained["reason"]
    assert Path(trained["frame"]).is_relative_to(fresh.root)
    with opened(fresh) as instance:
        for part in ("frame", "version", "evaluation", "champion"):
            event = instance.get_latest_materialization_event(model_key("behavior", part))
            assert event is not None
            assert event.asset_materialization is not None
            assert event.asset_materialization.metadata["trained by"].value == "headrace train"

    later = book(tmp_path / "later.csv", DAYS_KNOWN + DAYS_LATER)
    judged = answer(command, "models", "evaluate", "behavior", str(later), "--cutoff", CUTOFF)
    assert judged.keys() == {"model", "baselines", "rows", "positive_rate"}
    assert judged["rows"] == CUSTOMERS
    assert judged["model"].keys() >= {"auc", "average_precision", "brier", "ece"}
    assert judged["model"]["auc"] > 0.8
    assert judged["model"]["brier"] < judged["baselines"]["base_rate"]["brier"]
    assert judged["baselines"].keys() >= {"base_rate", "recency", "rfm_logistic_regression", "bg_nbd"}

    with pytest.raises(Rejected, match="cannot be evaluated"):
        answer(command, "models", "evaluate", "behavior", str(later), "--cutoff", "2025-06-01")
