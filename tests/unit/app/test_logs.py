import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from lightninglens.app.logs import HIDDEN, Format, set_up_logging

CANARY = "c0ffee" * 8


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_hold_level_time_logger_and_fields() -> None:
    stream = io.StringIO()
    set_up_logging(level="info", style="json", stream=stream)
    structlog.get_logger("here").info("channel opened", channel_id="1x2x3")
    line = json.loads(stream.getvalue())
    assert line["event"] == "channel opened"
    assert line["channel_id"] == "1x2x3"
    assert (line["level"], line["logger"]) == ("info", "here")
    assert line["timestamp"].endswith("Z")


def test_the_standard_librarys_records_take_the_same_form() -> None:
    stream = io.StringIO()
    set_up_logging(level="warning", style="json", stream=stream)
    logging.getLogger("other").info("quiet")
    logging.getLogger("other").warning("loud %d", 7)
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud 7"]


@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.parametrize("field", ["token", "macaroon", "admin_macaroon_hex", "password", "Authorization", "cookie"])
def test_a_secret_never_reaches_the_log(style: Format, field: str) -> None:
    stream = io.StringIO()
    set_up_logging(level="debug", style=style, stream=stream)
    structlog.get_logger("x").debug("hello", **{field: CANARY, "request": {"headers": {field: CANARY}}})
    assert CANARY not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


def test_the_path_of_a_secret_is_no_secret() -> None:
    stream = io.StringIO()
    set_up_logging(style="json", stream=stream)
    structlog.get_logger("x").info("reading", token_file="elsewhere")  # noqa: S106 - a path
    assert json.loads(stream.getvalue())["token_file"] == "elsewhere"  # noqa: S105 - a path


def test_a_traceback_is_part_of_its_line() -> None:
    stream = io.StringIO()
    set_up_logging(style="json", stream=stream)
    try:
        int("broken")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]
