"""Whether a change of a contract is compatible: whether the new one reads every record that the old one accepts.

Contracts are compared as JSON Schema, as `headrace.contracts.export` writes it, so that an old one can be kept in a
file. A removed field is breaking too, since tables and queries read it; so is a renamed one, which is removed and
added.

Unless the new contract has a higher version with upcasters from the old one: then what they do is compatible.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from headrace.contracts.errors import Terminal
from headrace.contracts.export import VERSIONS

Schema = Mapping[str, Any]

_DECIMAL = re.compile(r"\^-\?\[0-9\]\{1,(\d+)\}\(\\\.\[0-9\]\{1,(\d+)\}\)\?\$")
"""The pattern of an amount: digits before and after the point."""
_LIMITS: dict[str, Callable[[float, float], bool]] = {
    "minimum": lambda old, new: new <= old,
    "maximum": lambda old, new: new >= old,
    "minLength": lambda old, new: new <= old,
    "maxLength": lambda old, new: new >= old,
}
"""Whether a new limit accepts all that the old one does."""
_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """One difference. `field` is a path such as `lines[].sku`."""

    field: str
    what: str
    breaking: bool


def compare(old: Schema, new: Schema) -> list[Change]:
    """The changes from one JSON Schema to another, in the order of the fields.

    Raises:
        Terminal: one of them is not the JSON Schema of an object.
    """
    before, after = _version(old), _version(new)
    pair = _Node(old, old), _Node(new, new)
    if before == after:
        return list(_objects(*pair, ""))
    steps = [_upcasts(new).get(str(version), _ABSENT) for version in range(before, after)]
    unread = not steps or _ABSENT in steps
    raised = Change("(version)", f"{before} became {after}" + (", which does not read it" if unread else ""), unread)
    if unread:
        return [raised, *_objects(*pair, "")]
    if None in steps:
        # A function may do anything, so every difference is its job.
        return [raised, *(replace(each, breaking=False) for each in _objects(*pair, ""))]
    return [raised, *_upcast(*pair, cast("list[_Step]", steps))]


def remedy(old: Schema) -> str:
    """How to make a breaking change of this contract compatible, as a sentence."""
    version = _version(old)
    return f"Raise the version to {version + 1} and add an upcaster from version {version}."


_Step = Mapping[str, Mapping[str, Any]]
"""What an upcaster does, by `rename`, `constants` and `widen`."""
_WIDENED = {
    "number": {("integer", "number")},
    "money": {("integer", "amount")},
    "string": {(kind, "string") for kind in ("integer", "number", "boolean", "time", "amount")},
}
"""The kinds that a widening leads from and to."""


def _version(schema: Schema) -> int:
    return int(schema.get(VERSIONS, {}).get("version", 1))


def _upcasts(schema: Schema) -> Mapping[str, Any]:
    return schema.get(VERSIONS, {}).get("upcasts", {})


def _upcast(old: "_Node", new: "_Node", steps: "list[_Step]") -> Iterator[Change]:
    """The changes that remain after the upcasters, and what these do."""
    before, after = old.properties, new.properties
    names, constants, widened = {name: name for name in before}, set[str](), dict[str, str]()
    for step in steps:
        moved = {was: name for name, was in step.get("rename", {}).items()}
        names = {original: moved.get(name, name) for original, name in names.items()}
        constants = {moved.get(name, name) for name in constants} | set(step.get("constants", {}))
        widened = {moved.get(name, name): kind for name, kind in widened.items()} | dict(step.get("widen", {}))
    for original, name in names.items():
        if name not in after:
            yield Change(original, "removed", breaking=False)
            continue
        if name != original:
            yield Change(name, f"renamed from {original}", breaking=False)
        was, is_now = original in old.required, name in new.required
        if was != is_now:
            yield Change(
                name, "required" if is_now else "no longer required", breaking=is_now and name not in constants
            )
        pair = before[original], after[name]
        if (pair[0].kind, pair[1].kind) in _WIDENED.get(widened.get(name, ""), ()):
            yield Change(name, f"type {pair[0].kind} became {pair[1].kind}", breaking=False)
            if pair[0].nullable and not pair[1].nullable:
                yield Change(name, "may no longer be null", breaking=True)
        else:
            yield from _values(*pair, name)
    for name in (name for name in after if name not in names.values()):
        needed, given = name in new.required, name in constants
        what = "added, a constant in old records" if given else "added, required" if needed else "added"
        yield Change(name, what, breaking=needed and not given)


class _Node:
    """A part of a schema, with references resolved."""

    def __init__(self, root: Schema, node: Schema) -> None:
        self._root = root
        passed: list[str] = []
        while "$ref" in node:
            path = str(node["$ref"])
            found: Any = root
            for name in path.removeprefix("#/").split("/"):
                found = found.get(name) if isinstance(found, Mapping) else None
            if path in passed or not path.startswith("#/") or not isinstance(found, Mapping):
                raise Terminal(f"The reference {path} cannot be resolved.", remedy="Give a file of `contract export`.")
            passed.append(path)
            node = cast("Schema", found)
        members = [cast("Schema", each) for each in node.get("anyOf", ()) if each.get("type") != "null"]
        self.nullable = len(members) < len(node.get("anyOf", ()))
        self.default = node.get("default", _ABSENT)
        self.about = node.get("description", "")
        self.node: Schema = _Node(root, members[0]).node if len(members) == 1 else node

    @property
    def kind(self) -> str:
        """The type; that of a time or an amount by its name."""
        if "enum" in self.node:
            return "string"
        if self.node.get("format") == "date-time":
            return "time"
        return "amount" if self.decimal else str(self.node.get("type", "any type"))

    @property
    def decimal(self) -> tuple[int, int] | None:
        found = _DECIMAL.fullmatch(str(self.node.get("pattern", "")))
        return (int(found[1]), int(found[2])) if found else None

    @property
    def properties(self) -> "dict[str, _Node]":
        given = self.node.get("properties")
        if not isinstance(given, Mapping):
            raise Terminal(
                "This is not the JSON Schema of a topic: it has no properties.",
                remedy="Write it with `headrace contract export TOPIC --format jsonschema`.",
            )
        return {name: _Node(self._root, each) for name, each in cast("Mapping[str, Schema]", given).items()}

    @property
    def required(self) -> set[str]:
        return set(self.node.get("required", ()))

    @property
    def items(self) -> "_Node":
        return _Node(self._root, self.node.get("items", {}))


def _objects(old: _Node, new: _Node, path: str) -> Iterator[Change]:
    before, after = old.properties, new.properties
    for name, node in before.items():
        field = f"{path}{name}"
        if name not in after:
            yield Change(field, "removed", breaking=True)
            continue
        was, is_now = name in old.required, name in new.required
        if was != is_now:
            yield Change(field, "required" if is_now else "no longer required", breaking=is_now)
        yield from _values(node, after[name], field)
    for name in after:
        if name not in before:
            needed = name in new.required
            yield Change(f"{path}{name}", "added, required" if needed else "added", breaking=needed)


def _values(old: _Node, new: _Node, field: str) -> Iterator[Change]:
    if old.kind != new.kind:
        widened = (old.kind, new.kind) == ("integer", "number")
        yield Change(field, f"type {old.kind} became {new.kind}", breaking=not widened)
        if not widened:
            return
    if old.nullable != new.nullable:
        yield Change(field, "may be null" if new.nullable else "may no longer be null", breaking=old.nullable)
    if _ABSENT not in (old.default, new.default) and old.default != new.default:
        yield Change(field, f"default {old.default!r} became {new.default!r}", breaking=True)
    yield from _limits(old.node, new.node, field)
    yield from _patterns(old, new, field)
    if old.about != new.about:
        yield Change(field, "description changed", breaking=False)
    if new.kind == "array":
        pair = old.items, new.items
        inner = _objects if all("properties" in each.node for each in pair) else _values
        yield from inner(*pair, f"{field}[]." if inner is _objects else f"{field}[]")


def _limits(old: Schema, new: Schema, field: str) -> Iterator[Change]:
    for name, accepts in _LIMITS.items():
        before, after = old.get(name), new.get(name)
        if before != after:
            wider = after is None or (before is not None and accepts(before, after))
            yield Change(field, f"{name} {_shown(before)} became {_shown(after)}", breaking=not wider)
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is None:
        return
    if after is None or before is None:
        yield Change(field, "any text" if after is None else "limited to choices", breaking=before is None)
        return
    for choice in sorted(set(before) ^ set(after)):
        yield Change(
            field, f"choice {choice!r} {'removed' if choice in before else 'added'}", breaking=choice in before
        )


def _patterns(old: _Node, new: _Node, field: str) -> Iterator[Change]:
    before, after = old.node.get("pattern"), new.node.get("pattern")
    if before == after:
        return
    wider = after is None or (
        old.decimal is not None
        and new.decimal is not None
        and all(is_now >= was for was, is_now in zip(old.decimal, new.decimal, strict=True))
    )
    yield Change(field, f"pattern {_shown(before)} became {_shown(after)}", breaking=not wider)


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
