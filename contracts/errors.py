"""The two kinds of error every part raises.

`Transient` is retried with back-off by whoever called; `Terminal` stops the work and tells the remedy.
"""


class HeadraceError(Exception):
    """Base of all errors that Headrace raises on purpose."""


class Transient(HeadraceError):  # noqa: N818  the kind is the name
    """Something outside is away for now (broker, database); trying again may help."""


class Terminal(HeadraceError):  # noqa: N818
    """Trying again cannot help. `remedy` is one sentence that says what can."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy
