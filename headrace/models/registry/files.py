"""Model files in skops format: written once, loaded only if they are unchanged and hold only trusted types.

Loading a pickle executes arbitrary code. skops builds only objects of named types, which must be in `TRUSTED`. The
SHA-256 is checked first: skops is young, and types that it trusts by default have had vulnerabilities.
"""

import hashlib
import os
import uuid
import zipfile
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.models.artifact import Fitted

TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
"""Types that a model may hold, besides those that skops trusts by default (of numpy and scikit-learn)."""
SERVING, JUDGED, CARD = "serving.skops", "judged.skops", "card.json"
"""Names of a version's files."""


class InvalidModelFile(Terminal):
    """A model file that is rejected, with the reason."""


def save(path: Path, fitted: Fitted) -> str:
    """Write the estimators atomically; returns the SHA-256 of the file.

    Raises:
        InvalidModelFile: they hold a type that loading would reject.
    """
    import skops.io

    content = skops.io.dumps(fitted)
    _require_trusted(path, content)
    return write(path, content)


def write(path: Path, content: bytes) -> str:
    """Write a temporary file and rename it; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid.uuid4().hex}")
    try:
        with aside.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def load(path: Path, sha256: str) -> Fitted:
    """The estimators of a file whose SHA-256 was recorded when it was registered.

    Raises:
        InvalidModelFile: it is missing, was changed, is not a skops file, or holds a type that is not trusted.
    """
    content = read(path, sha256)
    _require_trusted(path, content)
    import skops.io

    return skops.io.loads(content, trusted=list(TRUSTED))


def read(path: Path, sha256: str) -> bytes:
    """The content of a registered file.

    Raises:
        InvalidModelFile: it is missing, or was changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _invalid(path, "has changed since it was registered")
    return content


def _require_trusted(path: Path, content: bytes) -> None:
    import skops.io

    try:
        found = skops.io.get_untrusted_types(data=content)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise _invalid(path, "is not a skops file; pickles are never read") from error
    if strange := sorted(set(found) - set(TRUSTED)):
        raise _invalid(path, f"holds types that are not trusted: {', '.join(strange)}")


def _invalid(path: Path, reason: str) -> InvalidModelFile:
    return InvalidModelFile(
        f"The model file {path} {reason}.",
        remedy="Restore it from a backup, go back to another version (`headrace models rollback`), or train again.",
    )
