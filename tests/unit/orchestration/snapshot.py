"""The snapshot of the assets, so that a review shows what a change does to them. `make docs` writes it."""

import tempfile
from pathlib import Path

import dagster as dg

from headrace.contracts.settings import Settings
from headrace.orchestration.definitions import build_defs
from headrace.orchestration.keys import table_name

SNAPSHOT = Path(__file__).with_name("asset_specs.txt")


def described(defs: dg.Definitions) -> str:
    """One line an asset: key, group, kinds, what it reads, its checks."""
    checks: dict[dg.AssetKey, list[str]] = {}
    for key in defs.resolve_asset_graph().asset_check_keys:
        checks.setdefault(key.asset_key, []).append(key.name)
    lines = [
        f"{table_name(spec.key)} [{spec.group_name}] {'+'.join(sorted(spec.kinds))}"
        f" <- {', '.join(sorted(table_name(dep.asset_key) for dep in spec.deps)) or '-'}"
        f" ? {', '.join(sorted(checks.get(spec.key, []))) or '-'}"
        for spec in defs.resolve_all_asset_specs()
    ]
    return "\n".join(sorted(lines)) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        SNAPSHOT.write_text(described(build_defs(Settings(home=Path(home)))))
