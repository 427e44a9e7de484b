"""Versions of contracts, and the upcasters by which the decoder reads records of earlier versions.

A contract has version 1 unless it is declared `versioned`. A producer writes the version into the header
`VERSION_HEADER` of a record if it is above 1; a record without the header has version 1. A record of an earlier version
is passed from upcaster to upcaster, and then decoded like any other.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec import Struct

from headrace.contracts.errors import HeadraceError

VERSION_HEADER = "contract-version"
"""The version as decimal digits. Like any other header of a record, dead letters and replays keep it."""
MAX_VERSION = 999

Record = dict[str, Any]
Upcaster = Callable[[Record], Record]
"""From a record of one version, as JSON gives it, to one of the next version."""
Headers = Iterable[tuple[str, Any]]

S = TypeVar("S", bound=type[Struct])

_WIDER: dict[str, Callable[[Any], Any]] = {"number": float, "string": str, "money": str}
_DIGITS = re.compile(rb"[1-9][0-9]{0,2}")


class BadVersion(HeadraceError):  # noqa: N818  a result for the record, not a failure
    """The header of a record does not give a version."""


@dataclass(frozen=True)
class Upcast:
    """An upcaster by description: the only kind that a TOML contract has, and the only one that the warehouse can
    follow for rows that landed earlier.

    `renames` gives the old name of a field by its new one, `constants` the values of fields that old records lack, and
    `widenings` the wider type of a field: `number` or `money` from a whole number, `string` from any single value.
    """

    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    widenings: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if both := self.renames.keys() & set(self.renames.values()):
            raise ValueError(f"{min(both)} is renamed and a new name in one step: make it two versions")

    def __call__(self, record: Record) -> Record:
        moved = {old: record[old] for old in self.renames.values() if old in record}
        kept = {name: value for name, value in record.items() if name not in moved}
        renamed = {new: moved[old] for new, old in self.renames.items() if old in moved}
        found = {**self.constants, **kept, **renamed}
        for name, kind in self.widenings.items():
            if (value := found.get(name)) is not None and not isinstance(value, str):
                found[name] = _widened(value, kind)
        return found


def _widened(value: Any, kind: str) -> Any:
    if isinstance(value, bool):
        return str(value).lower() if kind == "string" else value
    return _WIDER[kind](value) if isinstance(value, int | float) else value


@dataclass(frozen=True)
class Versions:
    """The current version of a contract, and by earlier version the upcaster to the next one.

    The upcasters have no gaps: those before the first one are of versions that are no longer read.
    """

    current: int = 1
    upcasters: Mapping[int, Upcaster] = field(default_factory=dict[int, Upcaster])

    def __post_init__(self) -> None:
        if not 1 <= self.current <= MAX_VERSION:
            raise ValueError(f"a version is a number from 1 to {MAX_VERSION}, not {self.current}")
        earliest = min(self.upcasters, default=self.current)
        if sorted(self.upcasters) != list(range(earliest, self.current)) or earliest < 1:
            raise ValueError(f"version {self.current} has upcasters from {sorted(self.upcasters)}: one is missing")
        if self.current > 1 and not self.upcasters:
            raise ValueError(f"version {self.current} needs an upcaster from version {self.current - 1}")

    @property
    def header(self) -> list[tuple[str, bytes]]:
        """What a producer adds to a record's headers."""
        return [] if self.current == 1 else [(VERSION_HEADER, b"%d" % self.current)]

    @property
    def oldest(self) -> int:
        """The oldest version that is read."""
        return min(self.upcasters, default=self.current)

    def upcast(self, record: Record, version: int) -> Record:
        """The record of an earlier version as one of the current version. Raises any error of an upcaster."""
        for earlier in range(version, self.current):
            record = self.upcasters[earlier](record)
        return record

    def described(self) -> Sequence[tuple[int, Upcast]]:
        """The upcasters by description, with the version that they read."""
        return [(version, each) for version, each in sorted(self.upcasters.items()) if isinstance(each, Upcast)]


_FIRST = Versions()
_declared: dict[type[Struct], Versions] = {}


def versioned(current: int, upcasters: Mapping[int, Upcaster]) -> Callable[[S], S]:
    """Declare the version of a contract: `@versioned(2, {1: from_version_1})` above its class.

    Raises:
        ValueError: an upcaster is missing.
    """

    def declare(contract: S) -> S:
        _declared[contract] = Versions(current, dict(upcasters))
        return contract

    return declare


def versions_of(contract: type[Struct]) -> Versions:
    """The versions of a contract."""
    return _declared.get(contract, _FIRST)


def version_of(headers: Headers | None) -> int:
    """The version of a record with these headers; of several, the last counts, as Kafka's own readers have it.

    Raises:
        BadVersion: the header is not a version.
    """
    version = 1
    for name, value in headers or ():
        if name == VERSION_HEADER:
            given = value.encode() if isinstance(value, str) else value
            if not isinstance(given, bytes) or not _DIGITS.fullmatch(given):
                raise BadVersion("the header contract-version is not a number from 1 to 999")
            version = int(given)
    return version
