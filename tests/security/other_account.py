"""Doing as another account of the machine would."""

import os
import subprocess
import sys

import pytest

NOBODY = "65534"


def as_nobody(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as the account `nobody`, without any of root's capabilities."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a command as another account")
    wrapper = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all")
    return subprocess.run([*wrapper, *command], capture_output=True, text=True, check=False, timeout=60)


def python_as_nobody(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python program as the account `nobody`, with the packages of this environment."""
    return as_nobody(sys.executable, "-c", program, *arguments)
