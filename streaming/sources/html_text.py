"""HTML of posts as plain text."""

import re
from html.parser import HTMLParser

_NOT_TEXT = frozenset({"script", "style"})
_BLOCKS = frozenset({"p", "div", "li", "blockquote", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6"})
_MANY_BREAKS = re.compile(r"\n{3,}")


class InvalidHtmlError(ValueError):
    """The markup cannot be read at all."""


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  html.parser names it
        if tag in _NOT_TEXT:
            self._skipping += 1
        elif tag == "br":
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _NOT_TEXT:
            self._skipping = max(0, self._skipping - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n\n" if tag == "p" else "\n")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.parts.append(data)


def html_to_text(html: str) -> str:
    """Text of `html`: `<br>` as a line break, `<p>` as a paragraph, character references resolved.

    Raises:
        InvalidHtmlError: markup that the parser gives up on.
    """
    parser = _Text()
    try:
        parser.feed(html)
        parser.close()
    except AssertionError:
        # html.parser's way to refuse declarations such as `<![x`.
        raise InvalidHtmlError("unreadable HTML") from None
    return _MANY_BREAKS.sub("\n\n", "".join(parser.parts)).strip()
