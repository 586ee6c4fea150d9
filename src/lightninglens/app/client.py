"""Asking the lab that runs on a data directory, as its other commands do."""

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
    address = urlsplit(lab.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise NodeUnavailable(f"the lab at {lab.url} did not answer: {problem}") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        error = answer.get("error", {})
        raise LensError(f"{error.get('what', response.reason)} ({error.get('what_to_do', path)})")
    return dict(answer)
