"""The headers that a response keeps: media type, length, dates, entity tags, and what may stand in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import Backend, SocketBackend, exchange

web = modules.web

# --- Content-Type ---------------------------------------------------------------------------------


def test_content_type_setter_keeps_the_charset(web: Any) -> None:
    response = web.Response(text="x")
    response.content_type = "text/html"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.content_type == "text/html"


def test_charset_setter(web: Any) -> None:
    response = web.Response(body=b"x", content_type="text/plain")
    response.charset = "ISO-8859-1"
    assert response.headers["Content-Type"] == "text/plain; charset=iso-8859-1"
    response.charset = None
    assert response.headers["Content-Type"] == "text/plain"
    assert response.charset is None


def test_charset_of_an_octet_stream(web: Any) -> None:
    with pytest.raises(RuntimeError, match="Setting charset for application/octet-stream doesn't make sense"):
        web.Response().charset = "utf-8"


def test_content_type_header_is_read_back(web: Any) -> None:
    response = web.Response()
    response.headers["Content-Type"] = "TEXT/HTML; charset=KOI8-R; x=y"
    assert (response.content_type, response.charset) == ("text/html", "KOI8-R")


def test_content_type_header_keeps_other_parameters(web: Any) -> None:
    response = web.Response(body=b"", headers={"Content-Type": "multipart/mixed; boundary=abc"})
    assert response.headers["Content-Type"] == "multipart/mixed; boundary=abc"
    assert response.content_type == "multipart/mixed"


async def test_header_set_after_construction_is_sent(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text="<p>")
        response.content_type = "text/html"
        response.headers["X-Later"] = "1"
        response.headers["CONTENT-LANGUAGE"] = "en"
        return response

    response = await ask(backend, handler)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (response.headers["X-Later"], response.headers["Content-Language"]) == ("1", "en")


async def test_deleted_content_type_is_an_octet_stream(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text="x")
        del response.headers["Content-Type"]
        return response

    response = await ask(backend, handler)
    assert response.headers["Content-Type"] == "application/octet-stream"


# --- Content-Length -------------------------------------------------------------------------------


def test_content_length_setter_of_a_stream(web: Any) -> None:
    response = web.StreamResponse()
    assert response.content_length is None
    response.content_length = 5
    assert (response.content_length, response.headers["Content-Length"]) == (5, "5")
    response.content_length = None
    assert response.content_length is None
    assert "Content-Length" not in response.headers


def test_content_length_and_chunked_exclude_each_other(web: Any) -> None:
    response = web.StreamResponse()
    response.content_length = 5
    with pytest.raises(RuntimeError, match="You can't enable chunked encoding when a content length is set"):
        response.enable_chunked_encoding()
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    with pytest.raises(RuntimeError, match="You can't set content length when chunked encoding is enable"):
        response.content_length = 5


# --- Last-Modified --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "header"),
    [
        (datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), "Thu, 02 Jan 2020 03:04:05 GMT"),
        (datetime.fromisoformat("2020-01-02T03:04:05"), "Thu, 02 Jan 2020 03:04:05 GMT"),
        (datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "Thu, 02 Jan 2020 01:04:05 GMT"),
        ("Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1.5, "Thu, 01 Jan 1970 00:00:02 GMT"),
    ],
    ids=["aware", "naive", "other zone", "str", "int", "float rounds up"],
)
def test_last_modified(web: Any, value: Any, header: str) -> None:
    response = web.Response()
    response.last_modified = value
    assert response.headers["Last-Modified"] == header
    assert response.last_modified == datetime.strptime(header, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert response.last_modified.tzinfo is UTC


def test_last_modified_none_removes_it(web: Any) -> None:
    response = web.Response()
    assert response.last_modified is None
    response.last_modified = 0
    response.last_modified = None
    assert response.last_modified is None
    assert "Last-Modified" not in response.headers


def test_last_modified_that_is_no_date_reads_as_none(web: Any) -> None:
    assert web.Response(headers={"Last-Modified": "yesterday"}).last_modified is None


@pytest.mark.parametrize("value", [b"x", []])
def test_last_modified_of_another_type(web: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported type for last_modified"):
        web.Response().last_modified = value


# --- ETag -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "header"), [("a", '"a"'), ("ü", '"ü"'), ("*", "*")])
def test_etag_of_a_str(web: Any, value: str, header: str) -> None:
    response = web.Response()
    response.etag = value
    assert response.headers["ETag"] == header
    assert (response.etag.value, response.etag.is_weak) == (value, False)


async def test_etag_of_an_etag_of_the_request(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        strong, weak = request.if_none_match
        response = backend.web.Response()
        response.etag = strong
        response.headers["X-Strong"] = response.headers["ETag"]
        response.etag = weak
        return response

    response = await ask(backend, handler, headers={"If-None-Match": '"a", W/"b"'})
    assert (response.headers["X-Strong"], response.headers["ETag"]) == ('"a"', 'W/"b"')


def test_etag_none_removes_it(web: Any) -> None:
    response = web.Response()
    assert response.etag is None
    response.etag = "a"
    response.etag = None
    assert response.etag is None
    assert "ETag" not in response.headers


@pytest.mark.parametrize("value", ['a"b', "a b", "a\n", ""])
def test_etag_with_a_bad_character(web: Any, value: str) -> None:
    with pytest.raises(ValueError, match="is not a valid etag"):
        web.Response().etag = value


@pytest.mark.parametrize("value", [1, b"x"])
def test_etag_of_another_type(web: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="Unsupported etag type"):
        web.Response().etag = value


@pytest.mark.parametrize(
    ("header", "expected"), [('"a"', ("a", False)), ('W/"a"', ("a", True)), ("*", ("*", False)), ("garbage", None)]
)
def test_etag_of_the_header(web: Any, header: str, expected: tuple[str, bool] | None) -> None:
    etag = web.Response(headers={"ETag": header}).etag
    assert (None if etag is None else (etag.value, etag.is_weak)) == expected


# --- Any header -----------------------------------------------------------------------------------


async def test_repeated_headers_are_sent_apart(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(headers=[("X-A", "1"), ("X-A", "2")])
        response.headers.add("X-A", "3")
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    response = await ask(backend, handler)
    assert response.headers.get_list("X-A") == ["1", "2", "3"]
    assert response.headers.get_list("Set-Cookie") == ["a=1", "b=2"]


async def test_header_value_is_sent_as_utf8(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.Response(headers={"X-Text": "é€"})

    response = await ask(backend, handler)
    assert dict(response.headers.raw)[b"X-Text" if backend.name == "aiohttp" else b"x-text"] == "é€".encode()


async def test_header_is_sent_once(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(headers={"X-First": "1", "Cache-Control": "no-store"})

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as address:
        received = await exchange(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    head = received.lower()
    assert head.count(b"\r\nx-first: 1\r\n") == 1
    assert head.count(b"\r\ncache-control: no-store\r\n") == 1


INJECTIONS = {
    "header value": lambda web: web.Response(headers={"X-A": "x\r\nX-Evil: 1"}),
    "header name": lambda web: web.Response(headers={"X-A: x\r\nX-Evil": "1"}),
    "lone LF": lambda web: web.Response(headers={"X-A": "x\nX-Evil: 1"}),
    "reason": lambda web: web.Response(reason="OK\r\nX-Evil: 1"),
    "location": lambda web: web.HTTPFound("/\r\nX-Evil: 1"),
    "content type": lambda web: web.Response(body=b"", content_type="a/b\r\nX-Evil: 1"),
    "cookie": lambda web: with_cookie(web, "a", "x\r\nX-Evil: 1"),
    "cookie path": lambda web: with_cookie(web, "a", "x", path="/\r\nX-Evil: 1"),
    "cookie name": lambda web: with_cookie(web, "a\r\nX-Evil", "1"),
}


def with_cookie(web: Any, name: str, value: str, **attributes: Any) -> Any:
    response = web.Response()
    response.set_cookie(name, value, **attributes)
    return response


@pytest.mark.parametrize("place", INJECTIONS)
async def test_s08_no_line_break_reaches_the_client(socket_backend: SocketBackend, place: str) -> None:
    """aiohttp drops the connection for some of these, framework refuses the value when it is set."""
    web = socket_backend.web

    async def handler(request: Any) -> Any:
        response = INJECTIONS[place](web)
        if isinstance(response, web.HTTPException):
            raise response
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as address:
        received = await exchange(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    lines = received.replace(b"\r", b"\n").split(b"\n")
    assert not any(line.lower().startswith(b"x-evil") for line in lines)
