"""The ledger of an input partition: what became of every record, kept in the state and so in the same transaction.

`inputs = used + drops + dead letters` always; `headrace verify` holds it against the input topic itself.
"""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

import msgspec

TRUNCATED = "times the input lost its end"
"""A note: how often."""


class Ledger(msgspec.Struct, frozen=True):
    """What a processor did with offsets `first` to `next - 1` of one partition; all but these are counts so far.

    `leader_epoch` and `last_record` (`lookup.record_print`) are of the last input, which the broker may lose.
    """

    topic_id: UUID
    first: int
    next: int
    inputs: int = 0
    used: int = 0
    outputs: int = 0
    drops: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    dead_letters: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    notes: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    state_version: int = 1
    leader_epoch: int | None = None
    last_record: str | None = None

    @property
    def balanced(self) -> bool:
        """Whether every input is accounted for."""
        return self.inputs == self.used + sum(self.drops.values()) + sum(self.dead_letters.values())

    def after(
        self,
        next_offset: int,
        *,
        inputs: int,
        used: int,
        outputs: int,
        drops: Mapping[str, int],
        dead_letters: Mapping[str, int],
        notes: Mapping[str, int],
        leader_epoch: int | None = None,
        last_record: str | None = None,
    ) -> "Ledger":
        """The ledger after a batch."""
        return Ledger(
            self.topic_id,
            self.first,
            next_offset,
            self.inputs + inputs,
            self.used + used,
            self.outputs + outputs,
            _sum(self.drops, drops),
            _sum(self.dead_letters, dead_letters),
            _sum(self.notes, notes),
            self.state_version,
            leader_epoch,
            last_record,
        )

    def begun_again(self, offset: int) -> "Ledger":
        """The ledger after the broker has lost the inputs from an offset on: it counts what stands there now.

        What the lost inputs did is in outputs and state, and stays.
        """
        lost = {TRUNCATED: self.notes.get(TRUNCATED, 0) + 1}
        return Ledger(self.topic_id, offset, offset, notes=lost, state_version=self.state_version)


def _sum(before: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(before) + Counter(more)).items()))


encode = msgspec.json.Encoder().encode


def decode(raw: bytes) -> Ledger:
    """Read a ledger back."""
    return msgspec.json.decode(raw, type=Ledger)
