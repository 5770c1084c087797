"""What can be the body of a response besides bytes: files, what can be iterated over asynchronously, and their ends."""

from __future__ import annotations

import array
import asyncio
import gzip
import io
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import PATIENCE, Backend, SocketBackend

web = modules.web

DATA = b"line1\nline2\n"


async def answer(backend: Backend, body: Callable[[], Any], method: str = "GET", **arguments: Any) -> httpx.Response:
    """The answer to a handler that returns `Response(body=body(), **arguments)`."""

    async def handler(request: Any) -> Any:
        return backend.web.Response(body=body(), **arguments)

    return await ask(backend, handler, method)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A text file."""
    file = tmp_path / "page.txt"
    file.write_bytes(DATA)
    return file


# --- Files ----------------------------------------------------------------------------------------


async def test_file(backend: Backend, path: Path) -> None:
    response = await answer(backend, lambda: path.open("rb"))
    assert response.content == DATA
    assert response.headers["Content-Length"] == str(len(DATA))
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Content-Disposition"] == 'attachment; filename="page.txt"'


@pytest.mark.parametrize(
    "opened",
    [lambda path: path.open("r+b"), lambda path: path.open("rb", buffering=0)],
    ids=["for writing too", "unbuffered"],
)
async def test_other_ways_to_open_a_file(backend: Backend, path: Path, opened: Callable[[Path], Any]) -> None:
    response = await answer(backend, lambda: opened(path))
    assert (response.content, response.headers["Content-Length"]) == (DATA, str(len(DATA)))


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("page.html", "text/html"),
        ("data.json", "application/json"),
        ("image.png", "image/png"),
        ("no-suffix", "application/octet-stream"),
        ("strange.suffix-x", "application/octet-stream"),
    ],
)
async def test_content_type_follows_the_name(backend: Backend, tmp_path: Path, name: str, content_type: str) -> None:
    path = tmp_path / name
    path.write_bytes(DATA)
    assert (await answer(backend, lambda: path.open("rb"))).headers["Content-Type"] == content_type


async def test_empty_file(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.touch()
    response = await answer(backend, lambda: path.open("rb"))
    assert (response.content, response.headers["Content-Length"]) == (b"", "0")
    assert response.headers["Content-Type"] == "text/plain"


async def test_file_is_sent_from_where_it_stands(backend: Backend, path: Path) -> None:
    def opened() -> Any:
        file = path.open("rb")
        file.seek(6)
        return file

    response = await answer(backend, opened)
    assert (response.content, response.headers["Content-Length"]) == (DATA[6:], str(len(DATA) - 6))


async def test_large_file(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 8000)
    response = await answer(backend, lambda: path.open("rb"))
    assert response.content == bytes(range(256)) * 8000


@pytest.mark.parametrize(
    ("arguments", "content_type"),
    [
        ({"content_type": "a/b"}, "a/b"),
        ({"content_type": "text/x", "charset": "koi8-r"}, "text/x; charset=koi8-r"),
        ({"headers": {"Content-Type": "a/b"}}, "a/b"),
    ],
)
async def test_content_type_of_the_response_counts(
    backend: Backend, path: Path, arguments: Any, content_type: str
) -> None:
    response = await answer(backend, lambda: path.open("rb"), **arguments)
    assert response.headers.get_list("Content-Type") == [content_type]
    assert response.content == DATA


async def test_disposition_of_the_response_counts(backend: Backend, path: Path) -> None:
    response = await answer(backend, lambda: path.open("rb"), headers={"Content-Disposition": "inline"})
    assert response.headers.get_list("Content-Disposition") == ["inline"]


async def test_content_length_of_the_response_that_is_right(backend: Backend, path: Path) -> None:
    response = await answer(backend, lambda: path.open("rb"), headers={"Content-Length": str(len(DATA))})
    assert (response.content, response.headers.get_list("Content-Length")) == (DATA, [str(len(DATA))])


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("with space.bin", 'filename="with%20space.bin"', 'filename="with space.bin"'),
        ("\u00e9.bin", 'filename="%C3%A9.bin"', "filename*=utf-8''%C3%A9.bin"),
        ('quo"te.bin', 'filename="quo%22te.bin"', "filename*=utf-8''quo%22te.bin"),
    ],
)
async def test_name_in_the_disposition(backend: Backend, tmp_path: Path, name: str, theirs: str, ours: str) -> None:
    """aiohttp percent-encodes inside of the quotes, where browsers take it literally (RFC 6266, section 4.3)."""
    path = tmp_path / name
    path.write_bytes(DATA)
    response = await answer(backend, lambda: path.open("rb"))
    expected = theirs if backend.name == "aiohttp" else ours
    assert response.headers["Content-Disposition"] == f"attachment; {expected}"


async def test_head_of_a_file(backend: Backend, path: Path) -> None:
    with path.open("rb") as file:
        response = await answer(backend, lambda: file, "HEAD")
    assert (response.content, response.headers["Content-Length"]) == (b"", str(len(DATA)))


@pytest.mark.parametrize("status", [204, 304])
async def test_file_of_a_status_without_body(backend: Backend, path: Path, status: int) -> None:
    with path.open("rb") as file:
        response = await answer(backend, lambda: file, status=status)
    assert (response.status_code, response.content) == (status, b"")
    assert "Content-Length" not in response.headers


async def test_file_is_closed_afterwards(backend: Backend, path: Path) -> None:
    with path.open("rb") as file:
        await answer(backend, lambda: file)
        async with asyncio.timeout(PATIENCE):
            while not file.closed:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_file_that_was_not_sent_is_closed_too(backend: Backend, path: Path, method: str, status: int) -> None:
    """aiohttp leaves it to the garbage collector."""
    with path.open("rb") as file:
        await answer(backend, lambda: file, method, status=status)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert file.closed == (backend.name != "aiohttp")


async def test_closed_file(socket_backend: SocketBackend, path: Path) -> None:
    """The response is broken off."""
    with path.open("rb") as file:
        pass
    with pytest.raises(httpx.RemoteProtocolError):
        await answer(socket_backend, lambda: file)


async def test_file_set_as_the_body_later(backend: Backend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response()
        response.body = path.open("rb")
        return response

    response = await ask(backend, handler)
    assert (response.content, response.headers["Content-Type"]) == (DATA, "text/plain")


def test_length_of_a_file_response(web: Any, path: Path) -> None:
    """The size is the payload's; the response has a length when it is sent."""
    with path.open("rb") as file:
        response = web.Response(body=file)
        assert response.body.size == len(DATA)
        assert response.content_length is None
        assert response.headers["Content-Disposition"] == 'attachment; filename="page.txt"'


