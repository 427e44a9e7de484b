"""Step 3 of the lander for records of other versions of their contract, which their headers say.

Records of the current version are decoded together, as those of any batch. Each other one goes through the strict
decoder, which upcasts it or says why it cannot, and continues in its current form.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headrace.contracts.decoding import InvalidRecord, decode_record, encode
from headrace.contracts.types import Event
from headrace.contracts.versions import VERSION_HEADER, versions_of
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.columnar import Decoded, Offender, Survey, decode_batch


def decode_versions(
    contract: type[Event], values: ByteColumn, headers: Sequence[Any], text: Survey | None = None
) -> Decoded:
    """`decode_batch` for records with these headers, one entry per value (None or empty if it has none)."""
    others = _others(contract, headers)
    if not others:
        return decode_batch(contract, values, text)
    current = values.all()
    refused: list[Offender] = []
    for place in others:
        try:
            current[place] = encode(decode_record(contract, current[place] or b"", headers[place]))
        except InvalidRecord as invalid:
            refused.append(Offender(place, invalid.category, str(invalid)))
    if not refused:
        return decode_batch(contract, ByteColumn.of(current, values.separator))
    kept = np.setdiff1d(np.arange(len(values)), [each.index for each in refused])
    decoded = decode_batch(contract, ByteColumn.of([current[place] for place in kept.tolist()], values.separator))
    found = [replace(each, index=int(kept[each.index])) for each in decoded.offenders]
    return Decoded(
        decoded.events,
        kept if decoded.indices is None else kept[decoded.indices],
        sorted([*refused, *found], key=lambda each: each.index),
    )


def _others(contract: type[Event], headers: Sequence[Any]) -> list[int]:
    """The indices of the records that are not known to be of the current version.

    Records seldom have other headers than the version's, so comparing them whole settles nearly all of them.
    """
    versions = versions_of(contract)
    usual = versions.header
    if versions.current == 1:
        if not any(headers):
            return []
        return [place for place, row in enumerate(headers) if row and any(name == VERSION_HEADER for name, _ in row)]
    return [place for place, row in enumerate(headers) if row != usual]
