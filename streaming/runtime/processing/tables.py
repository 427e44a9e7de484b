"""Tables: the state of a processor, by name and with typed values. A processor declares them as class attributes.

All tables of a partition share its state. There an entry's key is the first letter of its table's name followed by its
own key, so the names of a processor's tables begin with different letters. Two letters are taken by `stream_time`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

import msgspec

from headrace.streaming.runtime.processing.processor import Processor, State

TIMERS, STREAM_TIME = b"t", b"w"
"""The letters of stream time's own entries."""

V = TypeVar("V")


class Table(Generic[V]):
    """A table's declaration. `about` says what an entry is, and by what key it is found.

    Values are stored as MessagePack of `value`, or as they are if that is `bytes`. A timer set for an entry
    (`StreamTime.set_timer`) is due once stream time has advanced by `timer`.
    """

    def __init__(self, name: str, value: type[V], about: str, *, timer: timedelta | None = None) -> None:
        self.name = name
        self.about = about
        self.timer = timer
        self.prefix = name[:1].encode()
        is_raw = value is bytes
        self.encode = cast("Callable[[V], bytes]", bytes if is_raw else msgspec.msgpack.Encoder().encode)
        self.decode = cast("Callable[[bytes], V]", bytes if is_raw else msgspec.msgpack.Decoder(value).decode)

    def of(self, state: State) -> "Entries[V]":
        """The table's entries in a partition's state."""
        return Entries(self, state)


class Entries(Generic[V]):
    """The entries of a table in one partition's state. Reads see this batch's writes.

    A value that is read is a copy: write it again after changing it.
    """

    __slots__ = ("_decode", "_delete", "_encode", "_get", "_prefix", "_put", "_state", "table")

    def __init__(self, table: Table[V], state: State) -> None:
        self.table = table
        self._prefix = table.prefix
        self._encode, self._decode = table.encode, table.decode
        self._state = state
        self._get, self._put, self._delete = state.get, state.put, state.delete

    def get(self, key: bytes) -> V | None:
        raw = self._get(self._prefix + key)
        return None if raw is None else self._decode(raw)

    def __contains__(self, key: bytes) -> bool:
        return self._get(self._prefix + key) is not None

    def put(self, key: bytes, value: V) -> None:
        self._put(self._prefix + key, self._encode(value))

    def put_all(self, values: Mapping[bytes, V]) -> None:
        """Write many entries, which is faster than one by one."""
        prefix, encode = self._prefix, self._encode
        self._state.put_all({prefix + key: encode(value) for key, value in values.items()})

    def delete(self, key: bytes) -> None:
        self._delete(self._prefix + key)

    def scan(self, start: bytes) -> Iterator[tuple[bytes, V]]:
        """The entries whose keys begin with `start`, in key order, as of the time of the call."""
        first = self._prefix + start
        last = first.rstrip(b"\xff")  # the end is the first key that begins with something greater
        for key, raw in self._state.scan(first, last[:-1] + bytes([last[-1] + 1])):
            yield key[len(self._prefix) :], self._decode(raw)


def tables_of(processor: Processor) -> tuple[Table[Any], ...]:
    """The tables that a processor declares.

    Raises:
        ValueError: two of them begin with the same letter, or one with a letter that is taken.
    """
    declared = [value for of in reversed(type(processor).__mro__) for value in vars(of).values()]
    tables = cast("list[Table[Any]]", [value for value in declared if isinstance(value, Table)])
    taken = {TIMERS: "the timers", STREAM_TIME: "stream time"}
    for table in tables:
        if table.prefix in taken:
            raise ValueError(
                f"{processor.name}: the names of {table.name} and {taken[table.prefix]} begin with the same letter."
            )
        taken[table.prefix] = table.name
    return tuple(tables)
