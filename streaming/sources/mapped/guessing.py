"""Guesses a first mapping from a file's columns and first records. What cannot be known is a question, not a guess."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from headrace.contracts.errors import Terminal
from headrace.contracts.fields import Field, fields_of
from headrace.contracts.topic import Topic
from headrace.streaming.sources.mapped.columns import Column, Survey
from headrace.streaming.sources.mapped.map_writing import Draft
from headrace.streaming.sources.mapped.mapping import FileKeys
from headrace.streaming.sources.mapped.names import CURRENCY_SIGNS, TOTAL_WORDS, best_match, normalized
from headrace.streaming.sources.mapped.opening import open_table
from headrace.streaming.sources.mapped.plan import GENERATED_BY_US, PSEUDONYMS, identity_of
from headrace.streaming.sources.mapped.records import Record, Table
from headrace.streaming.sources.mapped.time_guess import abbreviations, time_keys
from headrace.streaming.sources.mapped.values import InvalidValue, text_of

SURVEYED_RECORDS = 20_000
HEADER_ROWS = 20
SAMPLE_RECORDS = 50
OPEN = "?"
ANY_BYTE = "latin-1"
"""Reads any text whose encoding is not known yet, so that its columns can be guessed."""
CONSTANTS = {"orders.channel": "store", "orders.kind": "order", "customer_feedback.channel": "import"}
"""What a field is for almost all files that have no column for it."""


def guess(path: Path, topic: Topic, keys: FileKeys) -> Draft:
    """A first mapping of a file to a topic; `keys` are what the user has stated about the file.

    Raises:
        Terminal: the file cannot be read as it is; the message names the key that says how.
    """
    draft = Draft()
    draft.put("", "topic", topic.name)
    keys, table = _opened(path, keys, draft)
    survey = survey_of(table.records, table.columns)
    if _asks_for_encoding(survey, keys, draft):
        survey = survey_of(open_table(path, _replaced(keys, encoding=ANY_BYTE)).records, table.columns)
    _Guesser(topic, survey, draft).run()
    return draft


def survey_of(records: Iterable[Record], columns: list[str]) -> Survey:
    """Look at the first records, all their columns; of objects within objects, the paths."""
    survey = Survey({name: Column(name) for name in columns if name})
    remaining = iter(records)
    for record in islice(remaining, SURVEYED_RECORDS):
        if record.is_header or record.is_blank:
            continue
        survey.records += 1
        if record.error is not None:
            survey.errors[record.error] += 1
        else:
            survey.wide += not record.raw.isascii()
            for name, value in _flat(record.values):
                survey.columns.setdefault(name, Column(name)).add(value)
        survey.last_values = {name: _text(value) for name, value in record.values.items()}
    survey.is_whole = next(remaining, None) is None
    return survey


def _opened(path: Path, keys: FileKeys, draft: Draft) -> tuple[FileKeys, Table]:
    table = open_table(path, keys)
    if table.format in ("csv", "excel") and keys.columns is None:
        row = _header_row(path, keys)
        if row != keys.header_row:
            keys = _replaced(keys, header_row=row)
        table = open_table(path, keys)
    draft.put("file", "format", table.format)
    for name in ("encoding", "delimiter", "sheet", "columns"):
        value = getattr(keys, name) or table.notes.get(name)
        if value is not None:
            draft.put("file", name, value)
    if keys.header_row != 1:
        draft.put("file", "header_row", keys.header_row, note="the first row with as many cells as most rows have")
    return keys, table


def _header_row(path: Path, keys: FileKeys) -> int:
    """The first row that has as many columns as the rows after it: titles above a table have fewer."""
    for row in range(keys.header_row, keys.header_row + HEADER_ROWS):
        try:
            table = open_table(path, _replaced(keys, header_row=row))
        except Terminal:
            continue
        sample = [record for record in islice(table.records, SAMPLE_RECORDS) if not record.is_blank]
        fits = sum(record.error is None for record in sample)
        if len(table.columns) > 1 and fits * 2 > len(sample):
            return row
    return keys.header_row


def _replaced(keys: FileKeys, **changes: Any) -> FileKeys:
    return FileKeys(**{name: getattr(keys, name) for name in FileKeys.__struct_fields__} | changes)


def _asks_for_encoding(survey: Survey, keys: FileKeys, draft: Draft) -> bool:
    """Whether the encoding is a question. Where some rows are UTF-8 beyond ASCII, the others are damaged."""
    invalid = sum(count for reason, count in survey.errors.items() if "text that is not" in reason)
    if not invalid or survey.wide or keys.encoding is not None:
        return False
    question = f"{invalid} rows are not UTF-8. What is the encoding? Windows programs write cp1252."
    draft.put("file", "encoding", OPEN, question=question)
    return True


class _Guesser:
    """The guess of one file's fields."""

    def __init__(self, topic: Topic, survey: Survey, draft: Draft) -> None:
        if topic.contract is None:
            raise Terminal(f"{topic.name} has no contract.", remedy="Give a topic of events.")
        self._topic = topic
        self._survey = survey
        self._draft = draft
        self._fields = fields_of(topic.contract)
        self._identity = identity_of(topic.contract)
        self._used: dict[str, None] = {}
        self._amounts: list[Column] = []

    def run(self) -> None:
        """Put all of it into the draft."""
        listing = next((field for field in self._fields if field.kind == "list"), None)
        matched = {
            field.name: self._match(field)
            for field in self._fields
            if field.name not in GENERATED_BY_US and field.kind != "list"
        }
        lines = self._lines(listing) if listing else {}
        group = self._rows(matched.get(self._identity), listing)
        for field in self._fields:
            if field.name in matched:
                self._field(field, matched[field.name], has_lines=bool(lines), grouped=group)
        for name, (field, column) in lines.items():
            self._put("lines", field, column, name)
        for column in self._survey.columns.values():
            if column.name not in self._used and not column.lists:
                self._draft.unused.append(column.name)

    def _match(self, field: Field) -> Column | None:
        columns = [name for name in self._survey.columns if name not in self._used and self._fits(name, field)]
        name = best_match(field.name, columns)
        if name is None:
            return None
        self._used[name] = None
        column = self._survey.columns[name]
        if field.kind == "money":
            self._amounts.append(column)
        return column

    def _fits(self, name: str, field: Field) -> bool:
        column = self._survey.columns[name]
        if column.lists:
            return False
        if field.choices is not None:
            return set(map(str.casefold, column.values)) <= set(map(str.casefold, field.choices))
        return True

    def _lines(self, listing: Field) -> dict[str, tuple[Field, Column | None]]:
        """The fields of lines: from a list within each record, or from columns beside the others."""
        listed = next((column for column in self._survey.columns.values() if column.lists), None)
        if listed is None:
            return {child.name: (child, self._match(child)) for child in listing.children}
        self._draft.put("rows", "lines", listed.name, note="the only column with lists")
        elements = [each for each in _listed(listed.first) if isinstance(each, dict)]
        inner = survey_of([Record(0, b"", each) for each in elements], [])
        found: dict[str, tuple[Field, Column | None]] = {}
        for child in listing.children:
            name = best_match(child.name, [*inner.columns])
            found[child.name] = child, inner.columns[name] if name else None
        return found

    def _rows(self, identity: Column | None, listing: Field | None) -> bool:
        grouped = False
        has_list = any(column.lists for column in self._survey.columns.values())
        if listing is not None and identity is not None and not has_list:
            grouped = True
            self._draft.put(
                "rows", "group_by", identity.name, note="rows with the same value are the lines of one order"
            )
            if self._survey.stands_apart(identity.name):
                self._draft.put("rows", "together", False, note="rows of one order stand apart")
            total = self._total_line()
            blank = self._survey.columns[identity.name].blank - (1 if total is not None else 0)
            if blank > 0:
                question = (
                    f"{identity.name} is empty in {blank} rows. Do they repeat the value above? Then name the columns"
                    " that do; if not, write []."
                )
                self._draft.put("rows", "fill_down", [OPEN], question=question)
        total = self._total_line()
        if total is not None:
            column, value = total
            rule = {"column": column, "equals": value}
            self._draft.put("rows", "ignore", [rule], note="the last row looks like a total")
        return grouped

    def _total_line(self) -> tuple[str, str] | None:
        if not self._survey.is_whole:
            return None
        words = [(name, value) for name, value in self._survey.last_values.items() if value]
        found = [(name, value) for name, value in words if normalized(value) in TOTAL_WORDS]
        return found[0] if found else None

    def _field(self, field: Field, column: Column | None, *, has_lines: bool, grouped: bool) -> None:
        if field.name == "total" and has_lines and (grouped or column is None):
            note = "the sum of the lines"
            if column is not None:
                self._used.pop(column.name)
            self._draft.put("fields", field.name, {"generate": "sum"}, note=note)
        elif column is not None and column.filled:
            self._put("fields", field, column, field.name)
        elif field.required:
            self._without_column(field)

    def _without_column(self, field: Field) -> None:
        constant = CONSTANTS.get(f"{self._topic.name}.{field.name}")
        if field.name == "currency":
            self._currency()
        elif field.name == "kind" and any(text.startswith("-") for text in self._quantities()):
            question = "Some quantities are negative. Are the rows orders, returns or adjustments? Or name a column."
            self._draft.put("fields", field.name, {"constant": OPEN}, question=question)
        elif constant is not None:
            self._draft.put("fields", field.name, {"constant": constant}, note="the same for all events")
        elif field.name == self._identity and field.name == "feedback_id":
            note = "no column has an id: it is made of the content"
            self._draft.put("fields", field.name, {"generate": "content"}, note=note)
        else:
            question = f"Which column is {field.name}? {field.description} Or name a constant."
            self._draft.put("fields", field.name, {"column": OPEN}, question=question)

    def _quantities(self) -> list[str]:
        names = [
            name for name in self._survey.columns if normalized(name).rsplit(" ", 1)[-1] in ("quantity", "qty", "menge")
        ]
        return [text for name in names for text in self._survey.columns[name].values]

    def _currency(self) -> None:
        signs = {sign for column in self._amounts for sign in column.signs}
        known = {CURRENCY_SIGNS[sign] for sign in signs if sign in CURRENCY_SIGNS}
        if len(known) == 1 and len(signs) == 1:
            self._draft.put("fields", "currency", {"constant": known.pop()}, note="the amounts have its sign")
            return
        shown = f" The amounts have {' and '.join(sorted(signs))}." if signs else ""
        question = f"No column has a currency.{shown} Which one are the amounts in, as an ISO 4217 code such as EUR?"
        self._draft.put("fields", "currency", {"constant": OPEN}, question=question)

    def _put(self, table: str, field: Field, column: Column | None, name: str) -> None:
        if column is None or not column.filled:
            if field.required:
                question = f"Which column is {name}? {field.description}"
                self._draft.put(table, name, {"column": OPEN}, question=question)
            return
        keys, note, question = self._keys(field, column)
        value = column.name if not keys else {"column": column.name, **keys}
        if note is None and question is None and normalized(column.name) != normalized(name):
            note = "by the column's name"
        self._draft.put(table, name, value, note=note, question=question)

    def _keys(self, field: Field, column: Column) -> tuple[dict[str, Any], str | None, str | None]:
        """The keys of a field besides its column, what they are guessed by, and what must be asked."""
        if field.kind == "time":
            if zones := abbreviations(column):
                question = f"What are the time zones of {column.name}? Write names such as Europe/Berlin, or -05:00."
                self._draft.put("values", "zones", dict.fromkeys(zones, OPEN), question=question)
            return time_keys(column)
        if field.kind in ("money", "number", "integer"):
            return _number_keys(column)
        if column.is_email:
            return {}, "e-mail addresses; events have their pseudonyms", None
        if field.name in PSEUDONYMS:
            return {}, "events have its pseudonym", None
        return _id_keys(column) if field.max_length is not None else ({}, None, None)


