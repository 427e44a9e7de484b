"""The feedback service as a process: its token, the memory of keys, the producer, and uvicorn around the app."""

import asyncio
import socket
from pathlib import Path
from threading import Event

import uvicorn
import uvloop

from headrace.cases.data_science.sources.feedback.acknowledged import Acknowledged, Sender, Unsent
from headrace.cases.data_science.sources.feedback.app import Service
from headrace.cases.data_science.sources.feedback.intake import Intake
from headrace.cases.data_science.sources.feedback.seen import Seen, read_back
from headrace.cases.data_science.sources.feedback.submissions import SOURCE
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.guard import clients
from headrace.guard.asgi import Guard
from headrace.guard.connections import bounded
from headrace.guard.doors import feedback_door
from headrace.guard.tokens import stored_token
from headrace.streaming.runtime import logs
from headrace.streaming.sources.personal import scrubber
from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer

TOKEN_FILE = "feedback_token"  # noqa: S105  the name of a file
KEEP_ALIVE_SECONDS = 30
STOP_SECONDS = 10
_LOOK_SECONDS = 0.2


def serve(settings: Settings, stop: Event, *, with_kafka: bool = True) -> None:
    """Serve until `stop` is set or a SIGTERM or SIGINT comes, then finish what is under way.

    Without Kafka, events are forgotten.

    Raises:
        Terminal: the token or the address cannot be used.
    """
    token, listener, seen = token_of(settings), _listen(settings), Seen()
    log = logs.logger(part="source", source=SOURCE)
    if with_kafka:
        try:
            log.info("keys read back", keys=read_back(settings, seen))
        except Transient as error:
            # It begins all the same, and answers 503 until the broker is back.
            log.warning("keys not read back", reason=str(error))
    with listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, token, listener, seen, stop, with_kafka=with_kafka))
    log.info("stopped")


async def _serve(
    settings: Settings, token: str, listener: socket.socket, seen: Seen, stop: Event, *, with_kafka: bool
) -> None:
    sender: Sender = Acknowledged(settings) if with_kafka else Unsent()
    scrub = scrubber(pseudonymizer(load_key(settings)))
    server = uvicorn.Server(
        uvicorn.Config(
            Guard(Service(settings, token, Intake(sender, seen, scrub)).app(), feedback_door(settings)),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            **bounded(),
        )
    )
    logs.logger(part="source", source=SOURCE).info("started", address=listener.getsockname()[:2])
    # uvicorn hears the signals that come while it serves, and no earlier ones.
    ending = asyncio.create_task(_end_with(server, stop))
    await server.serve([listener])
    ending.cancel()
    await sender.close()


async def _end_with(server: uvicorn.Server, stop: Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(_LOOK_SECONDS)
    server.should_exit = True


def check(settings: Settings) -> None:
    """Check the settings.

    Raises:
        Terminal: the token file cannot be used, or a proxy is neither an address nor a network.
    """
    if settings.feedback_token_file is not None:
        _token_in(settings.feedback_token_file)
    clients.trusted(settings.feedback_proxies)


def token_of(settings: Settings) -> str:
    """The token of the API, made at its first use unless a file of the user's own is named."""
    if settings.feedback_token_file is None:
        return stored_token(settings.secrets / TOKEN_FILE)
    return _token_in(settings.feedback_token_file)


def _token_in(path: Path) -> str:
    try:
        token = path.read_text("utf-8").strip()
    except OSError as error:
        raise Terminal(
            f"The token file {path} cannot be read: {error.strerror}.", remedy="Correct HEADRACE_FEEDBACK_TOKEN_FILE."
        ) from error
    if not token:
        raise Terminal(f"The token file {path} is empty.", remedy="Put a long random text into it.")
    return token


def _listen(settings: Settings) -> socket.socket:
    address = (settings.feedback_host, settings.port("feedback"))
    try:
        return socket.create_server(address, backlog=1_024)
    except OSError as error:
        raise Terminal(
            f"The feedback service cannot listen on {address[0]}:{address[1]}: {error.strerror}.",
            remedy="End what listens there, or change HEADRACE_FEEDBACK_HOST or HEADRACE_PORT_BASE.",
        ) from error