# --- Text files -----------------------------------------------------------------------------------


async def test_text_file(backend: Backend, path: Path) -> None:
    response = await answer(backend, lambda: path.open(encoding="utf-8"))
    assert response.content == DATA
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="page.txt"'


async def test_text_file_of_html_is_plain_text(backend: Backend, tmp_path: Path) -> None:
    """The name does not count for a file that was opened as text."""
    path = tmp_path / "page.html"
    path.write_text("<p>", encoding="utf-8")
    response = await answer(backend, lambda: path.open(encoding="utf-8"))
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_text_file_that_was_read_in_part(backend: Backend, path: Path) -> None:
    def opened() -> Any:
        file = path.open(encoding="utf-8")
        file.read(6)
        return file

    assert (await answer(backend, opened)).content == DATA[6:]


async def test_empty_text_file(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.touch()
    response = await answer(backend, lambda: path.open(encoding="utf-8"))
    assert (response.status_code, response.content) == (200, b"")


async def test_text_file_in_another_encoding(backend: Backend, tmp_path: Path) -> None:
    """aiohttp takes the size on the disk for the length of the same text in UTF-8."""
    path = tmp_path / "page.txt"
    path.write_bytes(b"\xe9\xe9")
    response = await answer(backend, lambda: path.open(encoding="latin-1"))
    if backend.name == "aiohttp":
        assert (response.content, response.headers["Content-Type"]) == ("é".encode(), "text/plain; charset=utf-8")
    else:
        assert (response.content, response.headers["Content-Type"]) == (b"\xe9\xe9", "text/plain; charset=latin-1")


# --- Other files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [tempfile.TemporaryFile, tempfile.SpooledTemporaryFile], ids=["file", "spooled"])
async def test_temporary_file(backend: Backend, make: Callable[[], Any]) -> None:
    """It has no name that could be told."""

    def opened() -> Any:
        file = make()
        file.write(b"abc")
        file.seek(0)
        return file

    response = await answer(backend, opened)
    assert (response.content, response.headers["Content-Length"]) == (b"abc", "3")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert "Content-Disposition" not in response.headers


@pytest.mark.parametrize(
    "make",
    [
        lambda: io.BufferedReader(io.BytesIO(b"abc")),
        lambda: io.TextIOWrapper(io.BytesIO(b"abc"), encoding="utf-8"),
        lambda: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"abc"))),
    ],
    ids=["BufferedReader", "TextIOWrapper", "GzipFile"],
)
async def test_file_of_unknown_size(backend: Backend, make: Callable[[], Any]) -> None:
    response = await answer(backend, make)
    assert response.content == b"abc"
    assert "Content-Length" not in response.headers
    assert "Content-Disposition" not in response.headers


