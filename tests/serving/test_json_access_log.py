"""The access log in JSON."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from framework import web
from framework.serving.access_log import make_access_log
from framework.typedefs import ASGIApp
from tests.driver import Driver

LOGGER = logging.getLogger("tests.access.json")


def app_of(*middlewares: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application(middlewares=middlewares)
    app.router.add_get("/users/{id}", handler)
    return app


async def line_of(
    app: ASGIApp, driver: Driver, caplog: pytest.LogCaptureFixture, cls: type[web.JSONAccessLogger] | None = None
) -> Any:
    caplog.set_level(logging.INFO, LOGGER.name)
    log = make_access_log(LOGGER, cls or web.JSONAccessLogger)
    assert log is not None
    await log.run(app, driver.scope, driver.receive, driver.send)
    [record] = [record for record in caplog.records if record.name == LOGGER.name]
    assert "\n" not in record.getMessage()
    return json.loads(record.getMessage())


async def test_every_field(caplog: pytest.LogCaptureFixture) -> None:
    headers = [
        (b"host", b"a.example"),
        (b"referer", b"https://b.example/?q=\xc3\xa9"),
        (b"user-agent", b"tester/1.0"),
        (b"x-request-id", b"abc"),
    ]
    driver = Driver.http(None, target="/users/%37?a=%20b&c", headers=headers, client=("192.0.2.7", 4321))
    line = await line_of(app_of(web.request_id_middleware()), driver, caplog)
    begun = datetime.fromisoformat(line.pop("time"))
    duration = line.pop("duration")
    assert line == {
        "request_id": "abc",
        "remote": "192.0.2.7",
        "method": "GET",
        "path": "/users/%37",
        "query": "a=%20b&c",
        "protocol": "HTTP/1.1",
        "host": "a.example",
        "route": "/users/{id}",
        "status": 200,
        "bytes": 5,
        "referer": "https://b.example/?q=é",
        "user_agent": "tester/1.0",
    }
    assert begun.utcoffset() == timedelta(0)
    assert abs(begun - datetime.now(UTC)) < timedelta(minutes=1)
    assert 0 <= duration < 60


async def test_what_is_not_there_is_null(caplog: pytest.LogCaptureFixture) -> None:
    driver = Driver.http(None, target="/nowhere", headers=(), client=None)
    line = await line_of(app_of(), driver, caplog)
    assert "request_id" not in line
    assert [name for name, value in line.items() if value is None] == [
        "remote",
        "host",
        "route",
        "referer",
        "user_agent",
    ]
    assert (line["status"], line["query"]) == (404, "")


async def test_a_websocket(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        return socket

    app = app_of(web.request_id_middleware())
    app.router.add_get("/sockets/{name}", handler)
    driver = Driver.websocket(app, "/sockets/7", headers=[(b"x-request-id", b"abc")])
    line = await line_of(app, driver, caplog)
    assert (line["method"], line["route"], line["status"]) == ("GET", "/sockets/{name}", 101)
    assert line["request_id"] == "abc"


async def test_an_id_is_seen_around_a_middleware_that_makes_a_task(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    app = app_of(web.request_id_middleware())

    async def tasked(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.create_task(app(scope, receive, send))

    driver = Driver.http(None, target="/users/7", headers=[(b"x-request-id", b"abc")])
    assert (await line_of(tasked, driver, caplog))["request_id"] == "abc"


async def test_the_record_has_the_object(caplog: pytest.LogCaptureFixture) -> None:
    line = await line_of(app_of(), Driver.http(None, target="/users/7"), caplog)
    record: Any = caplog.records[-1]
    assert record.access == line
    assert record.levelno == logging.INFO


async def test_fields_of_ones_own(caplog: pytest.LogCaptureFixture) -> None:
    class Mine(web.JSONAccessLogger):
        def fields(self, request: web.Request, response: web.StreamResponse, time: float) -> dict[str, Any]:
            fields = super().fields(request, response, time)
            del fields["referer"]
            return fields | {
                "user": request.match_info["id"],
                "type": response.content_type,
                "day": datetime(2026, 11, 21, tzinfo=UTC),
                "what": LOGGER,
            }

    line = await line_of(app_of(), Driver.http(None, target="/users/7"), caplog, Mine)
    assert (line["user"], line["type"], line["day"]) == ("7", "text/plain", "2026-11-21T00:00:00Z")
    assert line["what"] == str(LOGGER)
    assert "referer" not in line


async def test_surrogates_in_fields_of_ones_own(caplog: pytest.LogCaptureFixture) -> None:
    class Mine(web.JSONAccessLogger):
        def fields(self, request: web.Request, response: web.StreamResponse, time: float) -> dict[str, Any]:
            return {"agent": request.headers["User-Agent"], "what": LOGGER}

    driver = Driver.http(None, target="/users/7", headers=[(b"user-agent", b"\xff")])
    assert (await line_of(app_of(), driver, caplog, Mine))["agent"] == "\udcff"


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"a\x00\x1b[2J\r\n\x7f", "a\x00\x1b[2J\r\n\x7f"),
        ("\x9b\u2028\u202e\U000e0001".encode(), "\x9b\u2028\u202e\U000e0001"),
        (b"\xff\\", "\\xff\\"),
    ],
)
async def test_s20_the_line_is_printable(octets: bytes, text: str, caplog: pytest.LogCaptureFixture) -> None:
    driver = Driver.http(None, headers=[(b"user-agent", octets)])
    assert (await line_of(app_of(), driver, caplog))["user_agent"] == text
    assert caplog.messages[0].isprintable()


async def test_it_is_silent_above_info(caplog: pytest.LogCaptureFixture) -> None:
    log = web.JSONAccessLogger(LOGGER)
    LOGGER.setLevel(logging.WARNING)
    assert not log.enabled
    LOGGER.setLevel(logging.INFO)
    assert log.enabled


def test_a_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"override its fields\(request, response, time\)"):
        make_access_log(LOGGER, web.JSONAccessLogger, "%s")
