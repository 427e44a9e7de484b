"""A guessed mapping as a TOML text, in which comments mark the guesses and the questions."""

import json
from dataclasses import dataclass, field
from typing import Any

from headrace.streaming.sources.mapped.map_files import open_questions

TABLES = ("", "file", "rows", "values", "fields", "lines")


@dataclass(frozen=True)
class Entry:
    """One key of a mapping. `note` says why it is so; `question` what must be answered."""

    table: str
    key: str
    value: Any
    note: str | None = None
    question: str | None = None

    @property
    def open_keys(self) -> list[str]:
        """The keys that are open, as `--set` takes them."""
        return [*open_questions({self.table: {self.key: self.value}} if self.table else {self.key: self.value})]


@dataclass
class Draft:
    """A mapping in the making."""

    entries: list[Entry] = field(default_factory=list[Entry])
    unused: list[str] = field(default_factory=list[str])

    def put(self, table: str, key: str, value: Any, *, note: str | None = None, question: str | None = None) -> None:
        """Add a key."""
        self.entries.append(Entry(table, key, value, f"guess: {note}" if note else None, question))

    @property
    def questions(self) -> list[Entry]:
        """The keys that must be answered."""
        return [entry for entry in self.entries if entry.open_keys]

    def answer(self, given: dict[str, Any]) -> None:
        """Put what the user has answered in place of guesses and questions: tables as TOML would read them."""
        for table, keys in given.items():
            if table in TABLES:
                for key, value in keys.items():
                    self._answer(table, key, value)
            else:
                self._answer("", table, keys)

    def _answer(self, table: str, key: str, value: Any) -> None:
        for place, entry in enumerate(self.entries):
            if (entry.table, entry.key) == (table, key):
                self.entries[place] = Entry(table, key, _merged(entry.value, value), "your answer")
                return
        self.entries.append(Entry(table, key, value, "your answer"))

    def as_tables(self) -> dict[str, Any]:
        """The mapping as TOML would read it."""
        tables: dict[str, Any] = {}
        for entry in self.entries:
            table = tables.setdefault(entry.table, {}) if entry.table else tables
            table[entry.key] = entry.value
        return tables

    def as_toml(self, origin: str) -> str:
        """The text of the mapping."""
        lines = [
            f"# A first mapping of {_comment(origin)}, guessed from its columns and first rows.",
            "# Check what is marked as a guess, and answer each question in place of its question mark.",
        ]
        for table in TABLES:
            entries = [entry for entry in self.entries if entry.table == table]
            if entries and table:
                lines += ["", f"[{table}]"]
            for entry in entries:
                if entry.question is not None:
                    lines.append(f"# QUESTION: {_comment(entry.question)}")
                note = f"  # {_comment(entry.note)}" if entry.note else ""
                lines.append(f"{entry.key} = {toml_value(entry.value)}{note}")
        if self.unused:
            lines += ["", f"# Columns that are not used: {_comment(', '.join(self.unused))}"]
        return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {toml_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    # A JSON text is a basic string of TOML, but for this character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _merged(old: Any, new: Any) -> Any:
    """An answer to a part of a field keeps the others; one that names another way of having a value does not."""
    if not isinstance(new, dict):
        return new
    if not isinstance(old, dict):
        old = {"column": old} if isinstance(old, str) else {}
    ways = {"column", "constant", "generate"}
    kept = {name: each for name, each in old.items() if not (name in ways and ways & set(new))}
    return kept | new


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").isalnum() else toml_value(key)


def _comment(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
