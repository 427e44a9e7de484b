"""A change of a contract is compatible if the new one reads every record that the old one accepts."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
import pytest
from typer.testing import CliRunner

from headrace import cli
from headrace.contracts.compatibility import compare
from headrace.contracts.errors import Terminal
from headrace.contracts.export import json_schema
from headrace.contracts.topic import Topic
from headrace.contracts.topics import EVENT_TOPICS
from headrace.contracts.types import Event, Money, MoneySum, UtcTime
from headrace.contracts.versions import Upcast, Upcaster, versioned


def contract(*upcasters: Upcaster, **fields: Any) -> dict[str, Any]:
    """The schema of a contract with these fields (a type, or a type and a default) and upcasters."""
    given = [(name, *each) if isinstance(each, tuple) else (name, each) for name, each in fields.items()]
    made = msgspec.defstruct("Thing", given, bases=(Event,), kw_only=True, frozen=True)
    versioned(len(upcasters) + 1, dict(enumerate(upcasters, 1)))(made)
    return json_schema(Topic("things", "ecommerce", "id", cast("type[Event]", made), 1, 1))


def line(**fields: Any) -> Any:
    return msgspec.defstruct("Line", list(fields.items()), kw_only=True)


def text(**limits: Any) -> Any:
    return Annotated[str, msgspec.Meta(**limits)]


def number(**limits: Any) -> Any:
    return Annotated[int, msgspec.Meta(**limits)]


@pytest.mark.parametrize(
    ("old", "new", "field", "breaking"),
    [
        ({}, {"a": (str | None, None)}, "a", False),
        ({}, {"a": str}, "a", True),
        ({"a": str}, {}, "a", True),
        ({"a": (str | None, None)}, {}, "a", True),
        ({"a": str}, {"a": (str, "")}, "a", False),
        ({"a": (str, "")}, {"a": str}, "a", True),
        ({"a": str}, {"a": str | None}, "a", False),
        ({"a": str | None}, {"a": str}, "a", True),
        ({"a": int}, {"a": float}, "a", False),
        ({"a": float}, {"a": int}, "a", True),
        ({"a": int}, {"a": str}, "a", True),
        ({"a": UtcTime}, {"a": str}, "a", True),
        ({"a": (int, 1)}, {"a": (int, 2)}, "a", True),
        ({"a": text(max_length=5)}, {"a": text(max_length=6)}, "a", False),
        ({"a": text(max_length=5)}, {"a": text(max_length=4)}, "a", True),
        ({"a": text(max_length=5)}, {"a": str}, "a", False),
        ({"a": str}, {"a": text(min_length=1)}, "a", True),
        ({"a": number(ge=0)}, {"a": number(ge=-1)}, "a", False),
        ({"a": number(ge=0)}, {"a": number(ge=1)}, "a", True),
        ({"a": number(le=5)}, {"a": number(le=4)}, "a", True),
        ({"a": Literal["x"]}, {"a": Literal["x", "y"]}, "a", False),
        ({"a": Literal["x", "y"]}, {"a": Literal["x"]}, "a", True),
        ({"a": Literal["x"]}, {"a": str}, "a", False),
        ({"a": str}, {"a": Literal["x"]}, "a", True),
        ({"a": Money}, {"a": MoneySum}, "a", False),
        ({"a": MoneySum}, {"a": Money}, "a", True),
        ({"a": Money}, {"a": str}, "a", True),
        ({"a": text(pattern="^x$")}, {"a": text(pattern="^y$")}, "a", True),
        ({"a": text(pattern="^x$")}, {"a": str}, "a", False),
        ({"a": text(description="one")}, {"a": text(description="two")}, "a", False),
        ({"a": list[line(b=int)]}, {"a": list[line(b=int, c=int)]}, "a[].c", True),
        ({"a": list[line(b=int)]}, {"a": list[line(b=float)]}, "a[].b", False),
        ({"a": list[str]}, {"a": list[int]}, "a[]", True),
        ({"a": (text(max_length=5) | None, None)}, {"a": (text(max_length=4) | None, None)}, "a", True),
    ],
)
def test_a_change_is_found_and_judged(old: Any, new: Any, field: str, breaking: bool) -> None:
    changes = compare(contract(**old), contract(**new))
    assert {change.field for change in changes} == {field}
    assert any(change.breaking for change in changes) is breaking


def same(record: dict[str, Any]) -> dict[str, Any]:
    return record


@pytest.mark.parametrize(
    ("old", "upcasters", "new", "breaking"),
    [
        ({"a": str}, [Upcast({"b": "a"})], {"b": str}, []),
        ({"a": str}, [Upcast({"b": "a"})], {"b": int}, ["b"]),
        ({"a": str}, [Upcast({"b": "a"}), Upcast({"c": "b"})], {"c": str}, []),
        ({"a": str}, [Upcast()], {"b": str}, ["b"]),
        ({"a": str}, [Upcast({}, {"b": "x"})], {"a": str, "b": str}, []),
        ({"a": str}, [Upcast({}, {"b": "x"}), Upcast({"c": "b"})], {"a": str, "c": str}, []),
        ({"a": (str, "")}, [Upcast({}, {"a": "x"})], {"a": str}, []),
        ({"a": int}, [Upcast({}, {}, {"a": "money"})], {"a": Money}, []),
        ({"a": int | None}, [Upcast({}, {}, {"a": "money"})], {"a": Money}, ["a"]),
        ({"a": int}, [Upcast({"b": "a"}, {}, {"b": "string"})], {"b": str}, []),
        ({"a": str}, [Upcast({}, {}, {"a": "number"})], {"a": float}, ["a"]),
        ({"a": str, "b": str}, [Upcast()], {"a": str}, []),
        ({"a": str}, [Upcast()], {"a": text(max_length=3)}, ["a"]),
        ({"a": str}, [same], {"b": int}, []),
        ({"a": str}, [Upcast(), same], {"b": int}, []),
    ],
)
def test_what_an_upcaster_does_is_compatible_and_nothing_else(
    old: Any, upcasters: Any, new: Any, breaking: list[str]
) -> None:
    changes = compare(contract(**old), contract(*upcasters, **new))
    assert changes[0].field == "(version)"
    assert [change.field for change in changes if change.breaking] == breaking


def test_a_version_that_is_lowered_or_no_longer_read_is_breaking() -> None:
    first, second = contract(a=str), contract(Upcast(), a=str)
    assert [change.breaking for change in compare(second, first)] == [True]
    third = json.loads(json.dumps(contract(Upcast(), Upcast(), a=str)))
    del third["x-contract"]["upcasts"]["1"]
    assert [change.breaking for change in compare(first, third)] == [True]
    assert [change.breaking for change in compare(second, third)] == [False]


@pytest.mark.parametrize("topic", EVENT_TOPICS, ids=lambda topic: topic.name)
def test_a_contract_is_compatible_with_itself_after_a_round_trip(topic: Topic) -> None:
    assert compare(json.loads(json.dumps(json_schema(topic))), json_schema(topic)) == []


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.build_app(), ["contract", "diff", *arguments])
    if isinstance(result.exception, Terminal):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_command_exits_with_1_on_a_breaking_change(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(contract(a=int)))
    new.write_text(json.dumps(contract(a=float, b=(int, 0))))
    assert run(str(old), str(old)) == (0, "No change.\n")
    code, shown = run(str(old), str(new))
    assert (code, "The change is compatible." in shown) == (0, True)
    code, shown = run(str(new), str(old), "--json")
    assert code == 1
    assert json.loads(shown)["breaking"] is True
    assert "Raise the version to 2 and add an upcaster from version 1." in run(str(new), str(old))[1]
    new.write_text(json.dumps(contract(Upcast({"b": "a"}), b=int)))
    assert run(str(old), str(new))[0] == 0
    exported = tmp_path / "orders.toml"
    exported.write_text(
        CliRunner().invoke(cli.build_app(), ["contract", "export", "orders", "--format", "toml"]).stdout
    )
    assert run(str(exported), "orders") == (0, "No change.\n")
    assert run("orders", "customers")[0] == 1
    assert run("orders", "orders")[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a JSON file"),
        ("[]", "is not a JSON Schema"),
        ("{}", "it has no properties"),
        ('{"$ref": "#/a", "a": {"$ref": "#/a"}}', "cannot be resolved"),
        ('{"$ref": "https://example.com/x"}', "cannot be resolved"),
    ],
)
def test_what_is_no_contract_is_refused(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    file.write_text(content)
    with pytest.raises(Terminal, match=message):
        run(str(file), "orders")
    with pytest.raises(Terminal, match="no topic nowhere"):
        run("orders", "nowhere")
