"""Many byte strings in one block of memory: how record values and keys are buffered until their flush.

Hundreds of thousands of small objects, made by one thread and freed by another much later, cost more than the work on
them: by then they are out of the CPU cache. Strings are packed right after they are consumed, while they are cached.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

NULL = -1
"""Length that marks a null."""


@dataclass(frozen=True)
class ByteColumn:
    """Concatenated byte strings with `separator` in between; `lengths` are int64, `NULL` for nulls."""

    data: bytes
    lengths: npt.NDArray[np.int64]
    separator: bytes = b""

    @classmethod
    def of(cls, items: Sequence[bytes | None], separator: bytes = b"") -> "ByteColumn":
        """Pack a list."""
        try:
            lengths = np.fromiter(map(len, items), np.int64, len(items))  # type: ignore[arg-type]  None: see below
            return cls(separator.join(items), lengths, separator)  # type: ignore[arg-type]
        except TypeError:
            present = [b"" if item is None else item for item in items]
            lengths = np.array([NULL if item is None else len(item) for item in items], np.int64)
            return cls(separator.join(present), lengths, separator)

    @classmethod
    def concat(cls, parts: Sequence["ByteColumn"]) -> "ByteColumn":
        """Concatenate columns. At least one is required, and all must have the same separator."""
        if len(parts) == 1:
            return parts[0]
        separator = parts[0].separator
        return cls(
            separator.join(part.data for part in parts), np.concatenate([part.lengths for part in parts]), separator
        )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def is_null(self) -> npt.NDArray[np.bool_]:
        return self.lengths == NULL

    def at(self, indices: Iterable[int]) -> list[bytes | None]:
        """The strings at these indices."""
        taken = np.maximum(self.lengths, 0) + len(self.separator)
        ends = np.cumsum(taken) - len(self.separator)
        return [
            None if self.lengths[index] == NULL else self.data[ends[index] - self.lengths[index] : ends[index]]
            for index in indices
        ]

    def all(self) -> list[bytes | None]:
        """Every string."""
        return self.at(range(len(self)))

    def without_nulls(self) -> "ByteColumn":
        """The column without nulls."""
        if not self.is_null.any():
            return self
        return ByteColumn.of(self.at(np.flatnonzero(~self.is_null)), self.separator)

    def series(self) -> pl.Series:
        """A polars binary column. Only for strings without a separator."""
        if self.separator:
            raise ValueError("only strings without a separator can become a series")
        offsets = np.zeros(len(self) + 1, np.int64)
        np.cumsum(np.maximum(self.lengths, 0), out=offsets[1:])
        is_null = self.is_null
        valid = pa.py_buffer(np.packbits(~is_null, bitorder="little")) if is_null.any() else None
        buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(self.data)]
        return pl.Series(pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self), buffers))
