"""The command that runs one slot of a processor."""

import signal
import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(process)


def process(
    name: Annotated[str, typer.Argument(help="Name of the processor, such as `order-extractor`.")],
    index: Annotated[int, typer.Option(min=0, help="Stable number of this slot in the processor's group.")] = 0,
    start_over: Annotated[
        bool, typer.Option("--start-over", help="Forget all state and positions of the stopped processor, and end.")
    ] = False,
) -> None:
    """Run one slot of a processor until it is told to stop. `headrace up` runs them all under the supervisor."""
    from streaming.runtime import process as tuning

    tuning.keep_memory()
    from contracts.errors import Terminal
    from contracts.settings import Settings
    from streaming.processors.registry import PROCESSORS, SERVING
    from streaming.runtime import logs, metrics
    from streaming.runtime.champions import Follower
    from streaming.runtime.processing.start_over import forget
    from streaming.runtime.processing.worker import Worker

    settings = Settings()
    if name not in PROCESSORS:
        raise Terminal(f"There is no processor {name}.", remedy=f"There are: {', '.join(PROCESSORS)}.")
    logs.configure(settings.log_level, console=sys.stderr.isatty())
    if start_over:
        forget(settings, PROCESSORS[name]())
        typer.echo(f"{name} will begin anew, at the beginning of its input topics.")
        return
    metrics.serve(
        settings, settings.port("processor-metrics") + list(PROCESSORS).index(name) * settings.processors + index
    )
    worker = Worker(settings, PROCESSORS[name](), index=index)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if name in SERVING:
        Follower(settings, SERVING[name]).start()
    tuning.tune()
    worker.run()
