"""request.content: what each reading call gives, in which order they can be mixed, and what is left afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.contract.asking import ask, observe
from tests.contract.backends import PATIENCE, Backend, SocketBackend, exchange

Look = Callable[[Any], Awaitable[Any]]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def reading(backend: Backend, read: Look, *chunks: bytes) -> Any:
    """What `read(request.content)` gives for a body of these pieces, without a Content-Length if there are several."""
    content = chunks[0] if len(chunks) == 1 else pieces(*chunks)
    return await observe(backend, lambda request: read(request.content), "POST", content=content)


async def all_of(iterator: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in iterator]


# --- read(), readany(), readexactly() -------------------------------------------------------------


async def test_read_of_nothing_takes_nothing(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return await content.read(0), await content.read(3), await content.read(0), await content.read()

    assert await reading(backend, read, b"abcdef") == (b"", b"abc", b"", b"def")


async def test_read_gives_what_there_is(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return await content.read(100), await content.read(100), await content.read(0)

    assert await reading(backend, read, b"abcdef") == (b"abcdef", b"", b"")


@pytest.mark.parametrize("size", [-1, -5])
async def test_read_of_a_negative_number_is_the_whole_body(backend: Backend, size: int) -> None:
    async def read(content: Any) -> Any:
        return await content.read(size), await content.read(size)

    assert await reading(backend, read, b"ab", b"cd") == (b"abcd", b"")


async def test_read_gives_bytes(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return type(await content.read(1)), type(await content.readany())

    assert await reading(backend, read, b"abc") == (bytes, bytes)


async def test_readany_ends_with_empty_bytes(backend: Backend) -> None:
    async def read(content: Any) -> bytes:
        parts = []
        while part := await content.readany():
            parts.append(part)
        assert await content.readany() == b""
        return b"".join(parts)

    assert await reading(backend, read, b"ab", b"cd", b"ef") == b"abcdef"


async def test_readexactly_across_pieces(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return await content.readexactly(3), await content.readexactly(2)

    assert await reading(backend, read, b"a", b"b", b"cd", b"e") == (b"abc", b"de")


async def test_readexactly_of_nothing(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return await content.readexactly(0), await content.readexactly(3), await content.readexactly(0)

    assert await reading(backend, read, b"abc") == (b"", b"abc", b"")


async def test_readexactly_of_a_short_body(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        await content.read(1)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await content.readexactly(5)
        return caught.value.partial, caught.value.expected, content.at_eof(), await content.read()

    assert await reading(backend, read, b"abc") == (b"bc", 5, True, b"")


async def test_readexactly_of_an_empty_body(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await content.readexactly(5)
        return caught.value.partial, caught.value.expected

    assert await reading(backend, read, b"") == (b"", 5)


async def test_large_body_read_in_parts(backend: Backend) -> None:
    async def read(content: Any) -> list[int]:
        return [len(await content.readexactly(70_000)) for _ in range(10)]

    assert await reading(backend, read, b"x" * 700_000) == [70_000] * 10


# --- readline(), readuntil() ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"ab\n", [b"ab\n"]),
        (b"ab\ncd", [b"ab\n", b"cd"]),
        (b"\n\n", [b"\n", b"\n"]),
        (b"ab\r\ncd\re\n", [b"ab\r\n", b"cd\re\n"]),
        (b"ab", [b"ab"]),
        (b"", []),
    ],
    ids=["whole", "last-open", "empty-lines", "crlf", "one-open", "empty"],
)
async def test_lines(backend: Backend, body: bytes, lines: list[bytes]) -> None:
    async def read(content: Any) -> Any:
        return await all_of(content), await content.readline()

    assert await reading(backend, read, body) == (lines, b"")


async def test_line_that_comes_in_pieces(backend: Backend) -> None:
    assert await reading(backend, lambda content: all_of(aiter(content)), b"a", b"bc", b"\nde\nf", b"g") == [
        b"abc\n",
        b"de\n",
        b"fg",
    ]


async def test_readuntil(backend: Backend) -> None:
    async def read(content: Any) -> list[bytes]:
        return [await content.readuntil(b"--") for _ in range(4)]

    assert await reading(backend, read, b"ab--cd--ef") == [b"ab--", b"cd--", b"ef", b""]


async def test_readuntil_is_readline_by_default(backend: Backend) -> None:
    assert await reading(backend, lambda content: content.readuntil(), b"ab\ncd") == b"ab\n"


async def test_readuntil_with_a_separator_that_comes_in_pieces(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return await content.readuntil(b"-=-"), await content.read()

    assert await reading(backend, read, b"a-", b"=", b"-b") == (b"a-=-", b"b")


@pytest.mark.parametrize("body", [b"aab-aab--x", b"ab-ab-ab--x", b"ab-ab--x"])
async def test_readuntil_with_a_false_start_of_the_separator(backend: Backend, body: bytes) -> None:
    assert await reading(backend, lambda content: content.readuntil(b"ab--"), body) == body[:-1]


async def test_readuntil_with_an_empty_separator(backend: Backend) -> None:
    with pytest.raises(ValueError, match="Separator should be at least one-byte string"):
        await reading(backend, lambda content: content.readuntil(b""), b"ab")


async def test_readuntil_with_a_text_as_separator(backend: Backend) -> None:
    with pytest.raises(TypeError):
        await reading(backend, lambda content: content.readuntil("--"), b"ab--")


async def test_line_of_exactly_the_limit(backend: Backend) -> None:
    assert await reading(backend, lambda c: c.readline(max_line_length=11), b"a" * 10 + b"\nx") == b"a" * 10 + b"\n"


async def test_readuntil_of_exactly_the_limit(backend: Backend) -> None:
    assert await reading(backend, lambda c: c.readuntil(b"--", max_size=4), b"ab--cd") == b"ab--"


@pytest.mark.parametrize(
    "read",
    [
        lambda content: content.readline(max_line_length=10),
        lambda content: content.readuntil(b"\n", max_size=10),
    ],
    ids=["readline", "readuntil"],
)
async def test_line_over_the_limit(backend: Backend, read: Look) -> None:
    """An error on both; aiohttp's is an exception of its parser that `aiohttp.web` has no name for."""
    with pytest.raises(Exception) as caught:
        await reading(backend, read, b"a" * 10 + b"\nx")
    if backend.name == "aiohttp":
        assert type(caught.value).__name__ == "LineTooLong"
    else:
        assert isinstance(caught.value, ValueError)


