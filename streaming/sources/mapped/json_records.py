"""JSON files as records: an object on each line, or one array of objects, read in pieces of bounded size."""

import codecs
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import BYTE_ORDER_MARK, MAX_LINE_BYTES, OversizedLine, numbered_lines
from headrace.streaming.sources.mapped.records import Record, Table
from headrace.streaming.sources.mapped.text_files import Text

_BLANKS = re.compile(r"[ \t\r\n]*")
_decode_line = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


def read_json_lines(text: Text) -> Table:
    """A record a line. Columns are those of the first line."""
    first = next((record for record in _lines(text) if record.error is None and record.values), None)
    return Table("jsonl", list(first.values) if first else [], _lines(text), {})


def read_json_array(text: Text) -> Table:
    """A record an element. Columns are those of the first element."""
    first = next(_elements(text), None)
    return Table("json", list(first.values) if first else [], _elements(text), {})


def _lines(text: Text) -> Iterator[Record]:
    for line in numbered_lines(text.pieces()):
        if isinstance(line, OversizedLine):
            yield Record(line.number, line.head, {}, f"line longer than {MAX_LINE_BYTES} bytes", line.size)
            continue
        number, raw = line
        content = raw.removeprefix(BYTE_ORDER_MARK).strip() if number == 1 else raw.strip()
        if not content:
            yield Record(number, raw, {})
            continue
        try:
            yield Record(number, raw, _decode_line(text.decode(content)))
        except (msgspec.DecodeError, RecursionError):
            yield Record(number, raw, {}, "not a JSON object")
        except UnicodeDecodeError as error:
            yield Record(number, raw, {}, f"text that is not {error.encoding}")


def _elements(text: Text) -> Iterator[Record]:
    """The elements of an array, each with the text it was read from.

    The standard library's decoder says where a value ends, so that no more than one element is held in memory.
    """
    scan = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant).raw_decode
    buffer, number, is_open = "", 0, False
    for chunk, is_last in _texts(text):
        buffer += chunk
        place = 0
        while True:
            place = _after_blanks(buffer, place)
            if not is_open:
                if buffer[place : place + 1] == "[":
                    is_open, place = True, place + 1
                    continue
                break
            if buffer[place : place + 1] == "]":
                if buffer[place + 1 :].strip():
                    raise _broken(number, "text after the end of the array")
                return
            start = _after_blanks(buffer, place + 1) if number and buffer[place : place + 1] == "," else place
            if number and start == place and place < len(buffer):
                raise _broken(number, "no comma between two elements")
            try:
                value, end = scan(buffer, start)
            except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits
                if is_last or len(buffer) - start > MAX_LINE_BYTES or isinstance(error, RecursionError):
                    raise _broken(number, str(error)) from error
                break
            # A number may continue in the next chunk.
            if end == len(buffer) and not is_last:
                break
            number += 1
            yield _element(number, buffer[start:end], value, text)
            place = end
        buffer = buffer[place:]
    if buffer.strip() or is_open:
        raise _broken(number, "the file ends in the middle")


def _element(number: int, written: str, value: object, text: Text) -> Record:
    raw = written.encode("utf-8" if text.encoding.startswith("utf-") else text.encoding, "surrogateescape")
    if not isinstance(value, dict):
        return Record(number, raw, {}, "not a JSON object")
    if not written.isascii() and any("\udc80" <= each <= "\udcff" for each in written):
        return Record(number, raw, {}, f"text that is not {text.encoding}")
    return Record(number, raw, value)


def _texts(text: Text) -> Iterator[tuple[str, bool]]:
    encoding = "utf-8" if text.encoding.startswith("utf-") else text.encoding
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    is_first = True
    for chunk in text.chunks():
        content = chunk.removeprefix(BYTE_ORDER_MARK) if is_first else chunk
        is_first = False
        yield decoder.decode(content), False
    yield decoder.decode(b"", final=True), True


def _after_blanks(buffer: str, place: int) -> int:
    found = _BLANKS.match(buffer, place)
    return found.end() if found else place


def _no_constant(name: str) -> object:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _broken(number: int, problem: str) -> Terminal:
    return Terminal(
        f"The JSON array is broken after {number:,} elements: {problem}.",
        remedy="Correct the file and repeat: what was read already keeps its ids.",
    )