@pytest.mark.parametrize(
    ("make", "content"),
    [(lambda: io.BytesIO(b"abcdef"), b"cdef"), (lambda: io.StringIO("abcdef"), b"cdef")],
    ids=["BytesIO", "StringIO"],
)
async def test_file_in_memory_is_sent_from_where_it_stands(
    backend: Backend, make: Callable[[], Any], content: bytes
) -> None:
    def positioned() -> Any:
        file = make()
        file.seek(2)
        return file

    response = await answer(backend, positioned)
    assert (response.content, response.headers["Content-Length"]) == (content, str(len(content)))


@pytest.mark.parametrize("make", [io.BytesIO, io.StringIO])
async def test_empty_file_in_memory(backend: Backend, make: Callable[[], Any]) -> None:
    response = await answer(backend, make)
    assert (response.content, response.headers["Content-Length"]) == (b"", "0")


async def test_large_file_in_memory(backend: Backend) -> None:
    assert (await answer(backend, lambda: io.BytesIO(b"x" * 1_000_000))).content == b"x" * 1_000_000


async def test_file_in_memory_with_a_name(backend: Backend) -> None:
    class Report(io.BytesIO):
        name = "report.pdf"

    response = await answer(backend, lambda: Report(b"abc"))
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"] == 'attachment; filename="report.pdf"'


# --- Bytes and text -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (memoryview(array.array("B", b"abc")), b"abc"),
        (memoryview(array.array("H", [1, 2])), array.array("H", [1, 2]).tobytes()),
        (type("Octets", (bytes,), {})(b"abc"), b"abc"),
    ],
    ids=["memoryview", "memoryview-of-shorts", "subclass"],
)
async def test_kinds_of_bytes(backend: Backend, body: Any, content: bytes) -> None:
    response = await answer(backend, lambda: body)
    assert (response.content, response.headers["Content-Length"]) == (content, str(len(content)))
    assert response.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("arguments", "content_type"),
    [
        ({}, "text/plain; charset=utf-8"),
        ({"content_type": "text/html"}, "text/html"),
        ({"content_type": "text/html", "charset": "latin-1"}, "text/html; charset=latin-1"),
    ],
)
async def test_text_as_body_is_utf8(backend: Backend, arguments: Any, content_type: str) -> None:
    """Also where another charset is named: `text=` is what follows the charset."""
    response = await answer(backend, lambda: "é", **arguments)
    assert (response.content, response.headers["Content-Type"]) == ("é".encode(), content_type)


def test_text_that_cannot_be_encoded(web: Any) -> None:
    with pytest.raises(UnicodeEncodeError):
        web.Response(body="\ud800")


class Readable:
    """Something with `read` that is no file of `io`."""

    def read(self, size: int = -1) -> bytes:
        return b"abc"


@pytest.mark.parametrize(
    "body",
    [10**30, 1.5, True, (b"x",), {b"x"}, iter([b"x"]), range(3), array.array("B", b"x"), Readable(), ...],
    ids=lambda body: type(body).__name__,
)
def test_what_is_no_body(web: Any, body: Any) -> None:
    with pytest.raises(ValueError, match="Unsupported body type"):
        web.Response(body=body)


@pytest.mark.parametrize("body", [1, [b"x"], Readable()], ids=["int", "list", "Readable"])
def test_what_is_no_body_when_set(web: Any, body: Any) -> None:
    response = web.Response()
    with pytest.raises(ValueError, match="Unsupported body type"):
        response.body = body


# --- Asynchronous iterables -----------------------------------------------------------------------


async def pieces(*chunks: Any) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


