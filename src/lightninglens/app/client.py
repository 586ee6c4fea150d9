"""Asking the service that runs on a data directory, as its other commands do."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightninglens.app.api.security import TOKEN_FILE
from lightninglens.app.running import find_running
from lightninglens.app.secrets import read_secret
from lightninglens.core.errors import LensError, NodeUnavailable

PATIENCE_S = 300.0
"""A run of the baseline takes a few seconds of the world's time per change."""


def ask_running(data_dir: Path, token_file: Path | None, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST to the running lab and return its answer; raises LensError in its words, or when none runs."""
    lab = find_running(data_dir)
    if lab is None:
        raise NodeUnavailable(f"no lab runs on {data_dir}; start one with `lens up`, or give its --data-dir")
    token = read_secret(token_file or data_dir / TOKEN_FILE)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return _ask(lab.url, "POST", path, json.dumps(body), headers)


def read_running(url: str, path: str) -> dict[str, Any]:
    """GET from the service at an address; raises LensError in its words, NodeUnavailable when it does not answer."""
    return _ask(url, "GET", path, None, {})


def _ask(url: str, method: str, path: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise NodeUnavailable(f"the service at {url} did not answer: {problem}") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        error = answer.get("error", {})
        raise LensError(f"{error.get('what', response.reason)} ({error.get('what_to_do', path)})")
    return dict(answer)
