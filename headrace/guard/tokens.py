"""The stack's secrets: random text in files that only their owner can read, created at first use by one process."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from headrace.contracts.errors import Terminal


def stored_token(path: Path) -> str:
    """The token in a file, created at first use. Raises the same errors as `stored_text`."""
    return stored_text(path, lambda: secrets.token_urlsafe(32))


def stored_text(path: Path, make: Callable[[], str]) -> str:
    """The text in a file, created at first use. Processes that start at the same time get the same text.

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
            f"The secret file {path} is empty.",
            remedy="Restore it from a backup, or delete it; a new one is then created.",
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
        # `link` fails if the file exists, where `rename` would replace it: the first process wins.
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
