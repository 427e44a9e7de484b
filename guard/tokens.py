"""The stack's tokens: random text in files for their owner only, made at the first use."""

import os
import secrets
from pathlib import Path

from contracts.errors import Terminal


def stored_token(path: Path) -> str:
    """The token in a file, made at the first use. Of processes that start at once, all get the same.

    Raises:
        Terminal: the file is empty, or cannot be read or written.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(path)
        token = path.read_text("ascii").strip()
    except OSError as error:
        raise Terminal(
            f"The token file {path} cannot be used: {error.strerror}.", remedy="Run as the account that owns the stack."
        ) from error
    if not token:
        raise Terminal(f"The token file {path} is empty.", remedy="Delete it; a new token is made.")
    return token


def _create(path: Path) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(secrets.token_urlsafe(32) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    try:
        # A link fails where a rename would replace: the first one's token stays.
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