def _id_keys(column: Column) -> tuple[dict[str, Any], str | None, str | None]:
    if column.scientific:
        question = (
            f"{column.scientific} values of {column.name} are in scientific notation, such as 1.23E+12: digits are"
            ' lost. Export the column as text. "as-written" takes them as they are, "whole" rejects them.'
        )
        return {"numbers": OPEN}, None, question
    if column.empty_fractions:
        example = next(text for text in column.values if "." in text)
        whole = example.split(".", maxsplit=1)[0]
        question = f'Is {example} in {column.name} the id {whole} ("whole"), or {example} ("as-written")?'
        return {"numbers": OPEN}, None, question
    return {}, None, None


def _number_keys(column: Column) -> tuple[dict[str, Any], str | None, str | None]:
    keys: dict[str, Any] = {}
    decimal, thousands = column.separators()
    if column.numbers == column.filled:
        return {}, None, None
    if column.signs:
        keys["remove"] = column.signs
    if decimal == OPEN:
        example = next((text for text in column.values if "," in text or "." in text), "")
        question = f'Is the separator of decimals in {column.name} "." or ","? {example} can be read both ways.'
        return keys | {"decimal": OPEN}, None, question
    if decimal == ",":
        keys["decimal"] = ","
    if thousands is not None:
        keys["thousands"] = thousands
    return keys, "as the values are written" if keys else None, None


def _flat(values: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif name:
            yield f"{prefix}{name}", value


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    try:
        return text_of(value)
    except InvalidValue:
        return ""
