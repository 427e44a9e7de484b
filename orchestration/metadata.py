"""What Dagster shows of builds, models and the published file: metadata, composed by pure functions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from headrace.contracts.settings import HOST, Settings
from headrace.models.artifact import Measure, Trained
from headrace.orchestration.keys import source_key
from headrace.warehouse.build import BuildResult
from headrace.warehouse.publication.publish import PublishResult
from headrace.warehouse.sql_server.plots import PLOTS

if TYPE_CHECKING:
    from headrace.models.comparison import Verdict
    from headrace.models.drift import Drift
    from headrace.models.frames import Frame
    from headrace.models.registry.store import Version


def build_metadata(result: BuildResult) -> dict[str, Any]:
    """What Dagster shows of one build of a table; Dagster's own names where it has a place for them."""
    return {
        "dagster/row_count": result.rows,
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(name, kind, description=description) for name, kind, description in result.columns]
        ),
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                # A topic's quarantine is the same asset as its records.
                column: list(dict.fromkeys(dg.TableColumnDep(source_key(source), name) for source, name in origins))
                for column, origins in result.lineage.items()
            }
        ),
        "inserted": result.inserted,
        "updated": result.updated,
        "deleted": result.deleted,
        "quarantined": result.quarantined,
        "snapshot": result.snapshot,
        "duration_s": result.seconds,
    }


def plot_metadata(settings: Settings, result: BuildResult) -> dict[str, Any]:
    """The table's plot, if it has one: its URL at the SQL server, which draws it on request.

    The snapshot in the URL keeps the browser from showing a cached image.
    """
    if result.table not in PLOTS or not result.rows:
        return {}
    address = f"http://{HOST}:{settings.port('sql')}/plots/{result.table}.png?snapshot={result.snapshot}"
    return {"plot": dg.MetadataValue.md(f"![{result.table}]({address})")}


def file_metadata(result: PublishResult) -> dict[str, Any]:
    """What Dagster shows of the published file."""
    return {
        "path": dg.MetadataValue.path(str(result.path)),
        "tables": dg.MetadataValue.md("\n".join(f"- `{name}`" for name in result.tables)),
        "bytes": result.bytes,
        "snapshot": result.snapshot,
        "behind": dg.MetadataValue.md("\n".join(f"- `{name}`: {why}" for name, why in result.behind.items()) or "none"),
    }


def frame_metadata(frame: "Frame") -> dict[str, Any]:
    """What Dagster shows of a frame."""
    record = frame.record
    return {
        "dagster/row_count": record.rows,
        "path": dg.MetadataValue.path(record.path),
        "sha256": record.sha256,
        "as_of": dg.MetadataValue.timestamp(record.as_of),
        "snapshot": record.snapshot if record.snapshot is not None else dg.MetadataValue.null(),
    }


def version_metadata(version: "Version", trained: Trained) -> dict[str, Any]:
    """What Dagster shows of a version: its data, code and parameters."""
    card = trained.card
    spans = {"trained_on": card.training, "judged_on": card.evaluation, "serving_fitted_on": card.serving}
    return {
        "version": version.name,
        "code": card.code,
        "parameters": dg.MetadataValue.json(dict(card.parameters)),
        "sha256": dg.MetadataValue.json(dict(version.sha256.items())),
        **{name: f"{each.rows:,} rows, {each.start:%Y-%m-%d} to {each.end:%Y-%m-%d}" for name, each in spans.items()},
    }


def evaluation_metadata(trained: Trained, frame: "Frame") -> dict[str, Any]:
    """What Dagster shows of an evaluation: figures compared with the baselines', and the plots as images."""
    from headrace.models import plots, training
    from headrace.models.importance import importance

    card = trained.card
    window = training.split(frame).evaluation
    outcomes = training.evaluate(card.name, trained.judged, window).outcomes
    pictures = plots.evaluation_plots(card.report, outcomes, importance(card, trained.judged, window))
    figures = {name: measure.value for name, measure in card.report.model.items()}
    return {
        **figures,
        "rows": card.report.rows,
        "positive_rate": card.report.positive_rate,
        "figures": dg.MetadataValue.md(figures_table({"model": card.report.model, **card.report.baselines})),
        **{name: _picture(png, name) for name, png in pictures.items()},
    }


def figures_table(measured: Mapping[str, Mapping[str, Measure]]) -> str:
    """Figures with their intervals, a line for each model."""
    names = list(next(iter(measured.values())))
    lines = [f"| {' | '.join(['', *names])} |", "|---" * (len(names) + 1) + "|"]
    for name_of_model, measures in measured.items():
        cells = [
            f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})" if (each := measures.get(name)) else ""
            for name in names
        ]
        lines.append(f"| {' | '.join([name_of_model, *cells])} |")
    return "\n".join(lines)


def verdict_metadata(version: "Version", verdict: "Verdict") -> dict[str, Any]:
    """What Dagster shows of a decision."""
    return {
        "version": version.name,
        "promoted": verdict.promoted,
        "reason": verdict.reason,
        "rival": verdict.rival,
        "rows": verdict.rows,
        "differences": dg.MetadataValue.md(figures_table({"in favor": verdict.differences}))
        if verdict.differences
        else dg.MetadataValue.null(),
    }


def drift_metadata(found: "list[Drift]") -> dict[str, Any]:
    """What Dagster shows of drift: a line for each column, and an image."""
    from headrace.models import plots

    if not found:
        return {"columns": 0}
    lines = ["| column | PSI | threshold by chance | reference mean | current mean |", "|---|---|---|---|---|"]
    for each in found:
        means = f"{each.reference_mean:.4g} | {each.current_mean:.4g}"
        lines.append(f"| {each.column} | {each.psi:.4f} | {each.threshold:.4f} | {means} |")
    return {
        "columns": len(found),
        "moved": sum(each.has_moved for each in found),
        "drift": dg.MetadataValue.md("\n".join(lines)),
        "plot": _picture(plots.drifts(found), "drift"),
    }


def _picture(png: bytes, name: str) -> dg.MarkdownMetadataValue:
    from headrace.models import plots

    return dg.MetadataValue.md(plots.as_markdown(png, name.replace("_", " ")))
