"""The built dashboard, served from a list of the files that the package holds.

A request names an entry of the list or nothing: no path is ever joined.
"""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

BUNDLE = Path(__file__).parents[1] / "static"
INDEX = "index.html"
_HASHED_FOLDER = "assets/"

MISSING_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>LightningLens</title></head>
<body>
<h1>The dashboard is not built</h1>
<p>The service runs; only its page is missing from this installation.</p>
<p>From a copy of the repository, <code>python3 dev.py up</code> builds it. Meanwhile there are
<a href="/api/v1/network">/api/v1/network</a>, <a href="/api/v1/stats">/api/v1/stats</a> and
<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of the bundle."""

    content: bytes
    media_type: str
    etag: str
    cache_control: str


def load_bundle(folder: Path = BUNDLE) -> Mapping[str, Asset]:
    """Return the files of the bundle by their path in it, `index.html` among them; empty where it is not built."""
    if not (folder / INDEX).is_file():
        return {}
    return {
        path.relative_to(folder).as_posix(): _asset(path, path.relative_to(folder).as_posix())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def static_routes(bundle: Mapping[str, Asset]) -> list[Route]:
    """Return one route per file, and `/` for the page itself."""
    if INDEX not in bundle:
        return [Route("/", lambda _request: HTMLResponse(MISSING_PAGE, status_code=503))]
    routes = [Route(f"/{name}", _endpoint(asset)) for name, asset in bundle.items() if name != INDEX]
    return [Route("/", _endpoint(bundle[INDEX])), *routes]


def _asset(path: Path, name: str) -> Asset:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(
        content=content,
        media_type=media_type,
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        # The build names the files in this folder after their contents.
        cache_control="public, max-age=31536000, immutable" if name.startswith(_HASHED_FOLDER) else "no-cache",
    )


def _endpoint(asset: Asset):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Starlette's endpoint type is private
    async def serve(request):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        headers = {"etag": asset.etag, "cache-control": asset.cache_control}
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    return serve
