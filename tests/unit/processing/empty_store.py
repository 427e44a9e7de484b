"""The state of a processor that has processed nothing yet."""


class EmptyStore:
    """A store without entries."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        return {}
