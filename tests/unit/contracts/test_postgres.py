"""PostgreSQL being unavailable is one kind of error, made in one place."""

from pathlib import Path

import psycopg
import pytest

from headrace.contracts.errors import Transient
from headrace.contracts.postgres import postgres_needed

ROOT = Path(__file__).parents[3]
ROOMS = ("headrace", "orchestration", "streaming", "warehouse")
OTHER_ANSWERS = {
    "headrace/contracts/postgres.py",
    "headrace/stack/databases.py",  # creates what is missing, or names the password that is wrong
    "headrace/stack/postgres.py",  # asks whether it answers
    "streaming/landing/writer.py",  # closes the connection, and drops the batch
    "warehouse/lake/connection.py",  # asks whether it answers
    "warehouse/lake/lock.py",  # the lock is released with the connection
}


def test_a_lost_or_refused_connection_is_transient_with_the_first_line_of_its_reason() -> None:
    nowhere = "host=127.0.0.1 port=1 connect_timeout=1 user=u password=secret"
    with pytest.raises(Transient, match=r"^The lake is unavailable: .*refused$") as caught, postgres_needed("The lake"):
        psycopg.connect(nowhere)
    assert "secret" not in str(caught.value)
    with pytest.raises(Transient, match=r"^PostgreSQL is unavailable: OperationalError$"), postgres_needed():
        raise psycopg.OperationalError


def test_other_errors_of_postgresql_stay_what_they_are() -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), postgres_needed():
        raise psycopg.errors.UndefinedTable


def test_no_other_module_turns_a_lost_connection_into_an_error_of_its_own() -> None:
    catching = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "psycopg.OperationalError)" in (text := path.read_text()) or "except psycopg.OperationalError" in text
    }
    assert catching == OTHER_ANSWERS
