"""The ledger of an input partition: counts the outcome of every record, in the state and so in the same transaction.

Always `inputs = used + drops + dead letters`; `headrace verify` compares it with the input topic.
"""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

import msgspec

TRUNCATED = "times the input lost its end"
"""Name of the note that counts truncations."""


class Ledger(msgspec.Struct, frozen=True):
    """A processor's results for offsets `first` to `next - 1` of one partition, as cumulative counts.

    `leader_epoch` and `last_record` (`lookup.record_print`) identify the last input, to detect whether the broker lost
    it.
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
        """The ledger after the broker lost the inputs from an offset on: it continues with the new records there.

        The outputs and state from the lost inputs are kept.
        """
        lost = {TRUNCATED: self.notes.get(TRUNCATED, 0) + 1}
        return Ledger(self.topic_id, offset, offset, notes=lost, state_version=self.state_version)


def _sum(before: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(before) + Counter(more)).items()))


encode = msgspec.json.Encoder().encode


def decode(raw: bytes) -> Ledger:
    """Decode a ledger."""
    return msgspec.json.decode(raw, type=Ledger)
