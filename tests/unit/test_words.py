"""Retired words do not occur in code, SQL and docs: former names of columns, headers, commands and options, and
turns of phrase that the glossary replaces.

`RETIRED` is the list. Add a word with the files or phrases in which it is allowed; words match as whole words.
docs/decisions are history and are not searched, nor is the table of renames in CHANGELOG.md.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNSEEN = ("requirements.lock", "tests/unit/test_words.py")
RENAMES = re.compile(r"(?ms)^### Renamed$.*?(?=^##|\Z)")
"""The section of CHANGELOG.md that lists former names."""
SUFFIXES = {".py", ".sql", ".jinja", ".md", ".java", ".js", ".html", ".toml", ".txt", ".yaml", ".yml", ".sh", ""}


@dataclass(frozen=True)
class Retired:
    """`pattern` must not occur below `within`, except in the files `besides` and in the phrases `allowed`.

    `pattern` is a regular expression of whole words. `within` are prefixes of paths; all files when empty.
    """

    pattern: str
    instead: str
    within: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


SQL = ("warehouse/sql/", "warehouse/sql_server/examples/", "warehouse/frames/")
GENERATED = ("docs/reference/tables.md", "docs/reference/topics.md")
COLUMNS = (
    Retired("left_it", "customers_exited"),
    Retired("said_(at|date)", "authored_at, authored_date"),
    Retired("given_(at|date|month)", "submitted_at, submitted_date, submitted_month"),
    Retired("feedback_given", "feedback_submissions"),
    Retired("stated_total", "reported_total"),
    Retired("session_s", "session_duration_s"),
    Retired("visible_hour", "available_hour", besides=("warehouse/lake/watermarks.py",)),
    Retired("movement_7d_pct", "units_change_7d_pct"),
    Retired("net_pct", "net_sentiment_pct"),
    Retired("ordered_pct", "repurchase_rate_pct"),
    Retired("monetary", "monetary_value"),
    Retired("(positive|negative)_(low|high)_pct", "*_ci_low_pct, *_ci_high_pct"),
    Retired("(negative|neutral|positive)_told|told_pct", "*_true_positives, accuracy_pct"),
    Retired("refused_date", "rejected_date"),
    Retired("events_are_told_once", "no_conflicting_duplicate_ids"),
    Retired(r"core\.arrivals", "core.landing_latency_histogram"),
    Retired("residence", "country_of_residence", within=SQL, allowed=("[Cc]ountry of residence",)),
    Retired(
        "entered",
        "customers_entered",
        within=SQL,
        allowed=(
            "Customers who entered",
            "(they|customers?) entered",
            "segment entered",
            "it was entered",
            "one entered",
        ),
    ),
    Retired("told|reversed|believed|meant|first_arrivals|last_said|said", "correct_predictions, …", within=SQL),
    Retired(
        "measure|answers|carts|removals|flag|client",
        "latency_type, responses, …",
        within=SQL,
        allowed=("client's", "client and agent", "(question|query) answers"),
    ),
    Retired(
        "`(flag|client|carts|removals|answers|measure|told|reversed|entered|residence|change|ordered)`",
        "see the glossary",
        within=GENERATED,
    ),
)
HEADERS = (
    Retired(
        "-- (case|append|scope|require|volume):", "domain, materialized, group_by, audit, anomaly_check", within=SQL
    ),
    Retired("-- (rule|require|reference) [^:]+:", "row_check, audit, foreign_key", within=SQL),
)
COMMANDS = (
    Retired("headrace process", "headrace processor run"),
    Retired("--start-over", "headrace processor reset"),
    Retired("headrace build --follow", "headrace build --watch"),
    Retired("headrace warehouse release", "headrace warehouse unhold"),
    Retired("headrace replay", "headrace ingest"),
)
NAMES = (
    Retired("given_up", "skipped"),
    Retired("[\"'`]refused[\"'`]", "denied (access), rejected (input)", besides=("tests/hostile/feeders.py",)),
    Retired(
        "start_over|is_followed|sources.replay|orchestration.follow|follow\\.py", "reset, is_watched, ingest, watch"
    ),
    Retired("processor_slots|slot_process|_slots|Slot", "instance", within=("tests/",)),
    Retired(r"topic\.case|table\.case|Case = Literal\[\"ecommerce.*", "domain"),
    Retired(
        r"(table|parsed)\.(scopes?|rules|requirements|volume)", "group_by, affects, row_checks, audits, anomaly_check"
    ),
)
"""Former names in code, in the output of `headrace verify` and in the errors of SQL over HTTP."""
# Not English: a method of files.
NOT_ENGLISH = (r"(file|handle|out|self)\.tell\(\)",)
ENGLISH = tuple(
    Retired(f"(?i:{pattern})", instead, allowed=NOT_ENGLISH)
    for pattern, instead in {
        "told|tells?": "reported, sent, described, detected",
        "said": "reported, predicted",
        "believed": "resolved, takes precedence",
        "anew": "again, from scratch",
        "(is|are|was|were) away": "is unavailable",
        "goes on|went on|go on|going on": "continues, resumes",
        "comes to": "results in",
        "whoever|whatever": "any client, every record",
        "given up|gives? up|let go|lets be": "skipped, removed, released",
        "so long as|the like|what became of|a batch's share": "a plain phrase",
    }.items()
)
"""Words that docs, help texts, errors, comments and names of tests no longer use, as the glossary has them."""
RETIRED = COLUMNS + HEADERS + COMMANDS + NAMES + ENGLISH


def _texts() -> dict[str, str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    names = [name for name in listed if name and not name.startswith(UNSEEN) and Path(name).suffix in SUFFIXES]
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8", errors="ignore") for name in names if (ROOT / name).is_file()
    }
    return texts | {"CHANGELOG.md": RENAMES.sub("", texts["CHANGELOG.md"])}


TEXTS = _texts()


def _found(retired: Retired, name: str, text: str) -> list[str]:
    if name in retired.besides or not name.startswith(retired.within or ""):
        return []
    word = re.compile(rf"(?<![\w-])(?:{retired.pattern})(?!\w)")
    if not word.search(text):
        return []
    allowed = re.compile("|".join(retired.allowed) or r"\Z(?!\Z)")
    lines = enumerate(text.splitlines(), 1)
    return [f"{name}:{number}: {line.strip()}" for number, line in lines if word.search(allowed.sub("", line))]


@pytest.mark.parametrize("retired", RETIRED, ids=lambda retired: retired.pattern)
def test_a_retired_word_does_not_occur(retired: Retired) -> None:
    found = [each for name, text in TEXTS.items() for each in _found(retired, name, text)]
    assert found == [], f"write {retired.instead}"


def test_a_retired_word_is_found_as_a_whole_word_and_not_where_it_is_allowed() -> None:
    retired = Retired("told", "reported", besides=("b.md",), allowed=("told you so",))
    assert _found(retired, "a.md", "It told.\nuntold, told_of\nI told you so") == ["a.md:1: It told."]
    assert _found(retired, "b.md", "It told.") == []
    assert _found(Retired("x", "y", within=("docs/",)), "a.md", "x") == []


@pytest.mark.parametrize(
    "old",
    ["-- case: ecommerce", "-- rule status: status > 0", "-- column told: Texts.", "    count(*) as carts,", "left_it"],
)
def test_former_names_in_a_tables_file_are_found(old: str) -> None:
    assert any(_found(retired, "warehouse/sql/core/a.sql", old) for retired in RETIRED)


@pytest.mark.parametrize(
    "sentence", ["Whatever it is, it goes on.", "PostgreSQL is away.", "    told = json.loads(line)"]
)
def test_retired_english_is_found(sentence: str) -> None:
    assert any(_found(retired, "tests/unit/test_a.py", sentence) for retired in ENGLISH)
