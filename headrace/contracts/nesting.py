"""How deeply JSON may be nested: one limit for all readers, since each parser has a different limit, or none."""

import re

MAX_DEPTH = 32
"""Levels, the object itself being the first. No contract has more than three."""

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_OPENING = b"[{"


def is_too_deep(value: bytes) -> bool:
    """Whether a JSON text is nested more than `MAX_DEPTH` levels deep, in time proportional to its length."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", value)):
        depth += 1 if bracket in _OPENING else -1
        if depth > MAX_DEPTH:
            return True
    return False
