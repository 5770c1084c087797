"""Compressed request bodies: which codings are undone, what the handler sees, and bodies that are broken."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import brotli  # type: ignore[import-untyped]
import httpx
import pytest

from tests.contract.asking import ask, observe
from tests.contract.backends import Backend, SocketBackend, exchange

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORM = "application/x-www-form-urlencoded"


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}

GZIP = gzip.compress(b"hello")


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(backend: Backend, coding: str, body: bytes | AsyncIterator[bytes], method: str = "POST") -> Any:
    """What `request.read()` gives for a body of this Content-Encoding."""
    return await observe(backend, lambda r: r.read(), method, content=body, headers={"Content-Encoding": coding})


async def status_of(backend: Backend, coding: str, body: bytes) -> int:
    """The status of the answer to such a body, of a handler that catches nothing."""

    async def handler(request: Any) -> Any:
        return backend.web.Response(body=await request.read())

    return (await ask(backend, handler, "POST", content=body, headers={"Content-Encoding": coding})).status_code


# --- Codings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["br", "zstd"])
async def test_coding_with_a_library_of_its_own(backend: Backend, coding: str) -> None:
    assert await read(backend, coding, COMPRESS[coding](b"hello")) == b"hello"


async def test_deflate_without_the_zlib_format(backend: Backend) -> None:
    """Some clients send the bare format of RFC 1951."""
    assert await read(backend, "deflate", bare_deflate(b"hello")) == b"hello"


@pytest.mark.parametrize("coding", list(COMPRESS))
@pytest.mark.parametrize("spelled", [str.upper, str.title], ids=["upper", "title"])
async def test_case_of_a_coding_does_not_matter(backend: Backend, coding: str, spelled: Callable[[str], str]) -> None:
    assert await read(backend, spelled(coding), COMPRESS[coding](b"hello")) == b"hello"


async def test_spaces_around_a_coding(socket_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(body=await request.read())

    app = socket_backend.web.Application()
    app.router.add_post("/", handler)
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: \t gzip \r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    )
    async with socket_backend.serve(app) as address:
        received = await exchange(address, head % len(GZIP) + GZIP)
    assert received.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("coding", ["identity", "", "compress", "aes128gcm"])
async def test_other_codings_are_left_to_the_handler(backend: Backend, coding: str) -> None:
    assert await read(backend, coding, b"hello") == b"hello"


@pytest.mark.parametrize("coding", ["gzip, deflate", "deflate, gzip", "identity, gzip", "gzip, gzip", "x-gzip"])
async def test_several_codings_are_left_to_the_handler(backend: Backend, coding: str) -> None:
    assert await read(backend, coding, GZIP) == GZIP


@pytest.mark.parametrize("codings", [("gzip", "gzip"), ("identity", "gzip")], ids=["same", "other"])
async def test_content_encoding_in_two_lines(backend: Backend, codings: tuple[str, str]) -> None:
    """One of the lines counts, the last."""
    headers = [("Content-Encoding", coding) for coding in codings]
    assert await observe(backend, lambda r: r.read(), "POST", content=GZIP, headers=headers) == b"hello"


@pytest.mark.parametrize("coding", list(COMPRESS))
async def test_empty_body_of_a_coding(backend: Backend, coding: str) -> None:
    assert await read(backend, coding, b"") == b""


@pytest.mark.parametrize("coding", list(COMPRESS))
async def test_compressed_nothing(backend: Backend, coding: str) -> None:
    assert await read(backend, coding, COMPRESS[coding](b"")) == b""


@pytest.mark.parametrize("coding", list(COMPRESS))
async def test_compressed_body_in_pieces(backend: Backend, coding: str) -> None:
    body = COMPRESS[coding](b"hello world")
    assert await read(backend, coding, pieces(*(body[index : index + 1] for index in range(len(body))))) == (
        b"hello world"
    )


@pytest.mark.parametrize("coding", list(COMPRESS))
async def test_compressed_megabytes(backend: Backend, coding: str) -> None:
    async def look(request: Any) -> int:
        return sum([len(part) async for part in request.content.iter_any()])

    body, headers = COMPRESS[coding](b"x" * 3_000_000), {"Content-Encoding": coding}
    assert await observe(backend, look, "POST", content=body, headers=headers) == 3_000_000


async def test_compressed_body_of_a_get(backend: Backend) -> None:
    assert await read(backend, "gzip", GZIP, "GET") == b"hello"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_several_members(backend: Backend, coding: str) -> None:
    """RFC 1952, section 2.2, and RFC 8878, section 3: what stands in a row is joined."""
    compress = COMPRESS[coding]
    assert await read(backend, coding, compress(b"hello ") + compress(b"world")) == b"hello world"


# --- What the handler sees ------------------------------------------------------------------------


async def test_headers_stay_those_of_the_compressed_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.read()
        return request.headers["Content-Encoding"], request.content_length, request.headers["Content-Length"]

    seen = await observe(backend, look, "POST", content=GZIP, headers={"Content-Encoding": "gzip"})
    assert seen == ("gzip", len(GZIP), str(len(GZIP)))


async def test_presence_of_a_compressed_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        before = request.body_exists, request.can_read_body
        await request.read()
        return before, request.body_exists, request.can_read_body

    seen = await observe(backend, look, "POST", content=GZIP, headers={"Content-Encoding": "gzip"})
    assert seen == ((True, True), True, False)


async def test_presence_of_an_empty_body_with_a_coding(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return request.body_exists, request.can_read_body

    headers = {"Content-Encoding": "gzip"}
    assert await observe(backend, look, "POST", content=b"", headers=headers) == (False, False)


async def test_json_of_a_compressed_body(backend: Backend) -> None:
    body, headers = gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert await observe(backend, lambda r: r.json(), "POST", content=body, headers=headers) == {"a": 1}


async def test_text_of_a_compressed_body(backend: Backend) -> None:
    headers = {"Content-Encoding": "br", "Content-Type": "text/plain; charset=latin-1"}
    body = brotli.compress("é".encode("latin-1"))
    assert await observe(backend, lambda r: r.text(), "POST", content=body, headers=headers) == "é"


async def test_form_of_a_compressed_body(backend: Backend) -> None:
    async def look(request: Any) -> dict[str, Any]:
        return dict(await request.post())

    headers = {"Content-Encoding": "deflate", "Content-Type": FORM}
    body = zlib.compress(b"a=1&b=2")
    assert await observe(backend, look, "POST", content=body, headers=headers) == {"a": "1", "b": "2"}


async def test_content_of_a_compressed_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        content = request.content
        parts = await content.read(2), await content.readline(), await content.readexactly(3), await content.read()
        return *parts, content.total_bytes, content.at_eof()

    headers = {"Content-Encoding": "gzip"}
    seen = await observe(backend, look, "POST", content=gzip.compress(b"hello\nworld"), headers=headers)
    assert seen == (b"he", b"llo\n", b"wor", b"ld", 11, True)


async def test_lines_of_a_compressed_body(backend: Backend) -> None:
    async def look(request: Any) -> list[bytes]:
        return [line async for line in request.content]

    headers = {"Content-Encoding": "zstd"}
    assert await observe(backend, look, "POST", content=zstd.compress(b"a\nb\nc"), headers=headers) == [
        b"a\n",
        b"b\n",
        b"c",
    ]


async def test_release_of_a_compressed_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.release()
        return await request.read()

    headers = {"Content-Encoding": "gzip"}
    assert await observe(backend, look, "POST", content=GZIP, headers=headers) == b""


async def test_unread_compressed_body_does_not_disturb_the_next_request(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(text=request.path)

    app = web.Application()
    app.router.add_post("/{name}", handler)
    bomb, headers = gzip.compress(b"\0" * 5_000_000), {"Content-Encoding": "gzip"}
    async with backend.client(app) as client:
        for path in ("/1", "/2"):
            assert (await client.post(path, content=bomb, headers=headers)).text == path


# --- The limit ------------------------------------------------------------------------------------


async def limited(backend: Backend, name: str, coding: str, data: bytes) -> httpx.Response:
    """The answer of an application with `client_max_size=1000` that calls the method `name`."""

    async def handler(request: Any) -> Any:
        return backend.web.Response(text=str(len(await getattr(request, name)())))

    app = backend.web.Application(client_max_size=1000)
    app.router.add_post("/", handler)
    headers = {"Content-Encoding": coding, "Content-Type": FORM}
    async with backend.client(app) as client:
        return await client.post("/", content=COMPRESS[coding](data), headers=headers)


@pytest.mark.parametrize("coding", list(COMPRESS))
async def test_limit_counts_what_was_decoded(backend: Backend, coding: str) -> None:
    response = await limited(backend, "read", coding, b"x" * 100_000)
    assert (response.status_code, response.text) == (413, "Maximum request body size 1000 exceeded.")


@pytest.mark.parametrize("name", ["text", "json", "post"])
async def test_limit_of_the_other_calls(backend: Backend, name: str) -> None:
    assert (await limited(backend, name, "gzip", b"[" + b" " * 100_000 + b"]")).status_code == 413


@pytest.mark.parametrize("coding", list(COMPRESS))
async def test_decoded_body_of_exactly_the_limit(backend: Backend, coding: str) -> None:
    response = await limited(backend, "read", coding, b"x" * 1000)
    assert (response.status_code, response.text) == (200, "1000")


async def test_compressed_body_over_the_limit_that_decodes_to_less(backend: Backend) -> None:
    """Only what comes out counts."""
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(body=await request.read())

    app = web.Application(client_max_size=10)
    app.router.add_post("/", handler)
    assert len(GZIP) > 10
    async with backend.client(app) as client:
        response = await client.post("/", content=GZIP, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.content) == (200, b"hello")


# --- Broken bodies --------------------------------------------------------------------------------

BROKEN: dict[str, tuple[str, bytes]] = {
    **{f"no-{coding}": (coding, b"this is not compressed") for coding in COMPRESS},
    "gzip-checksum": ("gzip", GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:]),
    "gzip-length": ("gzip", GZIP[:-4] + b"\0\0\0\0"),
    "zlib-checksum": ("deflate", zlib.compress(b"hello")[:-4] + b"\0\0\0\0"),
    "gzip-and-more": ("gzip", GZIP + b"garbage"),
    "gzip-and-zeros": ("gzip", GZIP + b"\0" * 8),
    "deflate-and-more": ("deflate", zlib.compress(b"hello") + b"garbage"),
    "br-and-more": ("br", brotli.compress(b"hello") + b"garbage"),
    "br-twice": ("br", brotli.compress(b"hello") * 2),
    "zstd-and-more": ("zstd", zstd.compress(b"hello") + b"garbage"),
}


@pytest.mark.parametrize(("coding", "body"), BROKEN.values(), ids=BROKEN.keys())
async def test_body_that_cannot_be_decoded(backend: Backend, coding: str, body: bytes) -> None:
    with pytest.raises(backend.web.RequestPayloadError, match=f"Can not decode content-encoding: {coding}"):
        await read(backend, coding, body)


@pytest.mark.parametrize("name", ["text", "json", "post", "release"])
async def test_every_call_refuses_a_broken_body(backend: Backend, name: str) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": FORM}
    with pytest.raises(backend.web.RequestPayloadError):
        await observe(backend, lambda r: getattr(r, name)(), "POST", content=b"no gzip at all", headers=headers)


async def test_error_of_a_broken_body_stays(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        errors = []
        for _ in range(2):
            with pytest.raises(backend.web.RequestPayloadError) as caught:
                await request.content.read()
            errors.append(caught.value)
        return errors[0] is errors[1] is request.content.exception()

    headers = {"Content-Encoding": "gzip"}
    assert await observe(backend, look, "POST", content=b"no gzip at all", headers=headers) is True


@pytest.mark.parametrize("coding", list(COMPRESS))
async def test_broken_body_that_the_handler_leaves_alone(backend: Backend, coding: str) -> None:
    """aiohttp answers 500 and logs a traceback; it is the client's fault, a 400."""
    status = await status_of(backend, coding, b"this is not compressed")
    assert status == (500 if backend.name == "aiohttp" else 400)


