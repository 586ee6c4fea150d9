"""Logging: structlog to standard error, for people or as JSON, with the standard library's records in the same form."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]

HIDDEN = "[hidden]"
_SECRET_WORDS = ("token", "macaroon", "password", "secret", "cookie", "authorization", "preimage", "seed_phrase")
_HARMLESS_ENDINGS = ("_file", "_path")

EventDict = MutableMapping[str, Any]


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field whose name speaks of a secret, at any depth."""
    return {name: _hidden(name, value) for name, value in event.items()}


def _hidden(name: str, value: Any) -> Any:
    lowered = str(name).lower()
    if any(word in lowered for word in _SECRET_WORDS) and not lowered.endswith(_HARMLESS_ENDINGS):
        return HIDDEN
    if isinstance(value, dict):
        return {key: _hidden(key, inner) for key, inner in value.items()}
    return value


def set_up_logging(*, level: Level = "info", style: Format = "console", stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream` (standard error) from now on."""
    target = sys.stderr if stream is None else stream
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(style, target)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Compilers and pools write thousands of lines at debug that say nothing about this program,
    # servers and migrations tell of their own starts and ends, plots of the labels of their axes.
    for chatty in ("numba", "matplotlib", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.INFO, root.level))
    if root.level > logging.DEBUG:
        for chatty in ("uvicorn", "uvicorn.error", "websockets", "alembic", "matplotlib"):
            logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _renderers(style: Format, target: TextIO) -> list[structlog.typing.Processor]:
    if style == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=plain)]
