"""A mapping compiled against the contract of its topic: for each field, where its value comes from and how it is read.

Everything that can be wrong with a mapping is found here, before the file is read.
"""

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Values
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from headrace.contracts.errors import Terminal
from headrace.contracts.fields import Field, fields_of
from headrace.contracts.topic import Topic
from headrace.contracts.topics import EVENT_TOPICS, TOPICS
from headrace.contracts.types import Event
from headrace.streaming.sources.mapped.mapping import FieldKeys, Ignore, Mapping, ValueKeys
from headrace.streaming.sources.mapped.timestamps import EXCEL, NUMERIC, ORDERS, moment_reader, zone_of
from headrace.streaming.sources.mapped.values import Convert, InvalidValue, converter, number_reader, rounded, text_of

GENERATED_BY_US = ("event_id", "source")
"""Fields that need no mapping: the id is made of the event's content, the source is the mapping's."""
PSEUDONYMS = {"author": "author", "client_id": "client", "user": "user"}
"""Fields that hold a pseudonym by contract, and its kind, as the other sources have it."""
REMEMBERED = 4_096
"""Values repeat in a column: to convert one takes longer than to look it up."""
MISSING = object()
"""What a column without a value gives."""

Get = Callable[[Values[str, object]], object]


@dataclass(frozen=True)
class FieldPlan:
    """One field: how its value is found in a record and read. `read` is None where it is generated."""

    field: Field
    column: str | None
    read: Callable[[Values[str, object]], Any] | None
    generate: str | None = None
    pseudonym: str | None = None
    constant: Any = MISSING

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def has_text(self) -> bool:
        """Whether it may hold personal data, which must be replaced."""
        return self.field.kind == "string" and self.field.choices is None and self.column is not None


@dataclass(frozen=True)
class Plan:
    """A compiled mapping. `identity` is the field whose value, with the content, makes the event's id."""

    mapping: Mapping
    topic: Topic
    contract: type[Event]
    key_fields: tuple[str, ...]
    identity: str
    fields: tuple[FieldPlan, ...]
    lines: tuple[FieldPlan, ...]
    lines_field: str | None
    group: tuple[Get, ...]
    lines_of: Get | None
    is_ignored: Callable[[Values[str, object]], str | None]
    is_group_ignored: Callable[[Values[str, object]], str | None]

    @property
    def has_generated_identity(self) -> bool:
        """Whether the id that the event is about is made of its content."""
        return any(field.name == self.identity and field.generate for field in self.fields)

    @property
    def columns(self) -> list[str]:
        """All columns that the file must have: those of lines within a record are not among them."""
        rows = self.mapping.rows
        fields = [*self.mapping.fields.values(), *(() if self.lines_of else self.mapping.lines.values())]
        named = [name for keys in fields if not keys.optional for name in _listed(keys.column)]
        named += [keys.divided_by for keys in fields if keys.divided_by is not None]
        named += _listed(rows.group_by) + rows.fill_down + _listed(rows.lines)
        return [*dict.fromkeys(named + [each.column for each in rows.ignore])]


def topic_of(name: str | None, mapping: Mapping) -> Topic:
    """The topic that the command or the mapping names.

    Raises:
        Terminal: none, two, or one that does not exist.
    """
    if name is not None and mapping.topic is not None and name != mapping.topic:
        raise Terminal(
            f"The mapping is for the topic {mapping.topic}, not for {name}.",
            remedy="Leave `--topic` out, or change it.",
        )
    return known_topic(name or mapping.topic)


def known_topic(name: str | None) -> Topic:
    """A topic of events.

    Raises:
        Terminal: there is none of that name.
    """
    names = [topic.name for topic in EVENT_TOPICS]
    if name is None:
        raise Terminal("Which topic is the file for?", remedy=f"Add `--topic`: one of {', '.join(names)}.")
    if name not in names:
        near = get_close_matches(name, names, 1)
        remedy = f"Did you mean {near[0]}?" if near else f"Topics are {', '.join(names)}."
        raise Terminal(f"There is no topic {name}.", remedy=remedy)
    return TOPICS[name]


def compile_mapping(mapping: Mapping, topic: Topic) -> Plan:
    """Check a mapping against a topic, and prepare it.

    Raises:
        Terminal: the mapping does not fit the topic; the message names the key.
    """
    contract = topic.contract
    if contract is None:
        raise Terminal(f"{topic.name} has no contract.", remedy="Give a topic of events.")
    fields = {field.name: field for field in fields_of(contract)}
    listing = next((field for field in fields.values() if field.kind == "list"), None)
    _check_names(mapping, fields, listing, topic)
    values = mapping.values
    zones = {name: zone_of(zone, f"values.zones.{name}") for name, zone in values.zones.items()}
    compiler = _Compiler(values, zones)
    plans = tuple(compiler.field(fields[name], keys, f"fields.{name}") for name, keys in mapping.fields.items())
    children = {child.name: child for child in (listing.children if listing else ())}
    lines = tuple(compiler.field(children[name], keys, f"lines.{name}") for name, keys in mapping.lines.items())
    if any(line.generate for line in lines):
        raise Terminal("`lines` has a field with `generate`.", remedy="Only fields of the event can be generated.")
    return Plan(
        mapping=mapping,
        topic=topic,
        contract=contract,
        key_fields=key_fields(topic),
        identity=identity_of(contract),
        fields=plans,
        lines=lines,
        lines_field=listing.name if listing and lines else None,
        group=tuple(getter(column) for column in _listed(mapping.rows.group_by)),
        lines_of=getter(mapping.rows.lines) if mapping.rows.lines else None,
        is_ignored=_ignored_by(mapping.rows.ignore, group=False),
        is_group_ignored=_ignored_by(mapping.rows.ignore, group=True),
    )


