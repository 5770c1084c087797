"""enable_compression(): which coding is chosen, what is compressed, and the headers that go with it."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import brotli  # type: ignore[import-untyped]
import httpx
import pytest

from tests.contract import modules
from tests.contract.backends import PATIENCE, Backend, SocketBackend, exchange

web = modules.web

TEXT = "hello " * 100


class Received(NamedTuple):
    """An answer as it stands on the wire."""

    status: int
    headers: httpx.Headers
    raw: bytes

    @property
    def coding(self) -> str | None:
        coding: str | None = self.headers.get("Content-Encoding")
        return coding

    @property
    def body(self) -> bytes:
        """The body with its coding undone."""
        undo: dict[str | None, Callable[[bytes], bytes]] = {
            None: bytes,
            "gzip": gzip.decompress,
            "deflate": zlib.decompress,
            "br": brotli.decompress,
        }
        return undo[self.coding](self.raw)


Handler = Callable[[Any], Awaitable[Any]]


async def fetch(
    backend: Backend,
    handler: Handler,
    accept: str | None = "gzip",
    method: str = "GET",
    set_up: Callable[[Any], None] = lambda app: None,
) -> Received:
    """The answer to a client that sends `accept` as its Accept-Encoding, not decoded."""
    app = backend.web.Application()
    app.router.add_route("*", "/", handler)
    set_up(app)
    async with backend.client(app) as client:
        request = client.build_request(method, "/", headers={"Accept-Encoding": accept or ""})
        if accept is None:
            del request.headers["Accept-Encoding"]
        response = await client.send(request, stream=True)
        return Received(response.status_code, response.headers, b"".join([part async for part in response.aiter_raw()]))


async def compressed(
    backend: Backend,
    accept: str | None = "gzip",
    method: str = "GET",
    *,
    force: str | None = None,
    make: Callable[[], Any] | None = None,
    **arguments: Any,
) -> Received:
    """The answer to a handler that compresses `Response(**arguments)`, by default one of `TEXT`."""
    web = backend.web

    async def handler(request: Any) -> Any:
        response = make() if make else web.Response(**(arguments or {"text": TEXT}))
        if force is None:
            response.enable_compression()
        else:
            response.enable_compression(web.ContentCoding[force])
        return response

    return await fetch(backend, handler, accept, method)


async def streamed(
    backend: Backend,
    *data: bytes | bytearray | memoryview,
    accept: str | None = "gzip",
    method: str = "GET",
    notes: list[Any] | None = None,
    **arguments: Any,
) -> Received:
    """The answer to a handler that compresses a `StreamResponse` and writes the data."""

    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse(**arguments)
        response.enable_compression()
        await response.prepare(request)
        if notes is not None:
            notes.append((response.compression, response.chunked, response.content_length))
        for piece in data:
            await response.write(piece)
        return response

    return await fetch(backend, handler, accept, method)


# --- ContentCoding --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["deflate", "gzip", "identity"])
def test_content_coding(web: Any, name: str) -> None:
    coding = web.ContentCoding(name)
    assert coding is web.ContentCoding[name] is getattr(web.ContentCoding, name)
    assert (coding.name, coding.value) == (name, name)


def test_content_codings_in_order(web: Any) -> None:
    """`br` and `zstd` are additions."""
    assert [coding.value for coding in web.ContentCoding][:3] == ["deflate", "gzip", "identity"]


def test_content_coding_that_does_not_exist(web: Any) -> None:
    with pytest.raises(ValueError, match="compress"):
        web.ContentCoding("compress")


# --- Negotiation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate", "deflate"),
        ("deflate, gzip", "deflate"),
        ("gzip,deflate", "deflate"),
        ("identity, gzip", "gzip"),
        ("gzip;q=0.5, identity;q=0.1", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip;q=0.1, deflate;q=0.9", "deflate"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=abc", "gzip"),
        ("compress", None),
        ("identity", None),
        ("*;q=0", None),
        ("", None),
        (None, None),
    ],
)
async def test_coding_follows_accept_encoding(backend: Backend, accept: str | None, coding: str | None) -> None:
    received = await compressed(backend, accept)
    assert received.coding == coding
    assert received.body == TEXT.encode()


@pytest.mark.parametrize(
    ("accept", "theirs", "ours"),
    [
        ("gzip;q=0", "gzip", None),
        ("gzip;q=0, deflate;q=0.0", "deflate", None),
        ("gzip;q=1.0, deflate;q=0.5", "deflate", "gzip"),
        ("identity;q=1, gzip;q=0.5", "gzip", None),
        ("*;q=0.5, gzip;q=0, deflate;q=0, zstd;q=0", "deflate", "br"),
        ("br", None, "br"),
        ("br, gzip", "gzip", "br"),
        ("br;q=0.5, gzip", "gzip", "gzip"),
        ("not-gzip", "gzip", None),
        ("gzipped", "gzip", None),
    ],
)
async def test_weights_of_accept_encoding(backend: Backend, accept: str, theirs: str | None, ours: str | None) -> None:
    """aiohttp looks for the words `deflate` and `gzip` in the header; here RFC 9110, section 12.5.3, is followed."""
    received = await compressed(backend, accept)
    assert received.coding == (theirs if backend.name == "aiohttp" else ours)
    assert received.body == TEXT.encode()


async def test_any_coding(backend: Backend) -> None:
    """`*` is every coding the server has; aiohttp does not know it."""
    received = await compressed(backend, "*")
    assert (received.coding is None) == (backend.name == "aiohttp")


async def test_accept_encoding_in_two_lines(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        response = socket_backend.web.Response(text=TEXT)
        response.enable_compression()
        return response

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nAccept-Encoding: x\r\nConnection: close\r\n\r\n"
    async with socket_backend.serve(app) as address:
        received = await exchange(address, head)
    assert b"\r\ncontent-encoding: gzip\r\n" in received.lower()


@pytest.mark.parametrize(
    "accept",
    [",", ";", "gzip;", ";q=1", "q=1", "gzip;q=", "gzip;q=-1", "gzip;q=1e9", "gzip;q=\u0661", "gzip" + ",x" * 5000],
)
async def test_strange_accept_encoding(backend: Backend, accept: str) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression()
        return response

    app = backend.web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        response = await client.get("/", headers={b"Accept-Encoding": accept.encode()[:7000]})
    assert (response.status_code, response.text) == (200, TEXT)


@pytest.mark.parametrize("accept", ["gzip", "identity", None])
async def test_vary(backend: Backend, accept: str | None) -> None:
    """A negotiated answer says so; aiohttp's does not."""
    received = await compressed(backend, accept)
    assert received.headers.get("Vary") == (None if backend.name == "aiohttp" else "Accept-Encoding")


