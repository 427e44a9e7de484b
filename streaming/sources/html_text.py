"""Converts HTML of posts to plain text, in linear time for any input.

The tokens are those of the HTML standard, except for elements whose content has rules of its own. A tag or comment that
is not closed is text, and so is everything after it; so nothing is read twice.
`html.parser` reads each unfinished tag again from the next one on (a status of 24 kB took 10 s), and parsers that
build a tree, such as lxml's, search all open elements at a closing tag that matches none (docs/decisions/0024).
"""

import re

from headrace.contracts.texts import unescape

_NOT_TEXT = frozenset({"script", "style"})
_BLOCKS = frozenset({"div", "li", "blockquote", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6"})
_MANY_BREAKS = re.compile(r"\n{3,}")

# Possessive throughout (`++`, `*+`), so the expression never backtracks.
_TOKEN = re.compile(
    r"""
      (?P<text>[^<]++|<(?![a-zA-Z/!?]))
    | <!--(?:-?>|(?s:.*?)(?:--!?>|(?P<open_comment>\Z)))
    | <(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]*+)
        (?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?)*+ (?:>|(?P<open_tag>\Z))
    | <[/!?][^>]*+(?:>|(?P<open_other>\Z))
    """,
    re.VERBOSE,
)
_OPEN = ("open_comment", "open_tag", "open_other")
_END_OF = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _NOT_TEXT}


def html_to_text(html: str) -> str:
    """Text of `html`: `<br>` as a line break, `<p>` as a paragraph, character references resolved."""
    parts: list[str] = []
    place, length = 0, len(html)
    while place < length:
        token = _TOKEN.match(html, place)
        if token is None:
            # Every character begins a token.
            raise AssertionError(f"no token at {place}")
        text, end, name = token["text"], token["end"], (token["name"] or "").lower()
        if token.lastgroup in _OPEN:
            text = html[place:]
        place = token.end()
        if text is not None:
            parts.append(unescape(text))
        elif end and name == "p":
            parts.append("\n\n")
        elif (end and name in _BLOCKS) or name == "br":
            parts.append("\n")
        elif not end and name in _NOT_TEXT:
            closing = _END_OF[name].search(html, place)
            place = closing.start() if closing is not None else length
    return _MANY_BREAKS.sub("\n\n", "".join(parts)).strip()
