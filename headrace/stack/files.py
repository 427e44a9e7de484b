"""Writing the stack's own files: whole or not at all, secrets for their owner only."""

import os
import secrets
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


def write_file(path: Path, text: str, *, mode: int = PUBLIC) -> None:
    """Put `text` in the place of `path` in one step. The file never exists with a wider mode than `mode`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def secret(folder: Path, name: str) -> str:
    """The generated secret of that name, made at its first use and kept in `folder`."""
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(path, secrets.token_urlsafe(32) + "\n", mode=PRIVATE)
    return path.read_text("ascii").strip()