def key_fields(topic: Topic) -> tuple[str, ...]:
    """The fields that the key of a topic's records is taken from: the first of them that has a value."""
    names = {field.name for field in fields_of(topic.contract)} if topic.contract else set[str]()
    return tuple(word for word in re.findall(r"[a-z_]+", topic.key) if word in names) or ("event_id",)


def identity_of(contract: type[Event]) -> str:
    """The field that names what the event is about: the first required id after those of every event."""
    names = (field.name for field in fields_of(contract) if field.required and field.max_length is not None)
    return next((name for name in names if name not in GENERATED_BY_US), "")


def getter(column: str) -> Get:
    """Looks a column up in a record: by its name, or else by a path of names within each other."""
    path = column.split(".")

    def get(values: Values[str, object]) -> object:
        if column in values:
            return values[column]
        if len(path) == 1:
            return None
        found: object = values
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    return get


def _listed(names: str | list[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _check_names(mapping: Mapping, fields: dict[str, Field], listing: Field | None, topic: Topic) -> None:
    names = [name for name, field in fields.items() if field.kind != "list"]
    for name in mapping.fields:
        if listing is not None and name == listing.name:
            raise Terminal(f"`fields.{name}` is a list.", remedy="Map the fields of its elements in a table [lines].")
        if name not in names:
            raise _unknown(f"fields.{name}", name, names, topic)
    if mapping.lines and listing is None:
        raise Terminal(f"`lines`: the topic {topic.name} has no lines.", remedy="Leave the table [lines] out.")
    children = listing.children if listing else ()
    for name in mapping.lines:
        if name not in [child.name for child in children]:
            raise _unknown(f"lines.{name}", name, [child.name for child in children], topic)
    missing = [f"fields.{name}" for name in names if fields[name].required and name not in mapping.fields]
    missing = [key for key in missing if key.removeprefix("fields.") not in GENERATED_BY_US]
    missing += [f"lines.{child.name}" for child in children if child.required and child.name not in mapping.lines]
    if missing:
        raise Terminal(
            f"The mapping does not say what {', '.join(f'`{key}`' for key in missing)} is.",
            remedy='Name its column, such as `KEY = "Column"`, or a `constant`.',
        )
    if mapping.rows.lines and mapping.rows.group_by:
        raise Terminal("`rows.lines` and `rows.group_by` exclude each other.", remedy="Leave one of them out.")
    if mapping.rows.lines and listing is None:
        raise Terminal(f"`rows.lines`: the topic {topic.name} has no lines.", remedy="Leave it out.")


def _unknown(key: str, name: str, names: Iterable[str], topic: Topic) -> Terminal:
    names = list(names)
    near = get_close_matches(name, names, 1)
    remedy = f"Did you mean {near[0]}?" if near else f"Fields are {', '.join(names)}."
    return Terminal(f"`{key}`: the topic {topic.name} has no such field.", remedy=remedy)


class _Compiler:
    """Makes the plans of fields, with what is the same for all of them."""

    def __init__(self, values: ValueKeys, zones: dict[str, Any]) -> None:
        self._values = values
        self._zones = zones
        self._missing = frozenset(["", *values.missing])

    def field(self, field: Field, keys: FieldKeys, key: str) -> FieldPlan:
        """The plan of one field.

        Raises:
            Terminal: its keys contradict each other, or do not fit the field.
        """
        ways = [name for name in ("column", "constant", "generate") if getattr(keys, name) is not None]
        if len(ways) != 1:
            problem = f"has {' and '.join(ways)}" if ways else "has neither `column` nor `constant`"
            raise Terminal(f"`{key}` {problem}.", remedy="Say one of `column`, `constant` and `generate`.")
        self._check(field, keys, key)
        pseudonym = keys.pseudonym or PSEUDONYMS.get(field.name)
        if keys.generate is not None:
            return FieldPlan(field, None, None, keys.generate)
        convert = self._convert(field, keys, key)
        if keys.constant is not None:
            constant = _known(convert, keys.constant, f"{key}.constant")
            return FieldPlan(field, None, lambda _: constant, constant=constant)
        default = MISSING if keys.default is None else _known(convert, keys.default, f"{key}.default")
        read = self._reader(self._first(_listed(keys.column)), convert, default)
        if keys.divided_by is not None:
            read = self._divided(read, getter(keys.divided_by))
        return FieldPlan(field, " or ".join(_listed(keys.column)), read, None, pseudonym)

    def _check(self, field: Field, keys: FieldKeys, key: str) -> None:
        is_amount = field.kind == "money"
        for name, fits, kinds in (
            ("format", field.kind == "time", "times"),
            ("timezone", field.kind == "time", "times"),
            ("divided_by", is_amount, "amounts"),
            ("numbers", field.kind == "string", "ids"),
            ("pseudonym", field.kind == "string", "texts"),
        ):
            if getattr(keys, name) is not None and not fits:
                raise Terminal(f"`{key}.{name}` is for {kinds}, and {field.name} is none.", remedy="Leave it out.")
        if keys.generate == "sum" and field.name != "total":
            raise Terminal(f'`{key}`: only `total` can be a "sum".', remedy="Name its column.")
        if keys.generate in ("content", "row") and (field.kind != "string" or field.max_length is None):
            raise Terminal(f"`{key}`: only an id can be generated of the content.", remedy="Name its column.")
        form = keys.format or self._values.format
        if field.kind == "time" and form and "%" not in form and form not in (*ORDERS, *NUMERIC, EXCEL, "iso"):
            raise Terminal(
                f"`{key}.format`: {form} is no format.",
                remedy=f"Write iso, {', '.join((*ORDERS, *NUMERIC, EXCEL))}, or a pattern such as %d.%m.%Y %H:%M.",
            )

    def _convert(self, field: Field, keys: FieldKeys, key: str) -> Convert:
        if field.kind == "time":
            zone = zone_of(keys.timezone or self._values.timezone, f"{key}.timezone")
            form = keys.format or self._values.format
            return moment_reader(None if form == "iso" else form, zone, self._zones)
        return converter(field, keys, self._values)

    def _first(self, columns: list[str]) -> Get:
        """The value of the first column that has one."""
        gets = [getter(column) for column in columns]
        if len(gets) == 1:
            return gets[0]
        missing = self._missing

        def get(values: Values[str, object]) -> object:
            for each in gets:
                value = each(values)
                if value is not None and not (isinstance(value, str) and value.strip() in missing):
                    return value
            return None

        return get

    def _reader(self, get: Get, convert: Convert, default: Any) -> Callable[[Values[str, object]], Any]:
        missing = self._missing

        known: dict[str, Any] = {}

        def read_text(text: str) -> Any:
            value = default if text.strip() in missing else convert(text)
            if len(known) >= REMEMBERED:
                known.clear()
            known[text] = value
            return value

        def read(values: Values[str, object]) -> Any:
            value = get(values)
            if isinstance(value, str):
                return known[value] if value in known else read_text(value)
            return default if value is None or value != value else convert(value)

        return read

    def _divided(self, read: Callable[[Values[str, object]], Any], get: Get) -> Callable[[Values[str, object]], Any]:
        number = number_reader(FieldKeys(), self._values)

        def divided(values: Values[str, object]) -> Any:
            amount = read(values)
            if amount is MISSING:
                return MISSING
            try:
                return f"{rounded(number(amount) / number(get(values))):f}"
            except ArithmeticError:
                raise InvalidValue("cannot be divided") from None

        return divided


def _known(convert: Convert, value: object, key: str) -> Any:
    try:
        return convert(value)
    except InvalidValue as invalid:
        raise Terminal(f"`{key}` {invalid}.", remedy="Correct it.") from None


def _ignored_by(rules: list[Ignore], *, group: bool) -> Callable[[Values[str, object]], str | None]:
    """Why a record is ignored, or None."""
    tests: list[tuple[Get, Callable[[str], bool], str]] = []
    for number, rule in enumerate(rules, 1):
        key = f"rows.ignore[{number}]"
        conditions = [rule.equals is not None, rule.pattern is not None, rule.blank]
        if sum(conditions) != 1:
            raise Terminal(f"`{key}` needs one condition.", remedy="Say one of `equals`, `pattern` and `blank`.")
        if rule.group == group:
            tests.append((getter(rule.column), _condition(rule, key), f"rule for {rule.column}"))

    def ignored(values: Values[str, object]) -> str | None:
        for get, matches, reason in tests:
            try:
                if matches(text_of(get(values))):
                    return reason
            except InvalidValue:
                continue
        return None

    return ignored


def _condition(rule: Ignore, key: str) -> Callable[[str], bool]:
    if rule.blank:
        return lambda text: not text
    if rule.equals is not None:
        return frozenset(_listed(rule.equals)).__contains__
    try:
        pattern = re.compile(rule.pattern or "")
    except re.error as error:
        raise Terminal(f"`{key}.pattern` is no regular expression: {error}.", remedy="Correct it.") from error
    return lambda text: pattern.fullmatch(text) is not None
