"""The access log's lines, written for requests of a raw ASGI application."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from framework.serving.access_log import AccessLog, AccessLogger
from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

LOGGER = logging.getLogger("tests.access")


def make_scope(**changes: Any) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", 4321),
        **changes,
    }


def answer(status: int, *bodies: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        for body in bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body"})

    return app


async def line_of(app: ASGIApp, scope: Scope, caplog: pytest.LogCaptureFixture) -> str:
    async def receive() -> Message:
        raise AssertionError("no application here reads")

    async def send(message: Message) -> None: ...

    with caplog.at_level(logging.INFO, LOGGER.name):
        await AccessLog(AccessLogger(LOGGER)).run(app, scope, receive, send)
    [record] = caplog.records
    return record.getMessage()


async def test_a_line(caplog: pytest.LogCaptureFixture) -> None:
    headers = [(b"referer", b"https://example.com/"), (b"user-agent", b"curl/8.5")]
    line = await line_of(answer(200, b"hello", b"!"), make_scope(query_string=b"b=1", headers=headers), caplog)
    begin, _, rest = line.partition(" [")
    assert begin == "192.0.2.7"
    assert rest.partition("] ")[2] == '"GET /a%20b?b=1 HTTP/1.1" 200 6 "https://example.com/" "curl/8.5"'


async def test_the_record_carries_the_values(caplog: pytest.LogCaptureFixture) -> None:
    await line_of(answer(201, b"hello"), make_scope(), caplog)
    record: Any = caplog.records[0]
    assert record.levelno == logging.INFO
    assert (record.remote_address, record.response_status, record.response_size) == ("192.0.2.7", 201, 5)
    assert record.first_request_line == "GET /a%20b HTTP/1.1"
    assert record.request_header == {"Referer": "-", "User-Agent": "-"}


async def test_a_head_request_gets_no_body(caplog: pytest.LogCaptureFixture) -> None:
    assert '" 200 0 "' in await line_of(answer(200, b"left out by the server"), make_scope(method="HEAD"), caplog)


async def test_without_client_and_raw_path(caplog: pytest.LogCaptureFixture) -> None:
    line = await line_of(answer(204), make_scope(client=None, raw_path=None), caplog)
    assert line.startswith("- [")
    assert '"GET /a%20b HTTP/1.1" 204' in line


async def test_an_exception_is_the_servers_500(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await line_of(app, make_scope(), caplog)
    assert '" 500 0 "' in caplog.records[0].getMessage()


@pytest.mark.parametrize(("kind", "status"), [("websocket.accept", 101), ("websocket.close", 403)])
async def test_websockets(kind: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": kind})
        await send({"type": "websocket.close"})

    scope = make_scope(type="websocket")
    del scope["method"]
    assert f'"GET /a%20b HTTP/1.1" {status} 0 ' in await line_of(app, scope, caplog)


async def test_a_denied_websocket(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    assert '" 401 2 "' in await line_of(app, make_scope(type="websocket"), caplog)


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (b"\x1b[2J\x07", r"\x1b[2J\x07"),
        (b'x" 200 0 "y', r"x\" 200 0 \"y"),
        (b"a\r\nb\x00\x7f\x9b", r"a\x0d\x0ab\x00\x7f\x9b"),
        (b"caf\xc3\xa9 \xe9 \\x1b", "caf\xe9 \\xe9 \\\\x1b"),
    ],
)
async def test_s20_nothing_a_client_sends_forges_a_line(
    sent: bytes, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    scope = make_scope(headers=[(b"user-agent", sent), (b"referer", sent)], raw_path=b"/" + sent, query_string=sent)
    line = await line_of(answer(200), scope, caplog)
    assert line.endswith(f'"GET /{logged}?{logged} HTTP/1.1" 200 0 "{logged}" "{logged}"')