class Iterable:
    """An iterable that is no generator, with an iterator of its own."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return pieces(b"a", b"b", b"c")


class Iterator:
    """An iterator written as a class."""

    def __init__(self) -> None:
        self._rest = [b"c", b"b", b"a"]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


@pytest.mark.parametrize("make", [Iterable, Iterator, lambda: pieces(b"ab", b"c")], ids=["iterable", "class", "gen"])
async def test_asynchronous_iterable(backend: Backend, make: Callable[[], Any]) -> None:
    response = await answer(backend, make)
    assert response.content == b"abc"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert "Content-Length" not in response.headers


async def test_iterable_that_gives_nothing(backend: Backend) -> None:
    response = await answer(backend, pieces)
    assert (response.status_code, response.content) == (200, b"")


async def test_iterable_of_empty_pieces(backend: Backend) -> None:
    assert (await answer(backend, lambda: pieces(b"", b"a", b"", b"b", b""))).content == b"ab"


async def test_iterable_of_other_kinds_of_bytes(backend: Backend) -> None:
    assert (await answer(backend, lambda: pieces(bytearray(b"a"), memoryview(b"bc")))).content == b"abc"


@pytest.mark.parametrize("piece", ["text", 1])
async def test_iterable_of_what_is_no_bytes(socket_backend: SocketBackend, piece: Any) -> None:
    """The response is broken off."""
    with pytest.raises(httpx.RemoteProtocolError):
        await answer(socket_backend, lambda: pieces(b"a", piece))


async def test_iterable_longer_than_its_content_length(backend: Backend) -> None:
    response = await answer(backend, lambda: pieces(b"ab", b"cd", b"e"), headers={"Content-Length": "3"})
    assert (response.content, response.headers["Content-Length"]) == (b"abc", "3")


async def test_head_of_an_iterable_runs_none_of_it(backend: Backend) -> None:
    ran: list[str] = []

    async def numbers() -> AsyncIterator[bytes]:
        ran.append("begun")
        yield b"1"

    response = await answer(backend, numbers, "HEAD")
    assert (response.status_code, response.content) == (200, b"")
    assert ran == []


async def test_iterable_waits_between_its_pieces(socket_backend: SocketBackend) -> None:
    """The client has the first piece before the second one exists."""
    received = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.wait_for(received.wait(), PATIENCE)
        yield b"second"

    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(body=body())

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.client(app) as client, client.stream("GET", "/") as response:
        parts = response.aiter_bytes()
        assert await anext(parts) == b"first"
        received.set()
        assert [part async for part in parts] == [b"second"]


async def test_iterable_that_fails_before_its_first_piece(socket_backend: SocketBackend) -> None:
    """The headers are promised already: the response is broken off."""

    async def fail() -> AsyncIterator[bytes]:
        raise ValueError
        yield b""

    with pytest.raises(httpx.RemoteProtocolError):
        await answer(socket_backend, fail)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "10"}], ids=["chunked", "length"])
async def test_iterable_that_fails_in_the_middle(socket_backend: SocketBackend, headers: dict[str, str]) -> None:
    async def fail() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ValueError

    with pytest.raises(httpx.RemoteProtocolError):
        await answer(socket_backend, fail, headers=headers)


async def test_generator_is_closed_after_a_failure(backend: Backend) -> None:
    ended: list[str] = []

    async def fail() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            raise ValueError
        finally:
            ended.append("finally")

    with pytest.raises(httpx.RemoteProtocolError):
        await answer(backend, fail)
    assert ended == ["finally"]


async def test_generator_is_closed_when_the_client_leaves(socket_backend: SocketBackend) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                begun.set()
                yield b"x" * 10_000
                await asyncio.sleep(0)
        finally:
            ended.set()

    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(body=body())

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun.wait()
        writer.transport.abort()
        await ended.wait()


async def test_file_is_closed_when_the_client_leaves(socket_backend: SocketBackend, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    files: list[Any] = []
    begun = asyncio.Event()

    async def handler(request: Any) -> Any:
        files.append(path.open("rb"))
        begun.set()
        return socket_backend.web.Response(body=files[0])

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun.wait()
        await reader.readexactly(1000)
        writer.transport.abort()
        while not files[0].closed:
            await asyncio.sleep(0.01)


async def test_body_of_an_iterable_is_a_payload(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(body=pieces(b"a"))
        assert response.body.size is None
        assert response.content_length is None
        return response

    assert (await ask(backend, handler)).content == b"a"


async def test_connection_after_bodies_of_all_kinds(backend: Backend, path: Path) -> None:
    web = backend.web
    bodies: dict[str, Callable[[], Any]] = {
        "/file": lambda: path.open("rb"),
        "/pieces": lambda: pieces(DATA),
        "/memory": lambda: io.BytesIO(DATA),
    }

    async def handler(request: Any) -> Any:
        return web.Response(body=bodies[request.path]())

    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with backend.client(app) as client:
        assert [(await client.get(each)).content for each in [*bodies, *bodies]] == [DATA] * 6
