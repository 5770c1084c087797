"""S36: no header of a client makes a 500 of a handler that reads what requests have."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from framework import web
from framework.requests import BaseRequest, Request
from tests.driver import Driver

#: Every property there is, but those that say they have nothing to give.
PROPERTIES = sorted(
    name
    for name in dir(Request)
    if not name.startswith("_")
    and name not in {"protocol", "writer"}
    and not callable(inspect.getattr_static(Request, name))
)


async def read_everything(request: web.Request) -> web.Response:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in PROPERTIES:
            try:
                getattr(request, name)
            except ValueError:
                # aiohttp documents it for this one.
                if name != "http_range":
                    raise
    for read in (request.read, request.text, request.post, request.release, request.is_disconnected):
        await read()
    repr(request)
    return web.Response(text="hi")


def app_that_reads() -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", read_everything)
    return app


def test_s36_the_properties_are_all_there() -> None:
    assert {"url", "cookies", "http_range", "if_match", "forwarded", "content_type", "match_info"} <= set(PROPERTIES)
    assert len(PROPERTIES) > 40
    assert issubclass(Request, BaseRequest)


NAMES = [
    b"host", b"cookie", b"content-type", b"content-length", b"content-encoding", b"content-disposition", b"range",
    b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"forwarded", b"accept",
    b"accept-encoding", b"accept-language", b"accept-charset", b"expect", b"connection", b"authorization", b"upgrade",
    b"transfer-encoding", b"te", b"trailer", b"referer", b"user-agent", b"origin", b"x-\xff", b"", b"date",
]  # fmt: skip
#: Pieces that mean something in some header, so that values come near to being valid.
PIECES = [
    b"bytes=", b"0-", b"-", b"1", b"9999999999999999999999", b",", b";", b"=", b'"', b"W/", b"*", b"\\", b"/", b":",
    b" ", b"text/html", b"charset=", b"utf-8", b"boundary=", b"application/x-www-form-urlencoded",
    b"multipart/form-data",
    b"for=", b"proto=", b"Mon, 01 Jan 2024 00:00:00 GMT", b"31 Feb", b"99:99:99", b"gzip", b"deflate", b"chunked",
    b"100-continue", b"close", b"keep-alive", b"[::1]", b"example.com", b"%00", b"\xff", b"\x00", b"\r\n", b"\xc3\xbc",
    b"expires", b"$Version", b"__Host-", b"idna", b"unicode_escape", b"utf-16", b"\xed\xa0\x80", b"?", b"#", b"@",
]  # fmt: skip

values = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join) | st.binary(max_size=12)
headers = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=5)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    headers=headers,
    method=st.sampled_from(["GET", "POST", "HEAD"]),
    version=st.sampled_from(["1.0", "1.1", "2", "3"]),
    body=st.sampled_from([b"", b"a=b", b"\xff", b"%", b"\x1f\x8b"]),
)
@example(headers=[(b"content-type", b"text/plain; charset=\x00")], method="POST", version="1.1", body=b"a")
@example(headers=[(b"content-length", b"9" * 5000)], method="POST", version="1.1", body=b"a")
@example(headers=[(b"range", b"bytes=" + b"9" * 5000 + b"-")], method="GET", version="1.1", body=b"")
@example(headers=[(b"host", b"[::1"), (b"forwarded", b'for="')], method="GET", version="1.1", body=b"")
def test_s36_no_header_makes_a_500(headers: Any, method: str, version: str, body: bytes) -> None:
    driver = Driver.http(app_that_reads(), method, headers=headers, body=body, http_version=version)
    asyncio.run(driver.run())
    assert driver.status < 500


@pytest.mark.parametrize("name", NAMES)
def test_s36_each_header_with_each_piece(name: bytes) -> None:
    app = app_that_reads()
    for piece in PIECES:
        for value in (piece, piece * 2, piece + b"=" + piece, b"\xff" + piece):
            driver = Driver.http(app, "POST", headers=[(name, value)], body=b"a=b")
            asyncio.run(driver.run())
            assert driver.status < 500, value


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    raw_path=st.lists(
        st.sampled_from([b"/", b"%", b"%2F", b"%ff", b"\xff", b"\x00", b"?", b"#", b"a", b"..", b"\\", b"%C3"]),
        max_size=6,
    ),
    query=st.lists(
        st.sampled_from([b"a", b"=", b"&", b"%", b"%ff", b"\xff", b"+", b";", b"#", b"?", b"\x00"]), max_size=6
    ),
)
def test_s36_no_target_makes_a_500(raw_path: list[bytes], query: list[bytes]) -> None:
    raw = b"/" + b"".join(raw_path)
    path = raw.decode("utf-8", "replace")
    driver = Driver.http(app_that_reads(), raw_path=raw, path=path, query_string=b"".join(query))
    asyncio.run(driver.run())
    assert driver.status < 500


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b"200-ok", b"\xff", b""])
async def test_s36_expect(value: bytes) -> None:
    driver = await Driver.http(app_that_reads(), "POST", headers=[(b"expect", value)]).run()
    assert driver.status < 500


async def test_s36_an_error_that_quotes_octets_which_are_no_text() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.RequestPayloadError("odd: \udcff")

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert (driver.status, driver.body) == (400, rb"400: Bad Request: odd: \udcff")
