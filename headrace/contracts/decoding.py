"""The strict decoder: it alone decides whether a record's value is a valid event.

The lander's columnar decoder, the processors and Connect's converter (`headrace/stack/kafka/ContractConverter.java`)
must agree with it on every record; a shared corpus of invalid input tests this. Unknown fields are ignored, so that a
producer can be upgraded before its consumers. If a key occurs more than once, the last value counts; the others may be
any JSON.

A record of an earlier version of its contract is upcast here (`headrace.contracts.versions`), so all readers agree.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from headrace.contracts.errors import HeadraceError
from headrace.contracts.fields import Field, fields_of
from headrace.contracts.missing import is_missing
from headrace.contracts.nesting import MAX_DEPTH, is_too_deep
from headrace.contracts.topic import MAX_RECORD_BYTES
from headrace.contracts.types import Event
from headrace.contracts.versions import BadVersion, Headers, Record, version_of, versions_of

FIRST_YEAR, LAST_YEAR = 1000, 2999
NEWER_VERSION = "newer version"
"""The category of a record that a program of a later release has written."""

E = TypeVar("E", bound=Event)

encode = msgspec.json.Encoder().encode
"""Encode an event as canonical JSON: fields in declared order, defaults omitted, times ending in `Z`."""


class InvalidRecord(HeadraceError):  # noqa: N818  a result for the record, not a failure
    """The value is not a valid event. The message gives the reason in one line, without the payload.

    `category` is one of a few fixed words, for counting.
    """

    def __init__(self, category: str, message: str) -> None:
        super().__init__(message)
        self.category = category


def decode(contract: type[E], value: bytes, version: int | None = None) -> E:
    """Decode a value of a version of the contract (None: the current one), or raise `InvalidRecord`.

    A valid value is UTF-8 JSON (RFC 8259) without lone surrogates, one object, at most `MAX_RECORD_BYTES` long and
    `MAX_DEPTH` levels deep; every required field present; every value of its declared type and range; times in UTC
    between the years 1000 and 2999; no NUL in any text. A customer named by a word for nothing is null, and not valid
    where one is required.
    """
    if version is not None and version != versions_of(contract).current:
        value = _upcast(contract, value, version)
    return strict_decoder(contract)(value)


def decode_record(contract: type[E], value: bytes, headers: Headers | None) -> E:
    """Decode the value of a record with these headers, which give its version, or raise `InvalidRecord`."""
    return decode(contract, value, record_version(headers))


def record_version(headers: Headers | None) -> int:
    """`version_of`, or raise `InvalidRecord`."""
    try:
        return version_of(headers)
    except BadVersion as error:
        raise InvalidRecord("unknown version", str(error)) from None


def _upcast(contract: type[Event], value: bytes, version: int) -> bytes:
    """The value of another version as one of the current version."""
    versions = versions_of(contract)
    if version > versions.current:
        raise InvalidRecord(
            NEWER_VERSION,
            f"version {version} is newer than the contract's version {versions.current}: update this program, then"
            " replay the record",
        )
    if version < versions.oldest:
        raise InvalidRecord(
            "unknown version", f"version {version} is no longer read: the contract reads {versions.oldest} and later"
        )
    if len(value) > MAX_RECORD_BYTES:
        raise InvalidRecord("too long", f"longer than {MAX_RECORD_BYTES} bytes")
    if is_too_deep(value):
        raise InvalidRecord("too deep", f"nested more than {MAX_DEPTH} levels deep")
    try:
        record = _record(value)
    except UnicodeDecodeError as error:
        raise InvalidRecord("not UTF-8", f"not UTF-8 at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise InvalidRecord("invalid field", str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidRecord("malformed JSON", str(error)) from None
    try:
        return encode(versions.upcast(record, version))
    except Exception as error:  # noqa: BLE001  an error in an upcaster concerns only this record
        # Only the type: the message may quote the record.
        kind = type(error).__name__
        raise InvalidRecord("not upcast", f"cannot be upcast from version {version}: {kind}") from None


def _record(value: bytes) -> Record:
    try:
        return _any_record(value)
    except (msgspec.ValidationError, UnicodeDecodeError):
        value.decode()
        # A number that is out of range stays as it is: it does not count in a field that the contract does not have.
        return {name: _read_or_raw(raw) for name, raw in _pairs(value).items()}


def _read_or_raw(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return raw


_any_record = msgspec.json.Decoder(dict[str, Any]).decode


@cache
def strict_decoder(contract: type[E]) -> Callable[[bytes], E]:
    """`decode` for values of the current version of one contract, without look-ups: for decoding many records."""
    parse: Callable[[bytes], E] = msgspec.json.Decoder(contract).decode
    fields = fields_of(contract)
    times = [field.name for field in fields if field.kind == "time" and field.name != "event_time"]
    # A contract has at most one customer. Without a loop, which would take as long as the check.
    (customer_field,) = [field for field in fields if field.names_customer] or [None]
    customer_of: Callable[[E], str | None] = attrgetter(customer_field.name if customer_field else "event_id")

    def decode_one(value: bytes) -> E:
        if len(value) > MAX_RECORD_BYTES:
            raise InvalidRecord("too long", f"longer than {MAX_RECORD_BYTES} bytes")
        try:
            try:
                event = parse(value)
            except (msgspec.ValidationError, UnicodeDecodeError):
                # The error may be in a field that does not count. Fields read above are known fields: valid UTF-8, and
                # flat.
                event = parse(_what_counts(value, fields))
        except UnicodeDecodeError as error:
            raise InvalidRecord("not UTF-8", f"not UTF-8 at byte {error.start}") from None
        except msgspec.ValidationError as error:
            raise InvalidRecord("invalid field", _without_payload(str(error))) from None
        except msgspec.DecodeError as error:
            raise InvalidRecord("malformed JSON", str(error)) from None
        # As in `_check_time`, inlined: the calls would take a tenth of the total time.
        time = event.event_time
        if time.tzinfo is not UTC or not FIRST_YEAR <= time.year <= LAST_YEAR:
            _check_time("event_time", time)
        for name in times:
            if (time := getattr(event, name)) is not None:
                _check_time(name, time)
        # Looking for a single byte first takes a twentieth of the time of the second check.
        if b"\\" in value and b"\\u0000" in value and _holds_nul(event, fields):
            raise InvalidRecord("NUL character", "holds a NUL character")
        if customer_field is not None and (customer := customer_of(event)) is not None and is_missing(customer):
            return _without_customer(event, customer_field)
        return event

    return decode_one


def are_valid(contract: type[Event], encoded: Sequence[bytes]) -> bool:
    """Whether all of these values, made by `encode`, are valid events. One check covers all of them.

    For no other values: two malformed ones might form a valid one when joined.
    """
    joined = b"[%b]" % b",".join(encoded)
    try:
        events = _list_decoder(contract).decode(joined)
    except msgspec.DecodeError:
        return False
    names = [field.name for field in fields_of(contract) if field.kind == "time"]
    times = chain.from_iterable(map(attrgetter(name), events) for name in names)
    required = [field.name for field in fields_of(contract) if field.names_customer and field.required]
    return (
        max(map(len, encoded), default=0) <= MAX_RECORD_BYTES
        and b"\\u0000" not in joined
        and all(time is None or _is_valid_time(time) for time in times)
        and not any(is_missing(customer) for name in required for customer in map(attrgetter(name), events))
    )


_pairs = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _what_counts(value: bytes, fields: tuple[Field, ...]) -> bytes:
    """The object without unknown fields, and with only the last value of a repeated key.

    Raises:
        InvalidRecord, UnicodeDecodeError, msgspec.DecodeError: what is left out is not JSON.
    """
    if is_too_deep(value):
        raise InvalidRecord("too deep", f"nested more than {MAX_DEPTH} levels deep")
    if not value.isascii():
        value.decode()
    return _known(value, fields)


def _known(value: bytes | msgspec.Raw, fields: tuple[Field, ...]) -> bytes:
    pairs = _pairs(value)
    known = {field.name: pairs[field.name] for field in fields if field.name in pairs}
    for field in fields:
        if field.kind == "list" and bytes(known.get(field.name, b""))[:1] == b"[":
            elements = _elements(known[field.name])
            objects = [_known(each, field.children) if bytes(each)[:1] == b"{" else bytes(each) for each in elements]
            known[field.name] = msgspec.Raw(b"[%b]" % b",".join(objects))
    return msgspec.json.encode(known)


@cache
def _list_decoder(contract: type[Event]) -> msgspec.json.Decoder[list[Event]]:
    return msgspec.json.Decoder(list[contract])


def _is_valid_time(time: datetime) -> bool:
    return time.tzinfo is UTC and FIRST_YEAR <= time.year <= LAST_YEAR


def _check_time(name: str, time: datetime) -> None:
    if not _is_valid_time(time):
        reason = f"not a time in UTC between {FIRST_YEAR} and {LAST_YEAR} - at `$.{name}`"
        raise InvalidRecord("invalid field", reason)


def _without_customer(event: E, field: Field) -> E:
    if field.required:
        raise InvalidRecord("invalid field", f"names no customer - at `$.{field.name}`")
    return msgspec.structs.replace(event, **{field.name: None})


def _holds_nul(struct: msgspec.Struct, fields: tuple[Field, ...]) -> bool:
    for field in fields:
        value = getattr(struct, field.name)
        if field.kind == "string" and value is not None and "\0" in value:
            return True
        if field.kind == "list" and any(_holds_nul(item, field.children) for item in value or ()):
            return True
    return False


def _without_payload(reason: str) -> str:
    """Remove what msgspec quotes from the value, such as an invalid enum value."""
    if reason.startswith("Invalid enum value"):
        return "Invalid enum value" + reason[reason.index(" - at ") :]
    return reason
