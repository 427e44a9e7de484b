"""Versions of the models in MLflow: one run per training, one registered version per run, in the stack's PostgreSQL.

    HEADRACE_HOME/models/<model>/<run>/artifacts/card.json        the model's card (`headrace.models.artifact`)
                                                /serving.skops    the estimators that score
                                                /judged.skops     the estimators that the report evaluates

The version's tags hold the SHA-256 of each file, and the decision about the version with its reason. The run has the
parameters, the metrics with their intervals, and the origin of the data, as MLflow's own UI shows them.

MLflow is imported only when a registry is opened: the import takes seconds.
"""

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from headrace.contracts import clock
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.rights import rights_needed
from headrace.contracts.settings import Settings
from headrace.models import artifact
from headrace.models.artifact import Card, Fitted, Trained
from headrace.models.registry import champions, files
from headrace.models.registry.champions import CHALLENGER, CHAMPION, FOLDER_TAG, ROLE, SCHEMA

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

Part = Literal["serving", "judged", "card"]
FILES: dict[Part, str] = {"serving": files.SERVING, "judged": files.JUDGED, "card": files.CARD}
Decision = Literal["undecided", "promoted", "rejected"]
DECISION_TAG, REASON_TAG, VERDICT_TAG = "headrace.decision", "headrace.reason", "headrace.verdict"
_OPENING = "registry"
_QUIET = ("mlflow", "alembic")


@dataclass(frozen=True)
class Version:
    """A registered version. `verdict` is the comparison behind the decision, as JSON; empty if there was none."""

    model: str
    number: int
    run_id: str
    registered_at: datetime
    decision: Decision
    reason: str
    verdict: str
    folder: str
    sha256: dict[Part, str]
    aliases: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The model version in scores."""
        return f"{self.model}-{self.number}"


class Registry:
    """The stack's registry. Create it with `open`."""

    def __init__(self, settings: Settings, client: "MlflowClient") -> None:
        self.settings = settings
        self._client = client

    @classmethod
    def open(cls, settings: Settings) -> "Registry":
        """Open the registry; the first call creates it.

        Raises:
            Transient: PostgreSQL is unavailable.
        """
        conninfo = settings.conninfo(role=ROLE)
        # MLflow creates its tables by migrations, which must not run in two processes at once.
        with champions.held(conninfo, _OPENING), _translated():
            with rights_needed(), psycopg.connect(conninfo, autocommit=True) as db:
                champions.ensure_schemas(db)
            client = _client(settings)
            client.search_registered_models(max_results=1)
            champions.prepare(conninfo)
        return cls(settings, client)

    def register(self, trained: Trained) -> Version:
        """Register a model as a new version, undecided, with the challenger alias.

        1. the run, with parameters and metrics
        2. the files, each written atomically
        3. the version, with the hashes of its files, in one transaction
        4. the alias

        If the process is killed before 3, an unused run without a version is left.
        """
        card = trained.card
        with _translated():
            run_id, folder = self._run(card)
            root = self.settings.models_root / folder
            hashes: dict[Part, str] = {
                "serving": files.save(root / FILES["serving"], trained.serving),
                "judged": files.save(root / FILES["judged"], trained.judged),
                "card": files.write(root / FILES["card"], artifact.encode(card)),
            }
            tags = {FOLDER_TAG: folder, DECISION_TAG: "undecided"} | {
                _hash_tag(part): digest for part, digest in hashes.items()
            }
            made = self._client.create_model_version(card.name, root.as_uri(), run_id, tags=tags)
            self._client.set_registered_model_alias(card.name, CHALLENGER, str(made.version))
            self._client.set_terminated(run_id)
        return self.version(card.name, int(made.version))

    def _run(self, card: Card) -> tuple[str, str]:
        client, name = self._client, card.name
        root = self.settings.models_root
        experiment = client.get_experiment_by_name(name)
        identity = experiment.experiment_id if experiment else client.create_experiment(name, (root / name).as_uri())
        with contextlib.suppress(_already_exists()):
            client.create_registered_model(name)
        run_id = client.create_run(identity, tags=_run_tags(card)).info.run_id
        client.log_batch(run_id, metrics=_metrics(card), params=_parameters(card))
        return run_id, f"{name}/{run_id}/artifacts"

    def versions(self, model: str) -> list[Version]:
        """All versions of a model, latest first; none if it was never trained."""
        with _translated():
            found = self._client.search_model_versions(f"name = '{artifact.named(model)}'", max_results=10_000)
        aliases = self._aliases(model)
        return sorted((_version(each, aliases) for each in found), key=lambda each: each.number, reverse=True)

    def version(self, model: str, number: int) -> Version:
        """One version.

        Raises:
            Terminal: there is no such version.
        """
        for each in self.versions(model):
            if each.number == number:
                return each
        raise Terminal(f"There is no version {number} of {model}.", remedy="`headrace models list` shows the versions.")

    def champion(self, model: str) -> Version | None:
        return self._aliased(model, CHAMPION)

    def challenger(self, model: str) -> Version | None:
        return self._aliased(model, CHALLENGER)

    def card(self, version: Version) -> Card:
        """The version's card. Raises `files.InvalidModelFile` if it was changed."""
        return artifact.decode(files.read(self._path(version, "card"), version.sha256["card"]))

    def load(self, version: Version, part: Literal["serving", "judged"]) -> Fitted:
        """The version's estimators. Raises `files.InvalidModelFile` if the file was changed."""
        return files.load(self._path(version, part), version.sha256[part])

    def note(self, version: Version, decision: Decision, reason: str, verdict: str = "") -> None:
        """Record the decision about a version, and the reason."""
        with _translated():
            for tag, value in ((REASON_TAG, reason), (VERDICT_TAG, verdict), (DECISION_TAG, decision)):
                self._client.set_model_version_tag(version.model, str(version.number), tag, value)

    def set_champion(self, version: Version) -> None:
        """Set the champion alias: one row in one transaction, together with its entry in the history."""
        with _translated():
            self._client.set_registered_model_alias(version.model, CHAMPION, str(version.number))

    def _aliased(self, model: str, alias: str) -> Version | None:
        number = self._aliases(model).get(alias)
        return None if number is None else self.version(model, number)

    def _aliases(self, model: str) -> dict[str, int]:
        with _translated():
            found = self._client.search_registered_models(f"name = '{artifact.named(model)}'")
        return {alias: int(number) for each in found for alias, number in each.aliases.items()}

    def _path(self, version: Version, part: Part) -> Path:
        return self.settings.models_root / version.folder / FILES[part]


