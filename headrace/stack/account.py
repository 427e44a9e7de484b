"""The account that PostgreSQL runs as if root starts the stack: PostgreSQL refuses to run as root.

The home stays private to root. The account gets its data folder as an open descriptor, so it needs neither permissions
on the folders above nor a capability.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from headrace.contracts.errors import Terminal

ACCOUNT = "headrace"
COPIES = Path("/var/lib/headrace")
"""Root's folder for copies of programs, used if the account cannot enter the environment they are installed in."""
SERVER = "postgres"
_DATA, _PASSWORD = "/proc/self/fd/9", "/proc/self/fd/8"


def is_used() -> bool:
    """Whether PostgreSQL runs as a different account than the stack."""
    return os.geteuid() == 0


def ensure_account() -> None:
    """Create the account if it does not exist.

    Raises:
        Terminal: it cannot be created.
    """
    try:
        pwd.getpwnam(ACCOUNT)
        return
    except KeyError:
        remedy = f"Create a system account named {ACCOUNT}, or start the stack as a plain user."
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Terminal("PostgreSQL cannot run as root, and there is no `useradd` here.", remedy=remedy) from None
    already_there = 9
    if run.returncode not in (0, already_there):
        raise Terminal(f"PostgreSQL cannot run as root, and useradd failed: {run.stderr.strip()}.", remedy=remedy)


def give(path: Path) -> None:
    """Make the account the owner."""
    shutil.chown(path, ACCOUNT, ACCOUNT)


def with_data(data: Path, program: Path, *arguments: str) -> list[str]:
    """The command by which root runs `program -D data …` as the account, with only the account's rights."""
    return _as_account('exec 9<"$1"', [str(data)], [str(program), "-D", _DATA, *arguments])


def with_data_and_password(data: Path, password_file: Path, program: Path, *arguments: str) -> list[str]:
    """`with_data`, and `--pwfile` for the file of the password."""
    opened = [str(data), str(password_file)]
    return _as_account('exec 9<"$1" 8<"$2"', opened, [str(program), "-D", _DATA, f"--pwfile={_PASSWORD}", *arguments])


def _as_account(opening: str, opened: list[str], command: list[str]) -> list[str]:
    script = f'{opening}; shift {len(opened)}; exec "$@"'
    drop = ["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
    return ["sh", "-c", script, "sh", *opened, *drop, *command]


def reachable(programs: Path) -> Path:
    """The folder of PostgreSQL's programs for the account: the original, or a copy made by `make_reachable`."""
    if _is_open(programs / SERVER):
        return programs
    found = (programs / SERVER).stat()
    name = hashlib.sha256(f"{programs.resolve()} {found.st_size} {found.st_mtime_ns}".encode()).hexdigest()[:16]
    return COPIES / f"postgres-{name}" / programs.name


def make_reachable(programs: Path) -> None:
    """Copy the installation to a folder that every account may read, unless the programs are in one."""
    wanted = reachable(programs).parent
    if wanted.exists() or wanted == programs.parent:
        return
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = wanted.with_name(f".{wanted.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(programs.parent, aside, symlinks=True)
    for path in (COPIES, aside, *aside.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)
    try:
        aside.rename(wanted)
    except OSError:
        shutil.rmtree(aside)  # another process was first
        if not wanted.exists():
            raise


def _is_open(path: Path) -> bool:
    """Whether every account can read the file and enter the folders above it."""
    real = path.resolve()
    return bool(real.stat().st_mode & stat.S_IROTH) and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in real.parents
    )
