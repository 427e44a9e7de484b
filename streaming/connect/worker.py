"""A client of a Connect worker's REST API."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings

TIMEOUT_SECONDS = 60.0
_CONFLICT = 409
_NOT_FOUND = 404
_UNAUTHORIZED = 401


@dataclass(frozen=True)
class TaskState:
    """A task as its worker reports it. `error` is the first line of the exception that ended it."""

    number: int
    state: str
    error: str | None


@dataclass(frozen=True)
class ConnectorState:
    """A connector and its tasks, with Connect's states (`RUNNING`, `FAILED`, `PAUSED`, …)."""

    name: str
    kind: str
    state: str
    error: str | None
    tasks: tuple[TaskState, ...]

    @property
    def failed(self) -> bool:
        return self.state == "FAILED" or any(task.state == "FAILED" for task in self.tasks)

    @property
    def running(self) -> bool:
        return self.state == "RUNNING" and bool(self.tasks) and all(task.state == "RUNNING" for task in self.tasks)

    @property
    def first_error(self) -> str | None:
        return next((error for error in (self.error, *(task.error for task in self.tasks)) if error), None)


class Worker:
    """A client of one worker. Every method raises `Transient` while the worker is unavailable or rebalancing."""

    def __init__(self, address: str, login: tuple[str, str] | None = None) -> None:
        self._address = address
        self._client = httpx.Client(base_url=address, auth=login, timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def answers(self) -> bool:
        """Whether the worker is running and has loaded its connectors."""
        try:
            self._ask("GET", "/connectors")
        except Transient:
            return False
        return True

    def plugins(self) -> set[str]:
        """Class names of the connectors that the worker can run."""
        return {plugin["class"] for plugin in self._ask("GET", "/connector-plugins")}

    def configs(self) -> dict[str, dict[str, str]]:
        """The configuration of every connector, by name."""
        found = self._ask("GET", "/connectors", expand="info")
        return {name: entry["info"]["config"] for name, entry in found.items()}

    def states(self) -> list[ConnectorState]:
        """The state of every connector, by name."""
        found = self._ask("GET", "/connectors", expand="status")
        return [_state(entry["status"]) for _, entry in sorted(found.items())]

    def put(self, name: str, config: dict[str, str]) -> None:
        """Create a connector, or update its configuration.

        Raises:
            Terminal: the worker rejects the configuration.
        """
        self._ask("PUT", f"/connectors/{name}/config", body=config)

    def restart(self, name: str) -> None:
        """Restart a connector and its failed tasks."""
        self._ask("POST", f"/connectors/{name}/restart", includeTasks="true", onlyFailed="true")

    def stop(self, name: str) -> None:
        """Stop a connector's tasks. They end asynchronously."""
        self._ask("PUT", f"/connectors/{name}/stop")

    def forget_offsets(self, name: str) -> None:
        """Delete the offsets of a stopped connector."""
        self._ask("DELETE", f"/connectors/{name}/offsets")

    def delete(self, name: str) -> None:
        """Remove a connector."""
        self._ask("DELETE", f"/connectors/{name}")

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None, **query: str) -> Any:
        try:
            answer = self._client.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise Transient(f"Connect at {self._address} does not answer: {error or type(error).__name__}") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        message = _message(answer)
        if answer.is_server_error or answer.status_code in (_CONFLICT, _NOT_FOUND):
            raise Transient(f"Connect at {self._address} cannot process {method} {path} now: {message}")
        if answer.status_code == _UNAUTHORIZED:
            raise Terminal(
                f"Connect at {self._address} rejects the login.",
                remedy="Run the command as the account that runs the stack; for a Connect of your own set"
                " HEADRACE_CONNECT_LOGIN.",
            )
        raise Terminal(f"Connect rejects {method} {path}: {message}.", remedy="See docs/how-to/connect.md.")


def worker_of(settings: Settings) -> Worker:
    """A client of the stack's worker, or of the user's own worker.

    Raises:
        Terminal: the file of the login cannot be read.
    """
    file = settings.connect_login_file
    if file is None:
        return Worker(settings.connect_address)
    try:
        user, _, password = file.read_text("utf-8").strip().partition(":")
    except FileNotFoundError:
        if settings.connect_login is None:
            return Worker(settings.connect_address)  # nothing has been started in this home yet
        raise Terminal(f"There is no file {file}.", remedy="Correct HEADRACE_CONNECT_LOGIN.") from None
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Run the command as the account that runs the stack, or correct HEADRACE_CONNECT_LOGIN."
        raise Terminal(f"The file {file} cannot be read.", remedy=remedy) from error
    return Worker(settings.connect_address, (user, password))


def _message(answer: httpx.Response) -> str:
    """The worker's error message, in one line."""
    try:
        text = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.text
    return " ".join(text.split()).removesuffix(".")


def _state(status: dict[str, Any]) -> ConnectorState:
    connector = status["connector"]
    tasks = tuple(TaskState(task["id"], task["state"], _first_line(task)) for task in status["tasks"])
    return ConnectorState(status["name"], status["type"], connector["state"], _first_line(connector), tasks)


def _first_line(state: dict[str, Any]) -> str | None:
    """The innermost cause in a stack trace: Connect wraps exceptions several times."""
    trace = str(state.get("trace") or "")
    causes = [
        line.removeprefix("Caused by: ") for line in trace.splitlines() if line and not line.startswith(("\t", " "))
    ]
    return causes[-1] if causes else None