async def test_line_of_hundreds_of_kilobytes(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return len(await content.readline()), await content.read()

    assert await reading(backend, read, b"a" * 500_000 + b"\nx") == (500_001, b"x")


async def test_line_over_the_limit_of_the_stream(backend: Backend) -> None:
    with pytest.raises(Exception, match=r"(?i)chunk too big|more than \d+ bytes"):
        await reading(backend, lambda content: content.readline(), b"a" * 1_000_000 + b"\n")


@pytest.mark.parametrize(
    "read",
    [lambda content: content.readline(max_line_length=10), lambda content: content.readexactly(100)],
    ids=["line-too-long", "body-too-short"],
)
async def test_error_of_the_client_that_the_handler_leaves_alone(backend: Backend, read: Look) -> None:
    """aiohttp answers 500; what a client alone can cause is a 4xx here."""

    async def handler(request: Any) -> Any:
        await read(request.content)
        return backend.web.Response()

    response = await ask(backend, handler, "POST", content=b"x" * 20)
    assert response.status_code == (500 if backend.name == "aiohttp" else 400)


# --- readchunk() and the iterators ----------------------------------------------------------------


async def test_readchunk(backend: Backend) -> None:
    """The flag, which is about HTTP's chunks, differs: ASGI does not tell them."""

    async def read(content: Any) -> Any:
        data = b""
        while chunk := await content.readchunk():
            if not chunk[0]:
                break
            assert type(chunk[1]) is bool
            data += chunk[0]
        return data, content.at_eof()

    assert await reading(backend, read, b"ab", b"cd") == (b"abcd", True)


async def test_iter_chunks(backend: Backend) -> None:
    chunks = await reading(backend, lambda content: all_of(content.iter_chunks()), b"ab", b"cd")
    assert b"".join(data for data, _ in chunks) == b"abcd"


async def test_iter_chunks_of_a_chunked_body_marks_ends(backend: Backend) -> None:
    chunks = await reading(backend, lambda content: all_of(content.iter_chunks()), b"ab", b"cd")
    assert any(end for _, end in chunks)


async def test_iter_any_gives_no_empty_piece(backend: Backend) -> None:
    parts = await reading(backend, lambda content: all_of(content.iter_any()), b"ab", b"cd", b"e")
    assert all(parts)
    assert b"".join(parts) == b"abcde"


@pytest.mark.parametrize(("size", "longest"), [(1, 1), (4, 4), (1000, 1000)])
async def test_iter_chunked_gives_at_most_so_much(backend: Backend, size: int, longest: int) -> None:
    parts = await reading(backend, lambda content: all_of(content.iter_chunked(size)), b"abcdefg", b"h" * 20)
    assert all(0 < len(part) <= longest for part in parts)
    assert b"".join(parts) == b"abcdefg" + b"h" * 20


async def test_iter_chunked_of_nothing_reads_nothing(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return await all_of(content.iter_chunked(0)), await content.read()

    assert await reading(backend, read, b"abc") == ([], b"abc")


async def test_iterators_of_an_empty_body(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return await all_of(content.iter_any()), await all_of(content.iter_chunked(3)), await all_of(content)

    assert await reading(backend, read, b"") == ([], [], [])


async def test_loop_that_is_left_early(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        parts = []
        async for part in content.iter_chunked(2):
            parts.append(part)
            if len(parts) == 2:
                break
        return parts, await content.read()

    assert await reading(backend, read, b"abcdef") == ([b"ab", b"cd"], b"ef")


async def test_loop_over_lines_that_is_left_early(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        lines = []
        async for line in request.content:
            lines.append(line)
            if line == b"\n":
                break
        return lines, await request.read()

    assert await observe(backend, look, "POST", content=b"a\n\nb\nc") == ([b"a\n", b"\n"], b"b\nc")


async def test_calls_can_be_mixed(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        return (
            await content.readline(),
            await content.readexactly(1),
            await content.readuntil(b"="),
            await content.read(2),
            await content.readany(),
        )

    assert await reading(backend, read, b"a\nbc=defg") == (b"a\n", b"b", b"c=", b"de", b"fg")


# --- What has arrived -----------------------------------------------------------------------------


async def test_at_eof_is_about_what_was_read(backend: Backend) -> None:
    async def read(content: Any) -> list[bool]:
        seen = [content.at_eof()]
        for size in (2, 1, 1):
            await content.read(size)
            seen.append(content.at_eof())
        return seen

    assert (await reading(backend, read, b"abc"))[:2] == [False, False]
    assert (await reading(backend, read, b"abc"))[-1] is True


async def test_wait_eof_keeps_the_body(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        waited = await content.wait_eof()
        before = content.is_eof(), content.at_eof(), content.total_bytes
        return waited, before, await content.read(), content.at_eof(), await content.wait_eof()

    assert await reading(backend, read, b"abc") == (None, (True, False, 3), b"abc", True, None)


async def test_is_eof_after_the_last_byte(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        await content.read()
        return content.is_eof(), content.at_eof()

    assert await reading(backend, read, b"abc") == (True, True)


async def test_total_bytes(backend: Backend) -> None:
    async def read(content: Any) -> int:
        async for _ in content.iter_any():
            pass
        return int(content.total_bytes)

    assert await reading(backend, read, b"ab", b"cde") == 5


async def test_on_eof_is_called_once_and_at_once_afterwards(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        log: list[int] = []
        content.on_eof(lambda: log.append(1))
        await content.read()
        first = list(log)
        content.on_eof(lambda: log.append(2))
        return first, log

    assert await reading(backend, read, b"abc") == ([1], [1, 2])


async def test_on_eof_of_a_request_without_body(backend: Backend) -> None:
    async def look(request: Any) -> list[int]:
        log: list[int] = []
        request.content.on_eof(lambda: log.append(1))
        return log

    assert await observe(backend, look) == [1]


async def test_on_eof_that_fails_does_not_disturb_the_reader(backend: Backend) -> None:
    def fail() -> None:
        raise ValueError

    async def read(content: Any) -> Any:
        content.on_eof(fail)
        return await content.read()

    assert await reading(backend, read, b"abc") == b"abc"


async def test_read_nowait(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        await content.wait_eof()
        return content.read_nowait(0), content.read_nowait(2), content.read_nowait(), content.read_nowait(5)

    assert await reading(backend, read, b"abc") == (b"", b"ab", b"c", b"")


async def test_exception_is_none_for_a_good_body(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        await content.read()
        return content.exception()

    assert await reading(backend, read, b"abc") is None


@pytest.mark.parametrize(
    "read",
    [
        lambda content: content.read(),
        lambda content: content.read(0),
        lambda content: content.read(1),
        lambda content: content.readany(),
        lambda content: content.readexactly(1),
        lambda content: content.readline(),
        lambda content: content.readuntil(b"x"),
        lambda content: content.readchunk(),
        lambda content: anext(content.iter_any()),
        lambda content: anext(content.iter_chunked(2)),
        lambda content: anext(content.iter_chunks()),
        lambda content: anext(aiter(content)),
    ],
    ids=[
        "read",
        "read-0",
        "read-1",
        "readany",
        "readexactly",
        "readline",
        "readuntil",
        "readchunk",
        "iter_any",
        "iter_chunked",
        "iter_chunks",
        "aiter",
    ],
)
async def test_set_exception_is_raised_by_every_read(backend: Backend, read: Look) -> None:
    async def look(content: Any) -> bool:
        error = LookupError("broken")
        content.set_exception(error)
        with pytest.raises(LookupError, match="broken") as caught:
            await read(content)
        return caught.value is error is content.exception()

    assert await reading(backend, look, b"abc")


async def test_unread_data_is_deprecated(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        data = await content.read(3)
        with pytest.warns(DeprecationWarning, match="unread_data"):
            content.unread_data(data[1:])
        return await content.read(1), await content.read()

    assert await reading(backend, read, b"abcdef") == (b"b", b"cdef")


async def test_unread_data_after_the_end(backend: Backend) -> None:
    async def read(content: Any) -> Any:
        await content.read()
        with pytest.warns(DeprecationWarning, match="unread_data"):
            content.unread_data(b"xyz")
        return content.at_eof(), content.is_eof(), await content.read(), content.at_eof()

    assert await reading(backend, read, b"abc") == (False, True, b"xyz", True)


async def test_loop_until_at_eof(backend: Backend) -> None:
    async def read(content: Any) -> bytes:
        parts = []
        while not content.at_eof():
            parts.append(await content.read(3))
        return b"".join(parts)

    assert await reading(backend, read, b"abcdefgh") == b"abcdefgh"
    assert await reading(backend, read, b"ab", b"cdef", b"gh") == b"abcdefgh"


@pytest.mark.parametrize("size", [3, 200_000])
async def test_at_eof_after_exactly_the_content_length(backend: Backend, size: int) -> None:
    """Nothing more can follow, whatever the server has still to say."""

    async def read(content: Any) -> Any:
        await content.readexactly(size)
        return content.at_eof()

    assert await reading(backend, read, b"x" * size) is True


# --- The stream and the calls of the request ------------------------------------------------------


async def test_content_is_one_object(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return request.content is request.content, request.clone().content is request.content

    assert await observe(backend, look, "POST", content=b"abc") == (True, True)


async def test_content_of_a_clone_is_the_same_stream(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        clone = request.clone(method="PUT")
        return await clone.content.read(1), await request.content.read(), clone.content.at_eof()

    assert await observe(backend, look, "POST", content=b"abc") == (b"a", b"bc", True)


async def test_content_after_read(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        body = await request.read()
        content = request.content
        return body, content.at_eof(), content.is_eof(), await content.read(), await content.readany()

    assert await observe(backend, look, "POST", content=b"abc") == (b"abc", True, True, b"", b"")


async def test_content_after_post(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        form = dict(await request.post())
        return form, request.content.at_eof(), await request.content.read(), request.can_read_body, request.body_exists

    assert await observe(backend, look, "POST", data={"a": "1"}) == ({"a": "1"}, True, b"", False, True)


async def test_total_bytes_after_read(backend: Backend) -> None:
    async def look(request: Any) -> int:
        await request.read()
        return int(request.content.total_bytes)

    assert await observe(backend, look, "POST", content=b"abcdef") == 6


async def test_read_after_content_was_read_is_empty(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.content.read()
        return await request.read(), await request.text(), request.body_exists, request.can_read_body

    assert await observe(backend, look, "POST", content=b"abc") == (b"", "", True, False)


async def test_post_after_content_was_read_is_empty(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.content.read()
        return dict(await request.post())

    assert await observe(backend, look, "POST", data={"a": "1"}) == {}


async def test_can_read_body_in_the_middle(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.content.read(1)
        return request.can_read_body, request.body_exists

    assert await observe(backend, look, "POST", content=b"abc") == (True, True)


async def test_release_after_a_part_was_read(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        part = await request.content.read(2)
        return part, await request.release(), await request.read(), request.can_read_body, request.body_exists

    assert await observe(backend, look, "POST", content=b"abcdef") == (b"ab", None, b"", False, True)


async def test_release_twice(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.release()
        await request.release()
        return await request.text()

    assert await observe(backend, look, "POST", content=b"abcdef") == ""


async def test_release_after_read_keeps_what_was_read(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.read()
        await request.release()
        return await request.read()

    assert await observe(backend, look, "POST", content=b"abcdef") == b"abcdef"


async def test_release_of_no_body(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.release()) is None


async def test_content_of_a_get_with_a_body(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.content.read(), content=b"abc") == b"abc"


async def test_content_of_no_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        content = request.content
        return content.at_eof(), content.is_eof(), content.total_bytes, await content.readany(), content.read_nowait()

    assert await observe(backend, look) == (True, True, 0, b"", b"")


async def test_iteration_over_no_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await all_of(request.content), await all_of(request.content.iter_any())

    assert await observe(backend, look) == ([], [])


async def test_readexactly_of_no_body(backend: Backend) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await observe(backend, lambda request: request.content.readexactly(1))


# --- The limit bounds what collects, not what streams ---------------------------------------------


async def limited(backend: Backend, read: Look, body: bytes, **options: Any) -> httpx.Response:
    """The answer of an application with `client_max_size=10` that echoes the length of what it read."""

    async def handler(request: Any) -> Any:
        return backend.web.Response(text=str(len(await read(request))))

    app = backend.web.Application(client_max_size=10)
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        return await client.post("/", content=body, **options)


async def joined(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join(await all_of(parts))


@pytest.mark.parametrize(
    "read",
    [
        lambda request: request.content.readany(),
        lambda request: request.content.readexactly(20),
        lambda request: request.content.readline(),
        lambda request: joined(request.content.iter_any()),
        lambda request: joined(request.content.iter_chunked(7)),
        lambda request: joined(aiter(request.content)),
    ],
    ids=["readany", "readexactly", "readline", "iter_any", "iter_chunked", "aiter"],
)
async def test_limit_does_not_bound_streaming(backend: Backend, read: Look) -> None:
    response = await limited(backend, read, b"x" * 20)
    assert (response.status_code, response.text) == (200, "20")


async def test_limit_counts_what_read_collects(backend: Backend) -> None:
    """What was streamed before does not count."""

    async def read(request: Any) -> Any:
        await request.content.readexactly(15)
        return await request.read()

    response = await limited(backend, read, b"x" * 20)
    assert (response.status_code, response.text) == (200, "5")


async def test_content_after_the_limit_was_hit(backend: Backend) -> None:
    """A handler may catch the 413; the connection goes on."""
    web = backend.web

    async def handler(request: Any) -> Any:
        try:
            await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(text="caught")

    app = web.Application(client_max_size=10)
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        assert [(await client.post("/", content=b"x" * 20_000)).text for _ in range(2)] == ["caught", "caught"]


# --- The wire -------------------------------------------------------------------------------------


async def echo_raw(backend: SocketBackend, request: bytes, read: Look) -> bytes:
    """The whole answer of a handler that sends back what `read(request)` gives."""

    async def handler(request: Any) -> Any:
        return backend.web.Response(body=await read(request))

    app = backend.web.Application()
    app.router.add_route("*", "/", handler)
    async with backend.serve(app) as address:
        return await exchange(address, request)


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


async def test_chunked_body_by_line(socket_backend: SocketBackend) -> None:
    body = b"3\r\na\nb\r\n2\r\nc\n\r\n1\r\nd\r\n0\r\n\r\n"

    async def read(request: Any) -> bytes:
        return b"|".join(await all_of(request.content))

    assert (await echo_raw(socket_backend, CHUNKED + body, read)).endswith(b"\r\n\r\na\n|bc\n|d")


async def test_chunked_body_with_trailers(socket_backend: SocketBackend) -> None:
    body = b"3\r\nabc\r\n0\r\nX-Checksum: 1\r\n\r\n"
    received = await echo_raw(socket_backend, CHUNKED + body, lambda request: request.content.read())
    assert received.endswith(b"\r\n\r\nabc")


async def test_chunked_body_of_nothing(socket_backend: SocketBackend) -> None:
    async def read(request: Any) -> bytes:
        return repr((await request.content.read(), request.body_exists)).encode()

    received = await echo_raw(socket_backend, CHUNKED + b"0\r\n\r\n", read)
    assert received.endswith(b"\r\n\r\n(b'', True)")


@pytest.mark.parametrize("body", [b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n", b"3\r\nabcde\r\n0\r\n\r\n"])
async def test_malformed_chunks_are_no_success(socket_backend: SocketBackend, body: bytes) -> None:
    received = await echo_raw(socket_backend, CHUNKED + body, lambda request: request.content.read())
    assert not received.startswith(b"HTTP/1.1 2")


async def test_body_in_many_tiny_chunks(socket_backend: SocketBackend) -> None:
    body = b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n"

    async def read(request: Any) -> bytes:
        return str(len(await request.content.read())).encode()

    assert (await echo_raw(socket_backend, CHUNKED + body, read)).endswith(b"\r\n\r\n5000")


async def test_handler_that_answers_before_the_body_is_complete(socket_backend: SocketBackend) -> None:
    """The client hears of it while it still has something to send."""

    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(text="enough")

    app = socket_backend.web.Application()
    app.router.add_post("/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(6) == b"enough"
        writer.close()
        await writer.wait_closed()


async def test_next_request_after_a_body_that_came_late(socket_backend: SocketBackend) -> None:
    """What is left of an unread body is not taken for the next request."""

    async def handler(request: Any) -> Any:
        return socket_backend.web.Response(text=request.method)

    app = socket_backend.web.Application()
    app.router.add_route("*", "/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nG")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(4) == b"POST"
        writer.write(b"ET /" + b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nPUT")
        writer.close()
        await writer.wait_closed()


async def test_connection_after_a_body_that_was_half_read(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(body=await request.content.readexactly(2))

    app = web.Application()
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        for prefix in (b"ab", b"cd", b"ef"):
            assert (await client.post("/", content=prefix + b"x" * 50_000)).content == prefix


async def test_connection_after_an_error_with_an_unread_body(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        raise web.HTTPForbidden(text=request.path)

    app = web.Application()
    app.router.add_route("*", "/{name}", handler)
    async with backend.client(app) as client:
        for path in ("/1", "/2"):
            response = await client.put(path, content=b"x" * 50_000)
            assert (response.status_code, response.text) == (403, path)


async def test_echo_while_reading(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse()
        await response.prepare(request)
        async for line in request.content:
            await response.write(line.upper())
        return response

    assert (await ask(backend, handler, "POST", content=pieces(b"a\nb", b"\nc"))).content == b"A\nB\nC"


# --- Readers that wait ----------------------------------------------------------------------------


async def waiting(backend: SocketBackend, read: Look, *sent: bytes) -> Any:
    """What `read(request.content)` gives for a body of ten bytes, which the client sends piece by piece."""
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    rest = list(sent)

    async def handler(request: Any) -> Any:
        try:
            outcome.set_result(await read(request.content))
        except Exception as exc:
            outcome.set_exception(exc)
        return backend.web.Response()

    app = backend.web.Application()
    app.router.add_post("/", handler)
    async with backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        while not outcome.done():
            await asyncio.sleep(0.05)
            if rest:
                writer.write(rest.pop(0))
        writer.close()
        await writer.wait_closed()
        return outcome.result()


async def test_second_reader_at_the_same_time(socket_backend: SocketBackend) -> None:
    async def read(content: Any) -> Any:
        first = asyncio.create_task(content.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await content.read()
        return await first

    assert await waiting(socket_backend, read, b"abcde", b"fghij") == b"abcdefghij"


async def test_read_that_was_given_up_loses_nothing(socket_backend: SocketBackend) -> None:
    async def read(content: Any) -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await content.read()
        assert not content.at_eof()
        return await content.read()

    assert await waiting(socket_backend, read, b"abc", b"defgh", b"ij") == b"abcdefghij"


async def test_exception_reaches_the_reader_that_waits(socket_backend: SocketBackend) -> None:
    """aiohttp's reader wakes up at once; here it does with the client's next piece, for which it waits."""

    async def read(content: Any) -> Any:
        reader = asyncio.create_task(content.readany())
        await asyncio.sleep(0)
        content.set_exception(LookupError("enough"))
        with pytest.raises(LookupError, match="enough"):
            await reader
        return "woken"

    assert await waiting(socket_backend, read, b"abc") == "woken"


async def test_reader_gets_each_piece_as_it_comes(socket_backend: SocketBackend) -> None:
    async def read(content: Any) -> Any:
        return await all_of(content.iter_any())

    assert await waiting(socket_backend, read, b"abc", b"defgh", b"ij") == [b"abc", b"defgh", b"ij"]


async def test_line_that_comes_in_two_pieces(socket_backend: SocketBackend) -> None:
    async def read(content: Any) -> Any:
        return await content.readline(), await content.readline(), await content.readline()

    assert await waiting(socket_backend, read, b"ab", b"c\nde", b"f\ng\n") == (b"abc\n", b"def\n", b"g\n")


async def test_two_tasks_take_turns(socket_backend: SocketBackend) -> None:
    """With a lock of their own, several tasks can share a body."""

    async def read(content: Any) -> Any:
        lock = asyncio.Lock()

        async def take() -> bytes:
            async with lock:
                data: bytes = await content.readexactly(5)
                return data

        return await asyncio.gather(take(), take())

    assert await waiting(socket_backend, read, b"abc", b"defg", b"hij") == [b"abcde", b"fghij"]


# --- The client leaves ----------------------------------------------------------------------------


async def leaving(backend: SocketBackend, read: Look, sent: bytes) -> Any:
    """What `read(request)` gives or raises when the client sends the bytes and closes the connection."""
    results: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    started = asyncio.Event()

    async def handler(request: Any) -> Any:
        started.set()
        try:
            results.set_result(await read(request))
        except Exception as exc:
            results.set_result(exc)
        return backend.web.Response()

    app = backend.web.Application()
    app.router.add_post("/", handler)
    async with backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(sent)
        await started.wait()
        writer.transport.abort()
        return await results


PARTIAL = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\na\nb"
PARTIAL_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n"


@pytest.mark.parametrize("sent", [PARTIAL, PARTIAL_CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "read",
    [
        all_of,
        lambda content: all_of(content.iter_any()),
        lambda content: all_of(content.iter_chunked(2)),
        lambda content: all_of(content.iter_chunks()),
        lambda content: content.readuntil(b"--"),
        lambda content: content.wait_eof(),
    ],
    ids=["aiter", "iter_any", "iter_chunked", "iter_chunks", "readuntil", "wait_eof"],
)
async def test_client_that_leaves_in_the_middle(socket_backend: SocketBackend, read: Look, sent: bytes) -> None:
    error = await leaving(socket_backend, lambda request: read(request.content), sent)
    assert isinstance(error, ConnectionResetError)


async def test_every_read_after_the_client_left_fails(socket_backend: SocketBackend) -> None:
    async def read(request: Any) -> Any:
        errors = []
        for _ in range(2):
            with pytest.raises(ConnectionResetError) as caught:
                await request.content.read()
            errors.append(caught.value)
        return errors[0] is errors[1] is request.content.exception()

    assert await leaving(socket_backend, read, PARTIAL) is True


async def test_part_that_came_before_the_client_left(socket_backend: SocketBackend) -> None:
    async def read(request: Any) -> Any:
        line = await request.content.readline()
        with pytest.raises(ConnectionResetError):
            await request.content.readexactly(5)
        return line

    assert await leaving(socket_backend, read, PARTIAL) == b"a\n"


async def test_client_that_leaves_after_a_whole_body(socket_backend: SocketBackend) -> None:
    """The body was complete: it can be read."""
    sent = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    assert await leaving(socket_backend, lambda request: request.content.read(), sent) == b"abc"
