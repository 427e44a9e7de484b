"""The two kinds of errors that all packages raise.

The caller retries on `Transient` with back-off; `Terminal` stops the work and names the remedy.
"""


class HeadraceError(Exception):
    """Base of all errors that Headrace raises on purpose."""


class Transient(HeadraceError):  # noqa: N818  the kind is the name
    """An external service (broker, database) is unavailable; retrying may help."""


class Terminal(HeadraceError):  # noqa: N818
    """Retrying cannot help. `remedy` is one sentence that says what can."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy
