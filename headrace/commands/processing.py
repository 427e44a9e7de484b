"""`headrace processor`: run one instance of a processor, or reset it."""

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.home import existing

if TYPE_CHECKING:
    from headrace.contracts.settings import Settings
    from headrace.streaming.runtime.processing.processor import Processor

Name = Annotated[str, typer.Argument(help="Name of the processor, such as `order-extractor`.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(name="processor", help="Run a processor manually, or delete its state.", no_args_is_help=True)
    group.command()(run)
    group.command()(reset)
    app.add_typer(group)


def run(
    name: Name,
    instance: Annotated[int, typer.Option(min=0, help="Stable number of this instance in the processor's group.")] = 0,
) -> None:
    """Run one instance of a processor until it is stopped. `headrace up` runs them all."""
    from headrace.streaming.runtime import process as tuning

    tuning.keep_memory()
    from headrace.streaming.processors.registry import all_processors, scorer_of
    from headrace.streaming.runtime import metrics
    from headrace.streaming.runtime.champions import Follower
    from headrace.streaming.runtime.processing.worker import Worker

    settings, processor = _configured(name)
    place = list(all_processors()).index(name) * settings.processors + instance
    metrics.serve(settings, settings.port("processor-metrics") + place)
    worker = Worker(settings, processor, index=instance)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    scorer = scorer_of(type(processor))
    if scorer is not None:
        Follower(settings, scorer).start()
    tuning.tune()
    worker.run()


def reset(name: Name) -> None:
    """Delete the state and positions of a stopped processor. It starts from the beginning of its inputs."""
    from headrace.streaming.runtime.processing.reset import reset as run

    settings, processor = _configured(name)
    run(settings, processor)
    typer.echo(f"{name} was reset. It starts from the beginning of its input topics.")


def _configured(name: str) -> "tuple[Settings, Processor]":
    from headrace.contracts.settings import Settings
    from headrace.streaming.processors.registry import processor_of
    from headrace.streaming.runtime import logs

    settings = existing(Settings())
    processor = processor_of(name)
    logs.configure(settings.log_level, console=sys.stderr.isatty())
    return settings, processor()
