"""Stands for the careful reader in unit tests: no connection; a test adds the method that its subject calls."""

from typing import Self

from headrace.contracts.settings import Settings


class FakeReader:
    """Opened and closed like `CarefulReader`."""

    def __init__(self, _settings: Settings, **_: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...
