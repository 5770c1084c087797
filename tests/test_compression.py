"""Compressed responses, by the messages that are sent."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from framework import web
from framework.sansio.codings import ContentDecoder
from tests.driver import Driver

TEXT = "Analytical Engine. " * 100


async def ask(handler: Any, accept: str | None = "gzip", method: str = "GET", **scope: Any) -> Driver:
    app = web.Application()
    app.router.add_route("*", "/", handler)
    headers = [(b"host", b"example.com")]
    if accept is not None:
        headers.append((b"accept-encoding", accept.encode()))
    return await Driver.http(app, method, headers=headers, **scope).run()


def decoded(driver: Driver) -> bytes:
    coding = driver.headers.get(b"content-encoding")
    if coding is None:
        return driver.body
    decoder = ContentDecoder(coding.decode())
    body = b"".join(decoder.decode(driver.body))
    decoder.finish()
    return body


async def compressed(request: web.Request) -> web.Response:
    response = web.Response(text=TEXT)
    response.enable_compression()
    return response


@pytest.mark.parametrize(
    ("accept", "coding"),
    [("gzip", b"gzip"), ("deflate, gzip", b"deflate"), ("gzip, br", b"br"), ("gzip, br;q=0.9, zstd;q=0.1", b"gzip")],
)
async def test_negotiated(accept: str, coding: bytes) -> None:
    driver = await ask(compressed, accept)
    assert driver.headers[b"content-encoding"] == coding
    assert driver.headers[b"vary"] == b"Accept-Encoding"
    assert driver.headers[b"content-length"] == str(len(driver.body)).encode()
    assert decoded(driver) == TEXT.encode()


@pytest.mark.parametrize("accept", [None, "", "identity", "gzip;q=0", "compress", "identity, gzip;q=0.5"])
async def test_s31_an_answer_without_a_coding_varies_too(accept: str | None) -> None:
    driver = await ask(compressed, accept)
    assert b"content-encoding" not in driver.headers
    assert driver.headers[b"vary"] == b"Accept-Encoding"
    assert driver.body == TEXT.encode()


async def test_forced() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=TEXT)
        response.enable_compression(web.ContentCoding.br)
        return response

    driver = await ask(handler, None)
    assert driver.headers[b"content-encoding"] == b"br"
    assert decoded(driver) == TEXT.encode()
    assert b"vary" not in driver.headers


async def test_a_stream() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_compression()
        response.content_length = 30000
        await response.prepare(request)
        for piece in (b"a" * 10000, bytearray(b"b" * 10000), memoryview(b"c" * 9999)):
            await response.write(piece)
        await response.write_eof(b"d")
        return response

    driver = await ask(handler)
    assert b"content-length" not in driver.headers
    assert gzip.decompress(driver.body) == b"a" * 10000 + b"b" * 10000 + b"c" * 9999 + b"d"


async def test_an_iterable_body() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async def handler(request: web.Request) -> web.Response:
        response = web.Response(body=body())
        response.enable_compression()
        return response

    driver = await ask(handler)
    assert gzip.decompress(driver.body) == b"one two"


async def test_head_has_the_headers_of_a_get() -> None:
    get, head = await ask(compressed), await ask(compressed, method="HEAD")
    assert head.headers == get.headers
    assert head.body == b""


async def test_never_twice() -> None:
    body = gzip.compress(TEXT.encode())

    async def handler(request: web.Request) -> web.Response:
        response = web.Response(body=body, headers={"Content-Encoding": "gzip"})
        response.enable_compression(web.ContentCoding.deflate)
        return response

    driver = await ask(handler)
    assert driver.headers[b"content-encoding"] == b"gzip"
    assert driver.body == body


@pytest.mark.parametrize("status", [204, 304])
async def test_nothing_to_compress(status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(status=status)
        response.enable_compression()
        return response

    driver = await ask(handler)
    assert b"content-encoding" not in driver.headers


async def test_a_part_of_a_file_is_left_alone() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(status=206, body=b"abc", headers={"Content-Range": "bytes 0-2/9"})
        response.enable_compression()
        return response

    driver = await ask(handler)
    assert driver.body == b"abc"


async def test_a_strong_entity_tag_becomes_a_weak_one() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=TEXT)
        response.etag = "v1"
        response.enable_compression()
        return response

    driver = await ask(handler)
    assert driver.headers[b"etag"] == b'W/"v1"'


async def test_vary_is_added_to() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=TEXT, headers={"Vary": "Cookie"})
        response.enable_compression()
        return response

    driver = await ask(handler)
    assert driver.headers[b"vary"] == b"Cookie, Accept-Encoding"


async def test_switched_on_when_the_response_is_prepared() -> None:
    async def switch_on(request: web.Request, response: web.StreamResponse) -> None:
        response.enable_compression()

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=TEXT)

    app = web.Application()
    app.on_response_prepare.append(switch_on)
    app.router.add_get("/", handler)
    driver = await Driver.http(app, headers=[(b"accept-encoding", b"gzip")]).run()
    assert gzip.decompress(driver.body) == TEXT.encode()
    assert driver.headers[b"content-length"] == str(len(driver.body)).encode()


async def test_a_large_body_is_compressed_in_the_executor_of_choice() -> None:
    threads: set[str] = set()
    executor = ThreadPoolExecutor(1, initializer=lambda: threads.add(threading.current_thread().name))

    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=TEXT, zlib_executor_size=int(request.query["size"]), zlib_executor=executor)
        response.enable_compression()
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    headers = [(b"accept-encoding", b"gzip")]
    small = await Driver.http(app, target="/?size=100000", headers=headers).run()
    assert threads == set()
    large = await Driver.http(app, target="/?size=10", headers=headers).run()
    executor.shutdown()
    assert len(threads) == 1
    assert gzip.decompress(small.body) == gzip.decompress(large.body) == TEXT.encode()


async def test_zlib_s_strategy() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=TEXT)
        response.enable_compression(web.ContentCoding.deflate, zlib.Z_HUFFMAN_ONLY)
        return response

    driver = await ask(handler)
    assert zlib.decompress(driver.body) == TEXT.encode()
    assert len(driver.body) > len(zlib.compress(TEXT.encode()))


async def test_bad_use() -> None:
    response = web.Response(text=TEXT)
    with pytest.raises(TypeError, match=r"web\.ContentCoding"):
        response.enable_compression("gzip")  # type: ignore[arg-type]
    with pytest.warns(DeprecationWarning, match="boolean"):
        response.enable_compression(True)
    driver = Driver.http(None)
    request = web.Request(driver.scope, driver.receive, driver.send)
    await response.prepare(request)
    with pytest.warns(RuntimeWarning, match="no effect"):
        response.enable_compression()
    request.finish()
