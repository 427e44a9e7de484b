"""What is loaded as a model: only what was registered, and only types that are trusted."""

import hashlib
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import FunctionTransformer

from headrace.contracts.errors import Terminal
from headrace.models.registry import files
from headrace.models.registry.files import InvalidModelFile

RANDOM = np.random.default_rng(1)
ROWS = RANDOM.random((200, 3))


def fitted() -> dict[str, HistGradientBoostingClassifier]:
    return {"classifier": HistGradientBoostingClassifier(max_iter=5).fit(ROWS, ROWS[:, 0] > 0.5)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_loaded_model_predicts_the_same_to_the_last_bit(tmp_path: Path) -> None:
    path, model = tmp_path / "a" / "serving.skops", fitted()
    loaded = files.load(path, files.save(path, model))
    predicted = [each["classifier"].predict_proba(ROWS).tobytes() for each in (model, loaded)]
    assert predicted[0] == predicted[1]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_that_was_changed_is_rejected_before_it_is_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "serving.skops"
    recorded = files.save(path, fitted())
    with path.open("r+b") as handle:
        handle.seek(100)
        handle.write(b"\0")
    with pytest.raises(InvalidModelFile, match=r"has changed since it was registered\. Restore it from a backup"):
        files.load(path, recorded)


class _Ran:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('the pickle ran')",)


def test_a_pickle_is_rejected_though_its_hash_is_the_recorded_one(tmp_path: Path) -> None:
    path = tmp_path / "serving.skops"
    path.write_bytes(pickle.dumps(_Ran()))
    with pytest.raises(InvalidModelFile, match=r"is not a skops file; pickles are never read"):
        files.load(path, _sha256(path))


def test_an_archive_that_is_no_model_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "serving.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(InvalidModelFile, match="is not a skops file"):
        files.load(path, _sha256(path))


def test_a_type_that_is_not_trusted_is_rejected_by_name(tmp_path: Path) -> None:
    path = tmp_path / "serving.skops"
    path.write_bytes(skops.io.dumps({"step": FunctionTransformer(func=pickle.loads)}))
    with pytest.raises(InvalidModelFile, match=r"types that are not trusted: .*loads"):
        files.load(path, _sha256(path))


def test_a_model_that_could_not_be_loaded_again_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "serving.skops"
    with pytest.raises(InvalidModelFile, match="not trusted"):
        files.save(path, {"step": FunctionTransformer(func=pickle.loads)})
    assert not path.exists()


def test_a_file_that_is_gone_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match=r"cannot be read: No such file.*rollback"):
        files.load(tmp_path / "serving.skops", "0" * 64)
