"""Extracts format strings from a copied configuration: with their directive, with quotes, over several lines."""

import re

_STRING = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
_STRINGS = re.compile(_STRING, re.DOTALL)
_APACHE = re.compile(rf"\s*LogFormat\s+({_STRING})\s*(?:[\w-]+\s*)?", re.IGNORECASE | re.DOTALL)
_NGINX = re.compile(r"\s*log_format\s+[\w-]+\s+(?:escape=\w+\s+)?(.*?)\s*;?\s*", re.DOTALL)
_LINES_OF_STRINGS = re.compile(rf"\s*{_STRING}(?:\s*\n\s*{_STRING})*\s*;?\s*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTINUED = re.compile(r"\\\r?\n\s*")


def as_copied(text: str) -> str:
    r"""The format itself.

    `LogFormat "%h \"%r\"" name`, `log_format main '$remote_addr …' '"$request"';`, its strings alone, and an inner part
    with its escaped quotes.
    """
    text = _CONTINUED.sub(" ", text)
    if (found := _APACHE.fullmatch(text)) is not None:
        return _inside(found[1])
    if (found := _NGINX.fullmatch(text)) is not None:
        strings = _STRINGS.findall(found[1])
        return "".join(map(_inside, strings)) if strings else found[1]
    text = text.strip()
    if _LINES_OF_STRINGS.fullmatch(text) is not None:
        return "".join(map(_inside, _STRINGS.findall(text)))
    return _ESCAPED.sub(r"\1", text) if '\\"' in text and not re.search(r'(?<!\\)"', text) else text


def _inside(string: str) -> str:
    return _ESCAPED.sub(r"\1", string[1:-1])
