"""The stack's secrets: random text in files for their owner only, made at the first use, by one process of many."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from contracts.errors import Terminal


def stored_token(path: Path) -> str:
    """The token in a file, made at the first use. Raises as `stored_text` does."""
    return stored_text(path, lambda: secrets.token_urlsafe(32))


def stored_text(path: Path, make: Callable[[], str]) -> str:
    """The text in a file, made at the first use. Of processes that start at once, all get the same.

    Raises:
        Terminal: the file is empty, or cannot be read or written.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(path, make())
        text = path.read_text("ascii").strip()
    except OSError as error:
        raise Terminal(
            f"The secret file {path} cannot be used: {error.strerror}.",
            remedy="Run as the account that owns the stack.",
        ) from error
    if not text:
        raise Terminal(
            f"The secret file {path} is empty.", remedy="Restore it from a backup, or delete it: a new one is made."
        )
    return text


def _create(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(text + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    try:
        # A link fails where a rename would replace: the first one's text stays.
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