@pytest.mark.parametrize(
    ("coding", "cut", "partial"),
    [("gzip", 4, b"hello"), ("gzip", 8, b"hello"), ("br", 1, b"hello"), ("zstd", 2, None)],
    ids=["gzip", "gzip-trailer", "br", "zstd"],
)
async def test_truncated_body(backend: Backend, coding: str, cut: int, partial: bytes | None) -> None:
    """aiohttp hands over what it could decode as if it were everything; here a part is an error."""
    body = COMPRESS[coding](b"hello")[:-cut]
    if backend.name == "aiohttp":
        decoded = await read(backend, coding, body)
        assert b"hello".startswith(decoded)
        assert partial is None or decoded == partial
    else:
        with pytest.raises(backend.web.RequestPayloadError, match="truncated"):
            await read(backend, coding, body)
        assert await status_of(backend, coding, body) == 400


@pytest.mark.parametrize("compress", [zlib.compress, bare_deflate], ids=["zlib", "bare"])
async def test_truncated_deflate_is_a_400(backend: Backend, compress: Callable[[bytes], bytes]) -> None:
    assert await status_of(backend, "deflate", compress(b"hello")[:-2]) == 400


async def test_several_zlib_streams(backend: Backend) -> None:
    """RFC 1950 knows no members: aiohttp joins them, here they are an error."""
    body = zlib.compress(b"hello") * 2
    if backend.name == "aiohttp":
        assert await read(backend, "deflate", body) == b"hellohello"
    else:
        with pytest.raises(backend.web.RequestPayloadError, match="deflate"):
            await read(backend, "deflate", body)


async def test_connection_after_a_broken_body(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        try:
            return web.Response(body=await request.read())
        except web.RequestPayloadError:
            return web.Response(status=422)

    app = web.Application()
    app.router.add_post("/", handler)
    headers = {"Content-Encoding": "gzip"}
    async with backend.client(app) as client:
        assert (await client.post("/", content=b"no gzip at all", headers=headers)).status_code == 422
        assert (await client.post("/", content=GZIP, headers=headers)).content == b"hello"