@pytest.mark.parametrize(
    ("vary", "ours"),
    [("Cookie", "Cookie, Accept-Encoding"), ("accept-encoding", "accept-encoding"), ("*", "*")],
)
async def test_vary_that_is_there_already(backend: Backend, vary: str, ours: str) -> None:
    received = await compressed(backend, text=TEXT, headers={"Vary": vary})
    assert received.headers["Vary"] == (vary if backend.name == "aiohttp" else ours)


# --- A coding that the program chooses ------------------------------------------------------------


@pytest.mark.parametrize("accept", ["br", "gzip;q=0, deflate;q=0", "", None])
@pytest.mark.parametrize("coding", ["deflate", "gzip"])
async def test_forced_coding(backend: Backend, coding: str, accept: str | None) -> None:
    """What the client accepts does not count, and there is nothing to vary."""
    received = await compressed(backend, accept, force=coding)
    assert received.coding == coding
    assert received.body == TEXT.encode()
    assert "Vary" not in received.headers


async def test_forced_identity(backend: Backend) -> None:
    received = await compressed(backend, force="identity")
    assert (received.coding, received.raw) == (None, TEXT.encode())
    assert received.headers["Content-Length"] == "600"


async def test_force_true_is_deprecated_and_means_deflate(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        with pytest.warns(DeprecationWarning, match="Using boolean for force is deprecated"):
            response.enable_compression(True)
        return response

    received = await fetch(backend, handler)
    assert (received.coding, received.body) == ("deflate", TEXT.encode())


async def test_force_false_is_deprecated_and_means_none(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        with pytest.warns(DeprecationWarning, match="Using boolean for force is deprecated"):
            response.enable_compression(False)
        return response

    received = await fetch(backend, handler)
    assert (received.coding, received.raw) == (None, TEXT.encode())
    assert "Vary" not in received.headers


@pytest.mark.parametrize("force", ["gzip", 1, object()])
def test_force_that_is_no_coding(web: Any, force: Any) -> None:
    with pytest.raises((TypeError, AssertionError), match="force"):
        web.Response(text=TEXT).enable_compression(force)


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_codings_with_a_library(web: Any, coding: str) -> None:
    """aiohttp sends none of them."""
    assert hasattr(web.ContentCoding, coding) == (web.__name__ != "aiohttp.web")


async def test_last_call_counts(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression(backend.web.ContentCoding.gzip)
        response.enable_compression(backend.web.ContentCoding.deflate)
        return response

    received = await fetch(backend, handler)
    assert (received.coding, received.body) == ("deflate", TEXT.encode())


async def test_force_is_taken_back(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression(backend.web.ContentCoding.gzip)
        response.enable_compression()
        return response

    assert (await fetch(backend, handler, accept="deflate")).coding == "deflate"


@pytest.mark.parametrize(
    "strategy", [None, zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]
)
async def test_strategy(backend: Backend, strategy: int | None) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression(strategy=strategy)
        return response

    received = await fetch(backend, handler)
    assert (received.coding, received.body) == ("gzip", TEXT.encode())


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_strategy_of_a_stream(backend: Backend, coding: str) -> None:
    """Huffman codes alone make more of a repetition than the default does."""
    web = backend.web
    sizes = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):

        async def handler(request: Any, strategy: int = strategy) -> Any:
            response = web.StreamResponse()
            response.enable_compression(web.ContentCoding[coding], strategy)
            await response.prepare(request)
            await response.write(TEXT.encode())
            return response

        received = await fetch(backend, handler)
        assert received.body == TEXT.encode()
        sizes.append(len(received.raw))
    assert sizes[0] < sizes[1]


async def test_strategy_that_is_none(backend: Backend) -> None:
    """ValueError where it is set; aiohttp notices when the first byte is compressed."""
    web = backend.web
    response = web.StreamResponse()
    if backend.name == "aiohttp":
        response.enable_compression(web.ContentCoding.gzip, 99)
    else:
        with pytest.raises(ValueError, match="strategy"):
            response.enable_compression(web.ContentCoding.gzip, 99)


# --- A response in one piece ----------------------------------------------------------------------


async def test_length_is_that_of_what_is_sent(backend: Backend) -> None:
    received = await compressed(backend)
    assert received.headers["Content-Length"] == str(len(received.raw))
    assert len(received.raw) < len(TEXT)
    assert "Transfer-Encoding" not in received.headers


async def test_content_type_stays(backend: Backend) -> None:
    assert (await compressed(backend)).headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "body", [b"x" * 100, bytearray(b"x" * 100), memoryview(b"x" * 100)], ids=["bytes", "bytearray", "memoryview"]
)
async def test_bytes(backend: Backend, body: Any) -> None:
    received = await compressed(backend, body=body)
    assert (received.coding, received.body) == ("gzip", b"x" * 100)


async def test_json(backend: Backend) -> None:
    received = await compressed(backend, make=lambda: backend.web.json_response({"a": "b" * 100}))
    assert received.coding == "gzip"
    assert json.loads(received.body) == {"a": "b" * 100}
    assert received.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("arguments", [{"text": ""}, {"body": b""}], ids=["text", "bytes"])
async def test_empty_body(backend: Backend, arguments: Any) -> None:
    received = await compressed(backend, **arguments)
    assert (received.coding, received.body) == ("gzip", b"")
    assert received.headers["Content-Length"] == str(len(received.raw))


@pytest.mark.parametrize("force", [None, "gzip"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 205])
async def test_empty_response_is_not_compressed(backend: Backend, status: int, method: str, force: str | None) -> None:
    """aiohttp has an AssertionError there and closes the connection without an answer."""
    if backend.name == "aiohttp":
        with pytest.raises(httpx.RemoteProtocolError):
            await compressed(backend, method=method, force=force, status=status)
        return
    received = await compressed(backend, method=method, force=force, status=status)
    assert (received.status, received.coding, received.raw) == (status, None, b"")
    assert received.headers.get("Content-Length", "0") == "0"


async def test_tiny_body_is_compressed_too(backend: Backend) -> None:
    received = await compressed(backend, text="x")
    assert (received.coding, received.body) == ("gzip", b"x")
    assert len(received.raw) > 1


async def test_head(backend: Backend) -> None:
    """HEAD has the headers of GET."""
    received, full = await compressed(backend, method="HEAD"), await compressed(backend)
    assert (received.status, received.coding, received.raw) == (200, "gzip", b"")
    assert received.headers["Content-Length"] == full.headers["Content-Length"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_204(backend: Backend, method: str) -> None:
    """Nothing is sent; aiohttp says all the same that it is compressed."""
    received = await compressed(backend, method=method, status=204, text=TEXT)
    assert (received.status, received.raw) == (204, b"")
    assert "Content-Length" not in received.headers
    assert received.coding == ("gzip" if backend.name == "aiohttp" else None)


async def test_304_varies_as_the_200_does(backend: Backend) -> None:
    """RFC 9110, section 15.4.5: a 304 has the Vary and the ETag that the 200 would have had."""
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.StreamResponse(status=304, headers={"ETag": '"a"'})
        response.enable_compression()
        await response.prepare(request)
        return response

    received = await fetch(backend, handler)
    assert (received.status, received.raw) == (304, b"")
    if backend.name != "aiohttp":
        assert received.coding is None
        assert (received.headers["Vary"], received.headers["ETag"]) == ("Accept-Encoding", 'W/"a"')


async def test_entity_tag_becomes_weak(backend: Backend) -> None:
    """A strong tag stands for these octets alone (RFC 9110, section 8.8.1); aiohttp leaves it as it is."""
    received = await compressed(backend, text=TEXT, headers={"ETag": '"a"'})
    assert received.headers["ETag"] == ('"a"' if backend.name == "aiohttp" else 'W/"a"')


async def test_entity_tag_of_what_is_not_compressed(backend: Backend) -> None:
    received = await compressed(backend, "identity", text=TEXT, headers={"ETag": '"a"'})
    assert received.headers["ETag"] == '"a"'


async def test_content_length_header_is_replaced(backend: Backend) -> None:
    received = await compressed(backend, text=TEXT, headers={"Content-Length": "600"})
    assert received.headers.get_list("Content-Length") == [str(len(received.raw))]


async def test_content_encoding_that_is_there_already(backend: Backend) -> None:
    """Nothing is compressed twice; aiohttp does, and names only the last coding."""
    packed = gzip.compress(TEXT.encode())
    received = await compressed(backend, body=packed, headers={"Content-Encoding": "gzip"})
    assert received.coding == "gzip"
    if backend.name == "aiohttp":
        assert gzip.decompress(received.body) == TEXT.encode()
    else:
        assert received.body == TEXT.encode()


async def test_partial_content(backend: Backend) -> None:
    """A range is one of the octets that were promised: it is not compressed afterwards. aiohttp does."""
    received = await compressed(backend, text=TEXT, status=206, headers={"Content-Range": "bytes 0-599/1000"})
    assert received.coding == ("gzip" if backend.name == "aiohttp" else None)


@pytest.mark.parametrize("content_type", ["image/png", "application/zip", "text/html"])
async def test_every_content_type_is_compressed(backend: Backend, content_type: str) -> None:
    received = await compressed(backend, body=b"x" * 100, content_type=content_type)
    assert (received.coding, received.headers["Content-Type"]) == ("gzip", content_type)


@pytest.mark.parametrize("status", [201, 206, 404, 500])
async def test_every_status_with_a_body_is_compressed(backend: Backend, status: int) -> None:
    received = await compressed(backend, text=TEXT, status=status)
    assert (received.status, received.coding, received.body) == (status, "gzip", TEXT.encode())


async def test_cookies_and_headers_are_sent_beside(backend: Backend) -> None:
    def make() -> Any:
        response = backend.web.Response(text=TEXT, headers={"X-A": "1"})
        response.set_cookie("name", "value")
        return response

    received = await compressed(backend, make=make)
    assert received.coding == "gzip"
    assert received.headers["X-A"] == "1"
    assert received.headers["Set-Cookie"].startswith("name=value")


async def test_response_sent_by_the_handler(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression()
        await response.prepare(request)
        await response.write_eof()
        await response.write_eof()
        return response

    received = await fetch(backend, handler)
    assert (received.coding, received.body) == ("gzip", TEXT.encode())


async def test_content_length_header_that_is_set_afterwards(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression()
        response.headers["Content-Length"] = "600"
        return response

    received = await fetch(backend, handler)
    assert received.headers.get_list("Content-Length") == [str(len(received.raw))]


async def test_chunked(backend: Backend) -> None:
    def make() -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_chunked_encoding()
        return response

    received = await compressed(backend, make=make)
    assert (received.coding, received.body) == ("gzip", TEXT.encode())
    assert "Content-Length" not in received.headers


async def test_text_that_is_changed_afterwards(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression()
        response.text = "other " * 50
        return response

    assert (await fetch(backend, handler)).body == b"other " * 50


async def test_exception_as_a_response(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        error = web.HTTPNotFound(text=TEXT)
        error.enable_compression()
        raise error

    received = await fetch(backend, handler)
    assert (received.status, received.coding, received.body) == (404, "gzip", TEXT.encode())


@pytest.mark.parametrize("size", [None, 0, 1, 599, 600, 1_000_000])
async def test_zlib_executor_size(backend: Backend, size: int | None) -> None:
    received = await compressed(backend, text=TEXT, zlib_executor_size=size)
    assert (received.coding, received.body) == ("gzip", TEXT.encode())


async def test_zlib_executor(backend: Backend) -> None:
    """A body of more bytes than `zlib_executor_size` is compressed there."""
    used: list[str] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            used.append("submit")
            return super().submit(fn, *args, **kwargs)

    with Pool(1) as pool:
        small = await compressed(backend, body=b"x" * 10, zlib_executor_size=10, zlib_executor=pool)
        assert (small.body, used) == (b"x" * 10, [])
        large = await compressed(backend, body=b"x" * 5000, zlib_executor_size=10, zlib_executor=pool)
    assert large.body == b"x" * 5000
    assert used


async def test_loop_runs_on_while_a_large_body_is_compressed(backend: Backend) -> None:
    """Above `zlib_executor_size`, which is 4 KiB by default, another thread does the work."""
    threads: list[int] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            def work() -> Any:
                threads.append(threading.get_ident())
                return fn(*args, **kwargs)

            return super().submit(work)

    with Pool(1) as pool:
        received = await compressed(backend, body=b"x" * 2_000_000, zlib_executor=pool)
    assert received.body == b"x" * 2_000_000
    assert threads
    assert threading.get_ident() not in threads


async def test_values_before_and_after_prepare(backend: Backend) -> None:
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        seen.append((response.compression, response.chunked, response.content_length))
        response.enable_compression(backend.web.ContentCoding.gzip)
        seen.append((response.compression, response.chunked, response.content_length))
        await response.prepare(request)
        seen.append((response.compression, response.chunked, response.content_length))
        seen.append((response.text, response.headers["Content-Encoding"]))
        return response

    received = await fetch(backend, handler)
    length = int(received.headers["Content-Length"])
    assert seen == [(False, False, 600), (True, False, 600), (True, False, length), (TEXT, "gzip")]


async def test_enable_compression_after_prepare(backend: Backend) -> None:
    """It is too late: nothing happens, which is a warning here."""
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        if backend.name == "aiohttp":
            response.enable_compression(web.ContentCoding.gzip)
        else:
            with pytest.warns(RuntimeWarning, match="no effect"):
                response.enable_compression(web.ContentCoding.gzip)
        await response.write_eof(b"abc")
        return response

    received = await fetch(backend, handler)
    assert (received.coding, received.raw) == (None, b"abc")


# --- Streams --------------------------------------------------------------------------------------


async def test_stream(backend: Backend) -> None:
    notes: list[Any] = []
    received = await streamed(backend, b"ab" * 100, b"c", notes=notes)
    assert (received.coding, received.body) == ("gzip", b"ab" * 100 + b"c")
    assert "Content-Length" not in received.headers
    assert notes == [(True, False, None)]


async def test_stream_with_a_length_loses_it(backend: Backend) -> None:
    received = await streamed(backend, b"a" * 100, headers={"Content-Length": "100"})
    assert received.body == b"a" * 100
    assert "Content-Length" not in received.headers


async def test_stream_that_is_not_compressed_keeps_its_length(backend: Backend) -> None:
    received = await streamed(backend, b"a" * 100, accept="identity", headers={"Content-Length": "100"})
    assert (received.coding, received.raw, received.headers["Content-Length"]) == (None, b"a" * 100, "100")


async def test_stream_without_writes(backend: Backend) -> None:
    received = await streamed(backend)
    assert (received.coding, received.body) == ("gzip", b"")


@pytest.mark.parametrize("data", [b"", bytearray(b"ab"), memoryview(b"ab")], ids=["empty", "bytearray", "memoryview"])
async def test_kinds_of_data(backend: Backend, data: Any) -> None:
    assert (await streamed(backend, b"x", data, b"y")).body == b"x" + bytes(data) + b"y"


async def test_stream_of_many_writes(backend: Backend) -> None:
    received = await streamed(backend, *(b"%04d," % number for number in range(1000)))
    assert received.body == b"".join(b"%04d," % number for number in range(1000))


async def test_stream_of_megabytes(backend: Backend) -> None:
    received = await streamed(backend, *[b"x" * 300_000] * 5)
    assert received.body == b"x" * 1_500_000


async def test_data_of_write_eof_is_compressed(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse()
        response.enable_compression()
        await response.prepare(request)
        await response.write(b"ab")
        await response.write_eof(b"cd")
        return response

    assert (await fetch(backend, handler)).body == b"abcd"


async def test_head_of_a_stream(backend: Backend) -> None:
    received = await streamed(backend, b"abc", method="HEAD")
    assert (received.status, received.coding, received.raw) == (200, "gzip", b"")


async def test_stream_of_chunks(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse()
        response.enable_compression()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"abc")
        return response

    received = await fetch(backend, handler)
    assert (received.coding, received.body) == ("gzip", b"abc")


async def test_content_length_and_compression_of_a_stream(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse()
        response.content_length = 3
        response.enable_compression()
        await response.prepare(request)
        assert response.content_length is None
        await response.write(b"abc")
        return response

    assert (await fetch(backend, handler)).body == b"abc"


async def test_write_of_a_compressed_stream_after_the_client_left(socket_backend: SocketBackend) -> None:
    errors: list[Exception] = []
    ended = asyncio.Event()

    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        response.enable_compression(socket_backend.web.ContentCoding.gzip)
        await response.prepare(request)
        try:
            while True:
                await response.write(os.urandom(100_000))
                await asyncio.sleep(0)
        except Exception as exc:
            errors.append(exc)
            raise
        finally:
            ended.set()

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()
        await ended.wait()
    (error,) = errors
    assert isinstance(error, ConnectionResetError)


async def test_compressed_stream_that_is_broken_off(socket_backend: SocketBackend) -> None:
    """It never looks whole."""

    async def handler(request: Any) -> Any:
        response = socket_backend.web.StreamResponse()
        response.enable_compression()
        await response.prepare(request)
        await response.write(b"abc")
        raise ValueError

    with pytest.raises(httpx.RemoteProtocolError):
        await fetch(socket_backend, handler)


async def test_compressed_streams_at_the_same_time(backend: Backend) -> None:
    """Each has a compressor of its own."""
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        response.enable_compression()
        await response.prepare(request)
        for _ in range(20):
            await response.write(request.path.encode() * 10)
            await asyncio.sleep(0)
        return response

    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with backend.client(app) as client:
        paths = [f"/{number}" for number in range(5)]
        headers = {"Accept-Encoding": "gzip"}
        answers = await asyncio.gather(*(client.get(path, headers=headers) for path in paths))
    assert [each.text for each in answers] == [path * 200 for path in paths]


# --- Files and iterables --------------------------------------------------------------------------


async def numbers() -> AsyncIterator[bytes]:
    for number in range(100):
        yield b"%d," % number
        await asyncio.sleep(0)


async def test_async_generator(backend: Backend) -> None:
    received = await compressed(backend, make=lambda: backend.web.Response(body=numbers()))
    assert (received.coding, received.body) == ("gzip", b"".join(b"%d," % number for number in range(100)))
    assert "Content-Length" not in received.headers


async def test_head_of_an_async_generator(backend: Backend) -> None:
    received = await compressed(backend, method="HEAD", make=lambda: backend.web.Response(body=numbers()))
    assert (received.status, received.coding, received.raw) == (200, "gzip", b"")
    assert "Content-Length" not in received.headers


async def test_async_generator_with_a_length(backend: Backend) -> None:
    def make() -> Any:
        return backend.web.Response(body=numbers(), headers={"Content-Length": "290"})

    received = await compressed(backend, make=make)
    assert len(received.body) == 290
    assert "Content-Length" not in received.headers


@pytest.mark.parametrize(
    ("file", "data"),
    [(lambda: io.BytesIO(b"x" * 1000), b"x" * 1000), (lambda: io.StringIO("é" * 1000), "é".encode() * 1000)],
    ids=["BytesIO", "StringIO"],
)
async def test_files_in_memory(backend: Backend, file: Callable[[], Any], data: bytes) -> None:
    received = await compressed(backend, make=lambda: backend.web.Response(body=file()))
    assert (received.coding, received.body) == ("gzip", data)


async def test_open_file(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes(b"x" * 200_000)
    received = await compressed(backend, make=lambda: backend.web.Response(body=path.open("rb")))
    assert (received.coding, received.body) == ("gzip", b"x" * 200_000)
    assert "Content-Length" not in received.headers


# --- From outside of the handler ------------------------------------------------------------------


async def test_middleware_compresses(backend: Backend) -> None:
    web = backend.web

    @web.middleware  # type: ignore[untyped-decorator]
    async def compress(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.enable_compression()
        return response

    async def handler(request: Any) -> Any:
        return web.Response(text=TEXT)

    received = await fetch(backend, handler, set_up=lambda app: app.middlewares.append(compress))
    assert (received.coding, received.body) == ("gzip", TEXT.encode())


@pytest.mark.parametrize("kind", ["Response", "StreamResponse"])
async def test_on_response_prepare_compresses(backend: Backend, kind: str) -> None:
    """It is too late for aiohttp, silently."""
    web = backend.web

    async def compress(request: Any, response: Any) -> None:
        response.enable_compression()

    async def handler(request: Any) -> Any:
        if kind == "Response":
            return web.Response(text=TEXT)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(TEXT.encode())
        return response

    received = await fetch(backend, handler, set_up=lambda app: app.on_response_prepare.append(compress))
    assert received.coding == (None if backend.name == "aiohttp" else "gzip")
    assert received.body == TEXT.encode()


async def test_on_response_prepare_sees_the_coding(backend: Backend) -> None:
    seen: list[Any] = []

    async def note(request: Any, response: Any) -> None:
        seen.append((response.headers["Content-Encoding"], response.headers["Content-Length"], response.compression))

    async def handler(request: Any) -> Any:
        response = backend.web.Response(text=TEXT)
        response.enable_compression()
        return response

    received = await fetch(backend, handler, set_up=lambda app: app.on_response_prepare.append(note))
    assert seen == [("gzip", str(len(received.raw)), True)]


async def test_connection_after_compressed_answers(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.Response(text=request.path * 50)
        response.enable_compression()
        return response

    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with backend.client(app) as client:
        headers = {"Accept-Encoding": "gzip"}
        for path in ("/1", "/2", "/3"):
            assert (await client.get(path, headers=headers)).text == path * 50
