"""Records to outcomes by a compiled mapping. Pure: the same records give the same events, with the same ids."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from hashlib import blake2b
from typing import Any

import msgspec

from headrace.contracts.decoding import InvalidRecord, decode
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.contracts.types import derived_id
from headrace.streaming.sources.mapped.grouping import Group, Seen, groups_of, sorted_by_group
from headrace.streaming.sources.mapped.plan import MISSING, FieldPlan, Plan
from headrace.streaming.sources.mapped.records import Record
from headrace.streaming.sources.mapped.values import InvalidValue, text_of
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.personal import scrubber
from headrace.streaming.sources.pseudonyms import Pseudonymize

REPEATED_HEADER = "repeated header"
DIGEST_BYTES = 12
EXACT_DIGITS = 60

Built = dict[str, Any]


class Mapper:
    """Turns records into outcomes of one topic."""

    def __init__(self, plan: Plan, pseudonymize: Pseudonymize) -> None:
        self._plan = plan
        self._topic = plan.topic.name
        self._pseudonymize = pseudonymize
        self._scrub = scrubber(pseudonymize)

    def outcomes(self, records: Iterable[Record]) -> Iterator[Outcome]:
        """One outcome a record; with `group_by` one a group, and one a record that belongs to none."""
        plan = self._plan
        filled = _filled_down(records, plan.mapping.rows.fill_down)
        if not plan.group:
            for record in filled:
                yield self._dropped(record) or self._event([record])
            return
        seen = Seen()
        keyed = ((record, self._dropped(record), self._group_key(record)) for record in filled)
        grouped = groups_of(keyed) if plan.mapping.rows.together else sorted_by_group(keyed)
        for item in grouped:
            if not isinstance(item, Group):
                yield item if not isinstance(item, Record) else self._without_group(item)
            elif item.size > MAX_DEAD_LETTER_BYTES:
                yield self._rejected(
                    item.records, f"more than {MAX_DEAD_LETTER_BYTES:,} bytes of rows in a group", item.size
                )
            elif plan.mapping.rows.together and seen.before(item.key):
                reason = "rows of this group do not stand together; say `rows.together = false`"
                yield self._rejected(item.records, reason)
            else:
                yield self._ignored_group(item) or self._event(item.records)

    def _ignored_group(self, group: Group) -> Ignored | None:
        reasons = (self._plan.is_group_ignored(record.values) for record in group.records)
        reason = next(filter(None, reasons), None)
        return None if reason is None else Ignored(reason)

    def _dropped(self, record: Record) -> Outcome | None:
        """The outcome of a record that is no part of an event; None for the others."""
        if record.is_header:
            return Ignored(REPEATED_HEADER)
        if (reason := self._plan.is_ignored(record.values)) is not None:
            return Ignored(reason)
        if record.error is not None:
            return Rejected(self._topic, record.error, record.raw, record.number, size=record.size)
        return Ignored(EMPTY_LINE) if record.is_blank else None

    def _group_key(self, record: Record) -> str:
        try:
            parts = [text_of(get(record.values)) for get in self._plan.group]
        except InvalidValue:
            return ""
        return "\0".join(parts) if any(parts) else ""

    def _without_group(self, record: Record) -> Outcome:
        return Rejected(self._topic, "no value in the columns of `group_by`", record.raw, record.number)

    def _event(self, records: Sequence[Record]) -> Outcome:
        try:
            built = self._built(records)
            event = decode(self._plan.contract, msgspec.json.encode(built))
        except (InvalidValue, InvalidRecord) as invalid:
            return self._rejected(records, str(invalid))
        except (UnicodeEncodeError, OverflowError):
            return self._rejected(records, "holds a value that JSON cannot express")
        key = next(str(value) for name in self._plan.key_fields if (value := getattr(event, name)))
        return Accepted(self._topic, key.encode(), event, _raw(records), records[0].number, sound=True)

    def _built(self, records: Sequence[Record]) -> Built:
        """The fields of the event, in the contract's names.

        Raises:
            InvalidValue: a value is invalid, or missing.
        """
        plan = self._plan
        built: Built = {}
        for field in plan.fields:
            if field.read is not None:
                self._put(built, field, self._value_of_all(field, records))
        if plan.lines_field is not None:
            built[plan.lines_field] = [*self._lines(records)]
            if not built[plan.lines_field]:
                raise InvalidValue(f"{plan.lines_field}: none in the record")
        for field in plan.fields:
            if field.generate == "sum":
                built[field.name] = _sum(built[plan.lines_field or ""])
        built["source"] = plan.mapping.source
        digest = _digest(built)
        for field in plan.fields:
            if field.generate in ("content", "row"):
                row = f"-{records[0].number}" if field.generate == "row" else ""
                built[field.name] = derived_id(plan.mapping.source, f"{digest}{row}")
        if "event_id" not in built:
            built["event_id"] = derived_id(plan.mapping.source, f"{built.get(plan.identity, '')}-{digest}")
            if plan.has_generated_identity:
                built["event_id"] = built[plan.identity]  # it has the digest already
        return built

    def _lines(self, records: Sequence[Record]) -> Iterator[Built]:
        plan = self._plan
        sources: Iterable[Any] = (record.values for record in records)
        if plan.lines_of is not None:
            listed: Any = plan.lines_of(records[0].values) or ()
            if not isinstance(listed, list | tuple) or not all(isinstance(each, dict) for each in listed):
                raise InvalidValue(f"{plan.mapping.rows.lines}: is no list of objects")
            sources = listed
        for values in sources:
            line: Built = {}
            read = [(field, self._value(field, values)) for field in plan.lines]
            if all(value is MISSING or field.column is None for field, value in read) and len(records) > 1:
                continue  # a row of an order that adds no line, such as its payment
            for field, value in read:
                self._put(line, field, value)
            yield line

    def _value(self, field: FieldPlan, values: Any) -> Any:
        """The value of a field in one record, without personal data."""
        try:
            value: Any = field.read(values) if field.read else MISSING
        except InvalidValue as invalid:
            column = f" (column {field.column})" if field.column != field.name else ""
            raise InvalidValue(f"{field.name} {invalid}{column}") from None
        if not field.has_text or value is MISSING:
            return value
        return self._pseudonymize(field.pseudonym, value) if field.pseudonym else self._scrub(value)

    def _value_of_all(self, field: FieldPlan, records: Sequence[Record]) -> Any:
        """The value that the records agree on. Of times the first counts: a system may note each line's own."""
        found: Any = field.constant
        if found is not MISSING:
            return found
        for record in records:
            value = self._value(field, record.values)
            if value is MISSING or value == found:
                continue
            if found is not MISSING:
                raise InvalidValue(f"{field.name} differs between the rows of a group")
            found = value
            if field.field.kind == "time":
                break
        return found

    def _put(self, built: Built, field: FieldPlan, value: Any) -> None:
        if value is MISSING:
            if field.field.required:
                raise InvalidValue(f"{field.name}: no value in the column {field.column}")
            return
        built[field.name] = value

    def _rejected(self, records: Sequence[Record], reason: str, size: int | None = None) -> Rejected:
        return Rejected(self._topic, reason, _raw(records), records[0].number, size=size or records[0].size)


def _filled_down(records: Iterable[Record], columns: list[str]) -> Iterator[Record]:
    """Records with empty cells filled by the value above: merged cells of a spreadsheet have one at their top."""
    if not columns:
        yield from records
        return
    last: dict[str, Any] = {}
    for record in records:
        if record.error is not None or record.is_header or record.is_blank:
            yield record
            continue
        values = dict(record.values)
        for column in columns:
            if values.get(column) in (None, "") and column in last:
                values[column] = last[column]
            elif values.get(column) not in (None, ""):
                last[column] = values[column]
        yield msgspec.structs.replace(record, values=values)


def _sum(lines: list[Built]) -> str:
    # The default context would round what has more than 28 digits.
    with localcontext(prec=EXACT_DIGITS):
        return f"{sum((line['quantity'] * Decimal(line['unit_price']) for line in lines), Decimal(0)):f}"


def _digest(built: Built) -> str:
    return blake2b(msgspec.json.encode(built, order="sorted"), digest_size=DIGEST_BYTES).hexdigest()


def _raw(records: Sequence[Record]) -> bytes:
    return records[0].raw if len(records) == 1 else b"\n".join(record.raw for record in records)
