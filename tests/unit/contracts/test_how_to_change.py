"""The guide to changing a contract, followed in an empty folder: files, commands and their output."""

import os
import sys
from pathlib import Path

from tests.pages import Shell

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "change-a-contract.md"


def test_the_guide_to_changing_a_contract_shows_what_its_commands_print(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    assert Shell(tmp_path, os.environ | {"PATH": path}).follow(PAGE) == []
