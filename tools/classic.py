"""Write one reference page for each service that the source documents name, from the table of services itself."""

from pathlib import Path

from reference import NOTE
from starlette.routing import Route

from lightninglens.app.classic import CLASSIC_SERVICES, ClassicService

FOLDER = "docs/reference/classic"


def pages(root: Path) -> dict[Path, str]:
    """Return the pages by path."""
    folder = root / FOLDER
    return {folder / "README.md": _index()} | {
        folder / f"{service.port}.md": _page(service) for service in CLASSIC_SERVICES
    }


def _index() -> str:
    lines = [
        "# The services of the source documents",
        "",
        NOTE,
        "",
        "`lens up --classic-ports` (or `service.classic_ports = true`) answers on these ports too, from the same data",
        "as the dashboard. Reads need no token and are open to pages of `http://localhost:3000` and `:3003`; what",
        "changes something needs `Authorization: Bearer` and the token whose place `lens up` prints. What is not known",
        "is null, with a message that says why; errors are errors, never a 200 with constants.",
        "",
        "| port | service | role |",
        "|---|---|---|",
        *(f"| [{one.port}]({one.port}.md) | {one.name} | {one.role} |" for one in CLASSIC_SERVICES),
    ]
    return "\n".join(lines) + "\n"


def _page(service: ClassicService) -> str:
    lines = [f"# Port {service.port}: {service.name}", "", NOTE, "", f"Role: {service.role}.", ""]
    if service.serves_dashboard:
        lines += ["The dashboard with the API under `/api/v1` (../api.md), as on the service's own port.", ""]
    routes = _routes(service)
    if routes:
        lines += ["| method | path | answer |", "|---|---|---|"]
        lines += [f"| {method} | `{path}` | {text} |" for method, path, text in routes]
        example = next(path for method, path, _ in routes if method == "GET" and "{" not in path)
        lines += ["", f"Example: `curl http://localhost:{service.port}{example}`", ""]
    for path, serve in service.sockets:
        lines += [
            f"WebSocket `ws://localhost:{service.port}{path if path != '/' else ''}`: {_first(serve.__doc__)}",
            "",
        ]
        lines += ["| a client sends | and is answered |", "|---|---|"]
        lines += [f"| `{sent}` | `{answered}` |" for sent, answered in service.conversation]
        lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def _routes(service: ClassicService) -> list[tuple[str, str, str]]:
    """Return method, path and meaning; where two routers have one path the first answers."""
    found: dict[tuple[str, str], str] = {}
    for router in service.routers:
        for route in router.routes:
            if isinstance(route, Route):
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    found.setdefault((method, route.path), _first(route.endpoint.__doc__))
    if service.health_path:
        found.setdefault(("GET", service.health_path), "Return whether the service works.")
    return [(method, path, text) for (method, path), text in found.items()]


def _first(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())
