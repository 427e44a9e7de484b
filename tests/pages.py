"""Follows a page of the docs as a reader would: files saved and changed, commands run, output compared.

A page marks what matters by its fences: `console` holds commands (`$ …`, continued by `> …`) and their output. A block
with `title="NAME"` is a file that the reader saves, or appends to one that is there; as a `diff` it is a change of one.
In output `…` stands for anything, lines included.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
COMMAND_SECONDS = 600


@dataclass(frozen=True)
class File:
    """A file that the reader saves, or what they append to it."""

    name: str
    content: str


@dataclass(frozen=True)
class Diff:
    """A change of a file: lines that begin with a space stay, `-` goes, `+` comes."""

    name: str
    content: str

    def applied(self, text: str) -> str:
        """The text with the change, which has exactly one place in it."""
        lines = self.content.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert text.count(before) == 1, f"{self.name} has not exactly one place for\n{self.content}"
        return text.replace(before, after)


@dataclass(frozen=True)
class Command:
    """A command and the output that the page shows."""

    line: str
    shown: str


def steps(page: Path) -> list[File | Diff | Command]:
    """The files and commands of a page, in order."""
    found: list[File | Diff | Command] = []
    for kind, title, body in _FENCE.findall(page.read_text()):
        if title:
            found.append(Diff(title, body) if kind == "diff" else File(title, body))
        elif kind == "console":
            found += [_command(part) for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]]
    return found


def _command(part: str) -> Command:
    first, *others = part.splitlines()
    continued = 0
    while continued < len(others) and others[continued].startswith("> "):
        continued += 1
    line = "\n".join([first, *(each[2:] for each in others[:continued])])
    return Command(line, "\n".join(others[continued:]))


class Shell:
    """Runs the commands of one page, each in the folder that the previous ones changed to."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def save(self, file: File | Diff) -> None:
        path = self.folder / file.name
        if isinstance(file, Diff):
            path.write_text(file.applied(path.read_text()))
        else:
            before = path.read_text() + "\n\n" if path.exists() else ""
            path.write_text(before + file.content)

    def follow(self, page: Path) -> list[str]:
        """Do what a page says; the outputs that differ from those shown. A command that fails is an error."""
        differing: list[str] = []
        for step in steps(page):
            if not isinstance(step, Command):
                self.save(step)
                continue
            code, output = self.run(step)
            assert code == 0, f"$ {step.line}\n{output}"
            if not matches(step.shown, output):
                differing.append(f"$ {step.line}\n{output}")
        return differing

    def run(self, command: Command) -> tuple[int, str]:
        """The exit code and the output of a command, standard error included."""
        output = self.folder / ".output"
        with output.open("w") as sink:
            # Output goes to a file: what `up --detach` leaves running would hold a pipe open.
            done = subprocess.run(
                ["bash", "-c", f"{command.line}\nstatus=$?; pwd > {self.folder}/.folder; exit $status"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        text = output.read_text()
        output.unlink()
        left = self.folder / ".folder"
        self.folder = Path(left.read_text().strip())
        left.unlink()
        return done.returncode, text


def matches(shown: str, output: str) -> bool:
    """Whether output is what a page shows: apart from spacing, and with anything for each `…`."""
    pattern = r".*".join(re.escape(_spaced(part)) for part in _spaced(shown).split("…"))
    pattern = re.sub(r"(\\ )?\.\*(\\ )?", r".*", pattern)
    return re.fullmatch(pattern, _spaced(output), re.DOTALL) is not None


def _spaced(text: str) -> str:
    return " ".join(text.split())
