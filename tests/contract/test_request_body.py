"""Reading a request body: whether there is one, as bytes, text and form, in pieces, and its limit."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from multidict import MultiDictProxy

from tests.contract.asking import ask, observe
from tests.contract.backends import Backend, SocketBackend, exchange

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def limited(
    backend: Backend, limit: int | None, read: Callable[[Any], Awaitable[Any]], **options: Any
) -> httpx.Response:
    """The answer of an application with `client_max_size=limit` that echoes the length of what it read."""
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(text=str(len(await read(request))))

    app = web.Application(client_max_size=limit)
    app.router.add_route("*", "/", handler)
    async with backend.client(app) as client:
        return await client.post("/", **options)


# --- Is there a body ------------------------------------------------------------------------------


def presence(request: Any) -> tuple[Any, ...]:
    with pytest.warns(DeprecationWarning, match="can_read_body"):
        has_body = request.has_body
    return request.content_length, request.body_exists, request.can_read_body, has_body


async def test_no_body(backend: Backend) -> None:
    assert await observe(backend, presence) == (None, False, False, False)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_body_with_length(backend: Backend, method: str) -> None:
    assert await observe(backend, presence, method, content=b"abc") == (3, True, True, True)


async def test_empty_body_with_length(backend: Backend) -> None:
    assert await observe(backend, presence, "POST", content=b"") == (0, False, False, False)


async def test_body_without_length(backend: Backend) -> None:
    assert await observe(backend, presence, "POST", content=pieces(b"a", b"b")) == (None, True, True, True)


async def test_body_that_was_read(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.read()
        return presence(request)

    assert await observe(backend, look, "POST", content=b"abc") == (3, True, False, False)


@pytest.mark.parametrize("length", [b"-1", b"+5", b"1_0", b"abc"])
async def test_malformed_content_length_is_refused(socket_backend: SocketBackend, length: bytes) -> None:
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.append(request)
        return socket_backend.web.Response()

    app = socket_backend.web.Application()
    app.router.add_post("/", handler)
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\nConnection: close\r\n\r\nhello" % length
    async with socket_backend.serve(app) as address:
        received = await exchange(address, request)
    assert received.split(b" ")[1] == b"400"
    assert not seen


# --- read() and text() ----------------------------------------------------------------------------


async def test_read(backend: Backend) -> None:
    body = await observe(backend, lambda request: request.read(), "POST", content=b"a\0\xff")
    assert body == b"a\0\xff"
    assert type(body) is bytes


async def test_read_of_no_body_is_empty(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.read()) == b""


async def test_read_of_pieces(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.read(), "POST", content=pieces(b"ab", b"", b"c")) == b"abc"


async def test_read_twice_gives_the_same_object(backend: Backend) -> None:
    async def look(request: Any) -> bool:
        return await request.read() is await request.read()

    assert await observe(backend, look, "POST", content=b"abc")


async def test_text_is_utf8_by_default(backend: Backend) -> None:
    async def look(request: Any) -> tuple[str, str]:
        return await request.text(), await request.text()

    assert await observe(backend, look, "POST", content="жé".encode()) == ("жé", "жé")


async def test_text_of_no_body_is_empty(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.text()) == ""


async def test_text_follows_the_charset(backend: Backend) -> None:
    headers = {"Content-Type": "text/plain; charset=latin-1"}
    assert await observe(backend, lambda request: request.text(), "POST", content=b"\xe9", headers=headers) == "é"


async def test_text_that_is_not_in_its_charset(backend: Backend) -> None:
    with pytest.raises(UnicodeDecodeError):
        await observe(backend, lambda request: request.text(), "POST", content=b"\xff")


@pytest.mark.parametrize("charset", ["nope", "hex"])
async def test_text_with_a_charset_that_is_none(backend: Backend, charset: str) -> None:
    headers = {"Content-Type": f"text/plain; charset={charset}"}
    with pytest.raises(LookupError):
        await observe(backend, lambda request: request.text(), "POST", content=b"x", headers=headers)


async def test_text_keeps_a_byte_order_mark(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.text(), "POST", content=b"\xef\xbb\xbfx") == "\ufeffx"


async def test_read_after_text_and_json(backend: Backend) -> None:
    async def look(request: Any) -> tuple[Any, ...]:
        return await request.text(), await request.json(), await request.read()

    assert await observe(backend, look, "POST", content=b"[1]") == ("[1]", [1], b"[1]")


async def test_release_discards_the_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.release()
        return await request.read(), request.content.at_eof()

    assert await observe(backend, look, "POST", content=b"x" * 100) == (b"", True)


async def test_large_body_in_pieces(backend: Backend) -> None:
    chunks = [bytes([number]) * 10_000 for number in range(50)]
    body = await observe(backend, lambda request: request.read(), "POST", content=pieces(*chunks))
    assert body == b"".join(chunks)


async def test_chunked_transfer_coding_is_decoded(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(body=await request.read())

    app = socket_backend.web.Application()
    app.router.add_post("/", handler)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    async with socket_backend.serve(app) as address:
        received = await exchange(address, head + b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n")
    assert received.endswith(b"\r\n\r\nabcde")


async def test_unread_body_does_not_disturb_the_next_request(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(text=request.path)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with backend.client(app) as client:
        assert (await client.post("/1", content=b"x" * 100_000)).text == "/1"
        assert (await client.post("/2", content=pieces(b"x" * 1000, b"y"))).text == "/2"
        assert (await client.get("/3")).text == "/3"


# --- content, the stream --------------------------------------------------------------------------


async def test_content_read_in_parts(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        content = request.content
        parts = await content.read(2), await content.readline(), await content.read()
        return *parts, content.at_eof(), await content.read()

    assert await observe(backend, look, "POST", content=b"abc\ndef") == (b"ab", b"c\n", b"def", True, b"")


async def test_content_iterates_over_lines(backend: Backend) -> None:
    async def look(request: Any) -> list[bytes]:
        return [line async for line in request.content]

    assert await observe(backend, look, "POST", content=b"abc\n\ndef") == [b"abc\n", b"\n", b"def"]


async def test_content_iter_chunked(backend: Backend) -> None:
    async def look(request: Any) -> list[bytes]:
        return [chunk async for chunk in request.content.iter_chunked(2)]

    assert await observe(backend, look, "POST", content=b"abcde") == [b"ab", b"cd", b"e"]


async def test_content_iter_any(backend: Backend) -> None:
    async def look(request: Any) -> bytes:
        return b"".join([chunk async for chunk in request.content.iter_any()])

    assert await observe(backend, look, "POST", content=pieces(b"ab", b"c")) == b"abc"


async def test_content_readexactly_and_readany(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await request.content.readexactly(3), await request.content.readany(), await request.content.readany()

    assert await observe(backend, look, "POST", content=b"abcde") == (b"abc", b"de", b"")


async def test_content_readexactly_past_the_end(backend: Backend) -> None:
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await observe(backend, lambda request: request.content.readexactly(9), "POST", content=b"abcde")
    assert (caught.value.partial, caught.value.expected) == (b"abcde", 9)


async def test_content_of_no_body_is_at_its_end(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return request.content.at_eof(), await request.content.read(), await request.content.readline()

    assert await observe(backend, look) == (True, b"", b"")


async def test_read_after_part_of_content_gives_the_rest(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await request.content.read(1), await request.read()

    assert await observe(backend, look, "POST", content=b"abc") == (b"a", b"bc")


async def test_handler_reads_while_the_client_writes(socket_backend: SocketBackend) -> None:
    web = socket_backend.web
    first = asyncio.Event()

    async def handler(request: Any) -> Any:
        head = await request.content.readexactly(2)
        first.set()
        return web.Response(body=head + await request.content.read())

    app = web.Application()
    app.router.add_post("/", handler)
    async with socket_backend.serve(app) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab")
        await asyncio.wait_for(first.wait(), 10)
        writer.write(b"cd")
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert received.endswith(b"\r\n\r\nabcd")


# --- post(): urlencoded forms ---------------------------------------------------------------------


async def form_items(request: Any) -> list[tuple[str, str]]:
    return list((await request.post()).items())


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"a=1&b=2", [("a", "1"), ("b", "2")]),
        (b"a=1&a=2", [("a", "1"), ("a", "2")]),
        (b"b=&c", [("b", ""), ("c", "")]),
        (b"d=x+y%2Bz", [("d", "x y+z")]),
        (b"", []),
        (b"&&a=1&", [("a", "1")]),
        (b"=x", [("", "x")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a%3Db=%26", [("a=b", "&")]),
        (b"%C3%A9=%D0%B6", [("é", "ж")]),
        ("é=ж".encode(), [("é", "ж")]),
        (b"a=%FF", [("a", "\ufffd")]),
        (b"a=1\r\n", [("a", "1")]),
        (b" a = 1", [(" a ", " 1")]),
    ],
)
async def test_post_of_a_form(backend: Backend, body: bytes, items: list[tuple[str, str]]) -> None:
    assert await observe(backend, form_items, "POST", content=body, headers=FORM) == items


async def test_post_is_a_multidict_and_cached(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await request.post(), await request.post()

    first, second = await observe(backend, look, "POST", data={"a": ["1", "2"]})
    assert isinstance(first, MultiDictProxy)
    assert first is second
    assert first.getall("a") == ["1", "2"]


async def test_post_follows_the_charset(backend: Backend) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=latin-1"}
    assert await observe(backend, form_items, "POST", content=b"a=%E9&b=\xe9", headers=headers) == [
        ("a", "é"),
        ("b", "é"),
    ]


async def test_post_with_raw_bytes_outside_the_charset(backend: Backend) -> None:
    with pytest.raises(UnicodeDecodeError):
        await observe(backend, form_items, "POST", content=b"a=\xff", headers=FORM)


async def test_post_without_content_type_is_empty(backend: Backend) -> None:
    assert await observe(backend, form_items, "POST", content=b"a=1") == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
async def test_post_of_another_content_type_is_empty(backend: Backend, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert await observe(backend, form_items, "POST", content=b"a=1", headers=headers) == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
async def test_post_reads_the_form_of_other_methods(backend: Backend, method: str) -> None:
    assert await observe(backend, form_items, method, content=b"a=1", headers=FORM) == [("a", "1")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_post_is_empty_for_methods_without_forms(backend: Backend, method: str) -> None:
    assert await observe(backend, form_items, method, content=b"a=1", headers=FORM) == []


async def test_post_and_read_together(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await form_items(request), await request.read(), await request.text()

    assert await observe(backend, look, "POST", content=b"a=1", headers=FORM) == ([("a", "1")], b"a=1", "a=1")


async def test_read_then_post(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await request.read(), await form_items(request)

    assert await observe(backend, look, "POST", content=b"a=1", headers=FORM) == (b"a=1", [("a", "1")])


async def test_form_of_a_thousand_fields(backend: Backend) -> None:
    body = b"&".join(b"a%d=1" % number for number in range(1000))
    assert len(await observe(backend, form_items, "POST", content=body, headers=FORM)) == 1000


@pytest.mark.parametrize(
    "body", [b"&".join(b"a%d=1" % number for number in range(1001)), b"&" * 1001], ids=["fields", "separators"]
)
async def test_form_of_more_fields_than_allowed(backend: Backend, body: bytes) -> None:
    async def handler(request: Any) -> Any:
        await request.post()
        return backend.web.Response()

    response = await ask(backend, handler, "POST", content=body, headers=FORM)
    assert response.status_code == 413
    assert response.text == "Maximum number of form fields 1000 exceeded."


# --- The limit ------------------------------------------------------------------------------------


async def test_body_of_exactly_the_limit(backend: Backend) -> None:
    assert (await limited(backend, 3, lambda request: request.read(), content=b"abc")).text == "3"


@pytest.mark.parametrize("method", ["read", "text", "json", "post"])
async def test_body_over_the_limit(backend: Backend, method: str) -> None:
    response = await limited(backend, 3, lambda request: getattr(request, method)(), content=b"[10]", headers=FORM)
    assert response.status_code == 413
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.text == "Maximum request body size 3 exceeded."


async def test_body_without_length_over_the_limit(backend: Backend) -> None:
    response = await limited(backend, 3, lambda request: request.read(), content=pieces(b"ab", b"cd"))
    assert (response.status_code, response.text) == (413, "Maximum request body size 3 exceeded.")


async def test_default_limit(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.Response(text=str(len(await request.read())))

    app = backend.web.Application()
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        exact = await client.post("/", content=b"a" * 1024**2)
        over = await client.post("/", content=b"a" * (1024**2 + 1))
    assert (exact.status_code, exact.text) == (200, "1048576")
    assert (over.status_code, over.text) == (413, "Maximum request body size 1048576 exceeded.")


@pytest.mark.parametrize("limit", [0, None])
async def test_no_limit(backend: Backend, limit: int | None) -> None:
    response = await limited(backend, limit, lambda request: request.read(), content=b"a" * 2_000_000)
    assert (response.status_code, response.text) == (200, "2000000")


@pytest.mark.parametrize("limit", [0, None])
@pytest.mark.parametrize("method", ["read", "text", "json", "post"])
async def test_no_limit_for_a_small_body(backend: Backend, limit: int | None, method: str) -> None:
    response = await limited(backend, limit, lambda request: getattr(request, method)(), content=b"[1]", headers=FORM)
    assert response.status_code == 200


async def test_limit_does_not_bound_the_stream(backend: Backend) -> None:
    assert (await limited(backend, 3, lambda request: request.content.read(), content=b"abcd")).text == "4"


async def test_limit_of_a_clone(backend: Backend) -> None:
    with pytest.raises(backend.web.HTTPRequestEntityTooLarge):
        await observe(backend, lambda request: request.clone(client_max_size=2).read(), "POST", content=b"abc")


async def test_limit_error_can_be_caught(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        try:
            await request.read()
        except web.HTTPRequestEntityTooLarge as exc:
            return web.Response(text=f"{exc.status} {exc.reason}: {exc.text}", status=400)

    response = await ask(backend, handler, "POST", content=b"a" * (1024**2 + 1))
    assert response.text == "413 Request Entity Too Large: Maximum request body size 1048576 exceeded."


async def test_limit_of_the_outer_application_counts_in_a_sub_application(backend: Backend) -> None:
    web = backend.web
    seen: list[int] = []

    async def handler(request: Any) -> Any:
        seen.append(request.client_max_size)
        return web.Response(text=await request.text())

    app, sub = web.Application(client_max_size=3), web.Application(client_max_size=100)
    sub.router.add_post("/", handler)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        response = await client.post("/sub/", content=b"abcd")
    assert (response.status_code, seen) == (413, [3])


# --- The client leaves ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda request: request.read(),
        lambda request: request.text(),
        lambda request: request.json(),
        lambda request: request.post(),
        lambda request: request.release(),
        lambda request: request.content.read(),
        lambda request: request.content.readline(),
        lambda request: request.content.readexactly(10),
    ],
    ids=["read", "text", "json", "post", "release", "content.read", "content.readline", "content.readexactly"],
)
async def test_client_that_leaves_is_a_connection_reset_error(socket_backend: SocketBackend, read: Any) -> None:
    errors: list[Exception] = []
    started, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: Any) -> Any:
        started.set()
        try:
            await read(request)
        except Exception as exc:
            errors.append(exc)
        finally:
            ended.set()
        return socket_backend.web.Response()

    app = socket_backend.web.Application()
    app.router.add_post("/", handler)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nContent-Type: %b\r\n\r\n"
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(10):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(head % FORM["Content-Type"].encode() + b"abc")
        await started.wait()
        writer.transport.abort()
        await ended.wait()
    (error,) = errors
    assert isinstance(error, ConnectionResetError)


async def test_100_continue_is_sent_for_a_handler_that_reads(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(body=await request.read())

    app = socket_backend.web.Application()
    app.router.add_post("/", handler)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.read()).endswith(b"\r\n\r\nabc")
        writer.close()
        await writer.wait_closed()


# --- Content codings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", gzip.compress(b"hello", mtime=0)), ("deflate", zlib.compress(b"hello")), ("x-none", b"hello")],
    ids=["gzip", "deflate", "unknown"],
)
async def test_content_coding_is_undone(backend: Backend, coding: str, body: bytes) -> None:
    headers = {"Content-Encoding": coding}
    assert await observe(backend, lambda r: r.read(), "POST", content=body, headers=headers) == b"hello"


async def test_limit_counts_decoded_bytes(backend: Backend) -> None:
    body = gzip.compress(b"a" * 100_000)
    headers = {"Content-Encoding": "gzip"}
    response = await limited(backend, 50_000, lambda request: request.read(), content=body, headers=headers)
    assert len(body) < 50_000
    assert response.status_code == 413
