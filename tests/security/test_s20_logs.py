"""S20: bad input costs at most one log record, and brings no control characters into it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from framework import web
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
    return not any(ord(character) < 32 or ord(character) == 127 for character in text)


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
    await Driver.http(app, "POST", ODD, headers=HEADERS, body=b"{\x1b").run()
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
