"""S20: bad input costs at most one log record, and brings no control characters into it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework import web
from framework.sansio.log_format import escape_text
from framework.serving.access_log import make_access_log
from tests.driver import Driver

ODD = "/%0a%0dFAKE%20RECORD%1b[31m%00"
HEADERS = [
    (b"host", b"a\x1bb\n"),
    (b"content-type", b"text/\x1b"),
    (b"cookie", b"\x1b=\x1b"),
    (b"content-length", b"x\x1b"),
]


def visible(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return text.isprintable()


async def answer_oddly(kind: str, request: web.Request) -> Any:
    match kind:
        case "raises":
            raise ValueError(request.path)
        case "none":
            return None
        case "wrong":
            return request.path
        case "not found":
            raise web.HTTPNotFound
        case "json":
            return web.json_response(await request.json())
        case "length":
            return web.json_response(request.content_length)
    return web.Response()


@pytest.mark.parametrize("kind", ["raises", "none", "wrong", "not found", "json", "length", "fine"])
async def test_s20_one_record_without_control_characters(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> Any:
        return await answer_oddly(kind, request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    await Driver.http(app, "POST", ODD, headers=HEADERS, body=b"{\x1b", client=("\x1b\x9b\n", 1)).run()
    shown = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert len(shown) <= 1
    assert all(visible(record) for record in shown)


@pytest.mark.parametrize("method", ["GET", "BR\x1bEW", "\n"])
async def test_s20_misses_are_not_logged(method: str, caplog: pytest.LogCaptureFixture) -> None:
    app = web.Application()
    app.router.add_put("/only", answer_oddly)  # type: ignore[arg-type]
    await Driver.http(app, method, ODD).run()
    await Driver.http(app, method, "/only").run()
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


def test_s20_a_request_shows_no_control_characters() -> None:
    driver = Driver.http(None, target=ODD)
    driver.scope["path"] = "/\n\x1b"
    assert "\n" not in repr(web.BaseRequest(driver.scope, driver.receive, driver.send))


# The access log

EVERYTHING = '%a %t %P "%r" %s %b %T %Tf %D "%{User-Agent}i" "%{X-Odd}i" "%{X-Odd}o" "%{Nothing}o"'

octets = st.binary(max_size=20) | st.sampled_from(
    [b"\r\n", b"\x1b[2J", b'" 200 "', b"\\", b"\xff\xfe", b"\xe2\x80\xa8"]
)
characters = st.text(max_size=20) | st.sampled_from(["\r\n", "\x1b[2J", "\x9b", '" 200 "', "\u202e", "\udc80"])


@given(
    method=characters,
    raw_path=octets,
    query_string=octets,
    value=octets,
    client=characters,
    version=characters,
    cls=st.sampled_from([web.AccessLogger, web.JSONAccessLogger]),
    is_custom=st.booleans(),
)
def test_s20_an_access_log_has_one_printable_line(
    method: str,
    raw_path: bytes,
    query_string: bytes,
    value: bytes,
    client: str,
    version: str,
    cls: type[web.AbstractAccessLogger],
    is_custom: bool,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-odd", value)]})
        await send({"type": "http.response.body", "body": b"x"})

    headers = [(b"user-agent", value), (b"x-odd", value), (b"host", value), (b"referer", value)]

    async def send(message: Any) -> None: ...

    driver = Driver.http(
        None,
        method=method,
        headers=headers,
        raw_path=raw_path,
        query_string=query_string,
        client=(client, 1),
        http_version=version,
    )
    lines: list[str] = []
    logger = logging.Logger("tests.s20")  # noqa: LOG001 - none that anybody else has set up
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    log_format = EVERYTHING if is_custom and cls is web.AccessLogger else web.AccessLogger.LOG_FORMAT
    log = make_access_log(logger, cls, log_format)
    assert log is not None
    asyncio.run(log.run(app, driver.scope, driver.receive, send))
    [line] = lines
    assert line.isprintable()
    if cls is web.JSONAccessLogger:
        assert json.loads(line)["status"] == 200
    elif not is_custom:
        # No quote but the format's own.
        assert len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) == 6


@given(characters)
def test_s20_what_a_line_shows_can_be_told_apart(text: str) -> None:
    """Different values never look the same."""
    shown = escape_text(text)
    assert shown.isprintable()
    read = re.sub(r'\\(["\\])|\\x(..)|\\u(....)|\\U(........)', _read, shown)
    assert read.encode("utf-8", "surrogateescape") == text.encode("utf-8", "surrogateescape")


def _read(found: re.Match[str]) -> str:
    if found[1]:
        return found[1]
    return (
        bytes([int(found[2], 16)]).decode("utf-8", "surrogateescape")
        if found[2]
        else chr(int(found[3] or found[4], 16))
    )
