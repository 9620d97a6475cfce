"""How the installed command is called."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PYTHON = sys.executable


def tsmfeat(*words: str) -> list[str]:
    """Return the words of a `tsmfeat` command: the script beside this Python, or the one on the path.

    Raises
    ------
    FileNotFoundError
        It is not installed.
    """
    beside = Path(PYTHON).with_name("tsmfeat")
    found = str(beside) if beside.exists() else shutil.which("tsmfeat")
    if found is None:
        raise FileNotFoundError("tsmfeat is not installed for this Python; run: pip install -e .")
    return [found, *words]


def run_json(words: list[str]) -> dict[str, Any]:
    """Run a `tsmfeat` command and return the object of its ``--json``."""
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
