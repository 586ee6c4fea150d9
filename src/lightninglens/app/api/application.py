"""The application: REST under /api/v1, the live stream at /ws, metrics, and the dashboard at /."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.websockets import WebSocket

from lightninglens import __version__
from lightninglens.app.api import control_routes, learning_routes, node_routes, routes, run_routes
from lightninglens.app.api.errors import ErrorBody, Problem
from lightninglens.app.api.metrics import CONTENT_TYPE, ServiceCollector, render
from lightninglens.app.api.node_metrics import NodeCollector
from lightninglens.app.api.security import BodyLimit, OriginGuard, SecurityHeaders, Token, error_body
from lightninglens.app.api.static import load_bundle, static_routes
from lightninglens.app.api.stream import LiveStream
from lightninglens.app.state import ServiceState
from lightninglens.core.errors import LensError

PREFIX = "/api/v1"
ERROR_STATUSES = (400, 401, 403, 404, 409, 413, 415, 422, 500, 503)


def create_api(
    state: ServiceState,
    stream: LiveStream,
    token: Token,
    *,
    port: int,
    dashboard: bool = True,
    allowed_origins: tuple[str, ...] = (),
) -> FastAPI:
    """Return the application; `port` is the one that it is reached by, `dashboard` whether it serves the page.

    `allowed_origins` are those of other web servers whose pages may use it, too.
    """
    app = FastAPI(
        title="LightningLens",
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(OriginGuard, port=port, more_origins=frozenset(allowed_origins)),
            Middleware(
                CORSMiddleware,
                allow_origins=allowed_origins,
                allow_methods=["GET", "POST", "PATCH"],
                allow_headers=["authorization", "content-type"],
                # A page of the internet that asks for an address of this machine needs it in Chromium.
                allow_private_network=True,
            ),
            Middleware(BodyLimit),
        ],
    )
    app.state.service = state
    app.state.token = token
    include_routes(app)
    add_error_handlers(app, openapi_path=f"{PREFIX}/openapi.json")
    collector = ServiceCollector(
        stats=lambda: state.lab.observer.stats if state.lab else None,
        channels=lambda: state.lab.observer.channels() if state.lab else (),
        clients=lambda: {"feed": state.feed_clients(), "stream": stream.client_count},
        alerts=lambda: state.alerts.count,
    )

    of_node = NodeCollector(lambda: state.watched.values() if state.lab is None else ())

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(render(collector, of_node), media_type=CONTENT_TYPE)

    @app.websocket("/ws")
    async def live(websocket: WebSocket) -> None:
        await stream.serve(websocket)

    if dashboard:
        app.router.routes.extend(static_routes(load_bundle()))
    return app


def include_routes(app: FastAPI) -> None:
    """Let an application have all operations of the API, each with the one shape of its errors."""
    errors: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in ERROR_STATUSES}
    for part in (routes, learning_routes, control_routes, run_routes, node_routes):
        app.include_router(part.router, prefix=PREFIX, responses=errors)


def add_error_handlers(app: FastAPI, *, openapi_path: str) -> None:
    """Let every error of an application be answered in the one shape that all errors have."""
    what_to_do = {
        404: f"see {openapi_path} for what there is",
        405: f"see {openapi_path} for the methods that are understood",
    }

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error_body(error.what, error.where, error.what_to_do), error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        todo = what_to_do.get(error.status_code, "correct the request")
        body = error_body(str(error.detail), f"{request.method} {request.url.path}"[:200], todo)
        return JSONResponse(body, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first: dict[str, Any] = dict(error.errors()[0])
        where = ".".join(str(part) for part in first["loc"])
        body = error_body(str(first["msg"]), where[:200], f"see {openapi_path} for what is expected")
        return JSONResponse(body, 422)

    @app.exception_handler(LensError)
    async def lens(request: Request, error: LensError) -> JSONResponse:
        body = error_body(str(error), request.url.path[:200], "nothing more was done; put it right and try again")
        return JSONResponse(body, 500)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        what = f"unexpected {type(error).__name__}: a bug in LightningLens"
        return JSONResponse(error_body(what, request.url.path[:200], "please report it, with the service's log"), 500)