def _client(settings: Settings) -> "MlflowClient":
    # Set before the import, which reads it.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    url = storage_url(settings)
    return MlflowClient(tracking_uri=url, registry_uri=url)


def storage_url(settings: Settings) -> str:
    """MLflow's storage as a SQLAlchemy URL: a schema of its own in the stack's database."""
    parameters = {name: str(value) for name, value in conninfo_to_dict(settings.conninfo(role=ROLE)).items()}
    parameters["options"] = f"{parameters.get('options', '')} -csearch_path={SCHEMA}".strip()
    return f"postgresql+psycopg:///?{urlencode(parameters)}"


def _version(found: "ModelVersion", aliases: dict[str, int]) -> Version:
    tags = found.tags
    number = int(found.version)
    return Version(
        model=found.name,
        number=number,
        run_id=str(found.run_id),
        registered_at=datetime.fromtimestamp(found.creation_timestamp / 1_000, UTC),
        decision=cast("Decision", tags.get(DECISION_TAG, "undecided")),
        reason=tags.get(REASON_TAG, ""),
        verdict=tags.get(VERDICT_TAG, ""),
        folder=tags.get(FOLDER_TAG, ""),
        sha256={part: tags.get(_hash_tag(part), "") for part in FILES},
        aliases=tuple(sorted(alias for alias, named in aliases.items() if named == number)),
    )


def _hash_tag(part: Part) -> str:
    return f"headrace.sha256.{part}"


def _run_tags(card: Card) -> dict[str, str]:
    spans = {"training": card.training, "evaluation": card.evaluation, "serving": card.serving}
    facts: dict[str, Any] = {
        "code": card.code,
        "cutoff": card.cutoff,
        "frame.path": card.frame.path,
        "frame.sha256": card.frame.sha256,
        "warehouse.snapshot": card.frame.snapshot,
        "data.as_of": card.frame.as_of.isoformat(),
        **{f"data.{name}": f"{span.start.isoformat()} {span.end.isoformat()}" for name, span in spans.items()},
        **{f"library.{name}": version for name, version in card.libraries.items()},
    }
    return {f"headrace.{name}": str(value) for name, value in facts.items() if value is not None}


def _parameters(card: Card) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, str(value)) for name, value in {**card.parameters, "seed": card.seed}.items()]


def _metrics(card: Card) -> list[Any]:
    """Each metric and the bounds of its interval; a baseline's metrics have its name as a prefix."""
    from mlflow.entities import Metric

    now = clock.milliseconds()
    reported = {"": card.report.model} | {f"{name}/": each for name, each in card.report.baselines.items()}
    figures = {
        f"{prefix}{name}{suffix}": value
        for prefix, measures in reported.items()
        for name, measure in measures.items()
        for suffix, value in (("", measure.value), ("/low", measure.low), ("/high", measure.high))
    }
    return [Metric(name, value, now, 0) for name, value in figures.items() if math.isfinite(value)]


def _already_exists() -> type[Exception]:
    from mlflow.exceptions import MlflowException

    return MlflowException


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Translate errors: a lost connection to PostgreSQL is `Transient`, any other error of MLflow `Terminal`."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    try:
        with postgres_needed(champions.SUBJECT):
            yield
    except OperationalError as error:
        raise Transient(f"{champions.SUBJECT} is unavailable.") from error
    except MlflowException as error:
        if "OperationalError" in str(error) or "connection" in str(error):
            raise Transient(f"{champions.SUBJECT} is unavailable.") from error
        raise Terminal(f"MLflow failed: {error.message}", remedy="See docs/explanation/models.md.") from error
