"""The table of classic services, and the application that answers on each one's port."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.websockets import WebSocket

from lightninglens import __version__
from lightninglens.app.api.application import add_error_handlers
from lightninglens.app.api.security import BodyLimit, OriginGuard, SecurityHeaders, Token
from lightninglens.app.classic import http, sockets
from lightninglens.app.classic.hub import ClassicHub
from lightninglens.app.origins import LOOPBACK_HOSTS

Socket = Callable[[WebSocket, ClassicHub, Token], Awaitable[None]]

DASHBOARD_PORT = 3000
PROXY_PORT = 3003

BASICS = (
    ("heartbeat", "heartbeat_response"),
    ("ping", "pong"),
    ("register", "registered"),
    ("connection_test", "connection_test_response"),
)
SIMULATION = (
    ("request_suggestions", "rebalance_suggestions"),
    ("rebalance_suggestion (with `token`)", "rebalance_result"),
    *BASICS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicService:
    """One documented service: its port, its role, and what it answers."""

    port: int
    name: str
    role: str
    routers: tuple[APIRouter, ...] = ()
    sockets: tuple[tuple[str, Socket], ...] = ()
    conversation: tuple[tuple[str, str], ...] = ()
    """Over the socket: what a client may send, and what is answered."""
    health_path: str | None = None
    serves_dashboard: bool = False


CLASSIC_SERVICES = (
    ClassicService(port=DASHBOARD_PORT, name="Frontend", role="dashboard", serves_dashboard=True),
    ClassicService(
        port=PROXY_PORT,
        name="CORS Proxy",
        role="everything below /api and /ws for a front end of another origin",
        routers=(http.status, http.state, http.adapter, http.learning, http.events, http.reports, http.updates),
        sockets=(("/ws", sockets.serve_proxy),),
        conversation=SIMULATION,
        health_path="/healthcheck",
    ),
    ClassicService(
        port=5000,
        name="Enhanced HTTP Server",
        role="predictions, metrics and event streams of the learning dashboard",
        routers=(http.status, http.state, http.learning, http.events, http.reports),
    ),
    ClassicService(
        port=5001,
        name="Model Server",
        role="status and predictions for a channel's state",
        routers=(http.status, http.updates, http.adapter, http.learning),
    ),
    ClassicService(
        port=8000,
        name="HTTP Server",
        role="the main API: network, channels, transactions",
        routers=(http.status, http.state, http.learning, http.reports),
    ),
    ClassicService(
        port=8001,
        name="Adapter Proxy",
        role="the first dashboard's data, suggestions, and updates",
        routers=(http.status, http.adapter, http.updates),
        health_path="/health",
    ),
    ClassicService(
        port=8766,
        name="WebSocket Client",
        role="what is received from the simulation, passed on",
        sockets=(("/", sockets.serve_receiver),),
        conversation=BASICS,
    ),
    ClassicService(
        port=8767,
        name="Suggestions Service",
        role="predictions and what to rebalance, every half minute and when asked",
        sockets=(("/", sockets.serve_suggestions),),
        conversation=(("get_suggestions", "suggestions"), ("refresh", "suggestions"), *BASICS),
        health_path="/health",
    ),
    ClassicService(
        port=8768,
        name="WebSocket Server",
        role="channels and transactions of the simulation, live",
        sockets=(("/", sockets.serve_simulation),),
        conversation=SIMULATION,
    ),
)
"""Where two of the documents' services had the same path with different answers, the first in `routers` answers."""


def trusted_origins(service_port: int) -> frozenset[str]:
    """Return the origins of pages that may read: the documented front end's, the proxy's and our own."""
    ports = {DASHBOARD_PORT, PROXY_PORT, service_port}
    return frozenset(f"http://{host}:{port}" for host in LOOPBACK_HOSTS for port in ports)


def create_classic(service: ClassicService, hub: ClassicHub, token: Token, *, service_port: int) -> FastAPI:
    """Return the application of one classic service other than the dashboard."""
    origins = trusted_origins(service_port)
    app = FastAPI(
        title=f"LightningLens, as {service.name}",
        version=__version__,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(OriginGuard, port=service.port, more_origins=origins),
            Middleware(BodyLimit),
            Middleware(
                CORSMiddleware,
                allow_origins=sorted(origins),
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type"],
            ),
        ],
    )
    app.state.hub = hub
    app.state.token = token
    add_error_handlers(app, openapi_path="/openapi.json")
    for router in service.routers:
        app.include_router(router)
    if service.health_path is not None:
        app.add_route(service.health_path, http.healthcheck)
    for path, serve in service.sockets:
        _add_socket(app, path, serve, hub, token)
    return app


def _add_socket(app: FastAPI, path: str, serve: Socket, hub: ClassicHub, token: Token) -> None:
    @app.websocket(path)
    async def answer(websocket: WebSocket) -> None:
        await serve(websocket, hub, token)
