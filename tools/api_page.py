"""Write docs/reference/api.md, from the routes themselves."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from lightninglens.app.api.application import PREFIX, include_routes
from lightninglens.app.api.live_parts import TOPICS

_HEAD = """# API

Written by `tools/generate_docs.py`; do not edit. The same as OpenAPI, with all types: `{prefix}/openapi.json` of the
running service.

`lens up` serves it on port 3000, on this machine only. What reads needs no token. What changes something (POST, PATCH)
needs the header `Authorization: Bearer <token>`, with the token from the file that `lens up` names, and a body of
`application/json`. Field names end in their unit; times are milliseconds of world time; ids are strings. Amounts and
balances of a simulated world are simulated; predictions and gains are estimated; models' errors are measured.

Every error has one shape, `{{"error": {{"what": ..., "where": ..., "what_to_do": ...}}}}`. 401: no token, or another.
403: a foreign Host or Origin. 404: no such thing. 409: not now, for example while the world is paused. 415: no JSON.
422: malformed. 503: the simulator is still warming up. Prometheus reads `/metrics`, without the prefix.

## Operations
"""

_LIVE = """## The live stream

`ws://localhost:3000/ws`. First comes `hello`: `session`, `seq` and `snapshot`, the state by key; then `update`s, each
with `seq` one higher than the last and what is new by key, ten times a second at most (less often when hundreds are
connected). After a lost connection `/ws?session=S&since=SEQ` replays what was missed, if it is still held (600
updates, 16 MB); otherwise a new `hello` comes. `?topics=stats,alerts` has only the keys of these topics; numbers stay
consecutive. An unknown topic is refused with close code 4400. A page is dropped when 256 updates wait for it or it
takes nothing for 5 s; code 1013 asks to try again later (1,100 pages are served), 1001 says that the service has ended.

| topic | keys |
|---|---|"""


def pages(root: Path) -> dict[Path, str]:
    """Return the page by its path."""
    app = FastAPI()
    include_routes(app)
    schema = app.openapi()
    parts = [_HEAD.format(prefix=PREFIX)]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            parts += _operation(method.upper(), path, operation)
    parts.append(_LIVE)
    parts += [f"| `{topic}` | {', '.join(f'`{key}`' for key in sorted(keys))} |" for topic, keys in TOPICS.items()]
    parts += ["", "## Types", ""]
    for name, kind in sorted(schema["components"]["schemas"].items()):
        if "properties" in kind and not name.startswith(("HTTP", "Validation")):
            parts += _type(name, kind)
    return {root / "docs/reference/api.md": "\n".join(parts).rstrip() + "\n"}


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    yield f"### `{method} {path}`"
    yield ""
    yield operation["description"].strip()
    yield ""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            yield f"- `{parameter['name']}`: {_kind(parameter['schema'])}"
    body = operation.get("requestBody")
    if body is not None:
        yield f"- body: {_kind(body['content']['application/json']['schema'])}"
    yield f"- answer: {_kind(answer)}"
    yield ""


def _type(name: str, kind: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if "description" in kind:
        yield kind["description"].strip()
        yield ""
    fields = [f"`{field}`: {_kind(what)}" for field, what in kind["properties"].items()]
    yield "; ".join(fields) + "."
    yield ""


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    text = {"integer": "whole number", "string": "text", "boolean": "yes or no"}.get(
        schema.get("type", ""), str(schema.get("type", "anything"))
    )
    bounds = [
        f"{word} {_number(schema[key])}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema
    ]
    default = [f"otherwise `{schema['default']}`"] if schema.get("default") is not None else []
    return ", ".join([" ".join([text, *bounds]), *default])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:g}"
