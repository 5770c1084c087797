"""`request.multipart()`: which parts there are, nested bodies, boundaries, and a `MultipartReader` of one's own."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.asking import ask, observe
from tests.contract.backends import Backend, SocketBackend
from tests.contract.multiparts import (
    FIELD,
    FILE,
    FORM_DATA,
    MIXED,
    field,
    form_items,
    in_pieces,
    multipart,
    part,
    parts_of,
    submit,
)


def reader_class(backend: Backend) -> Any:
    name = "aiohttp" if backend.name == "aiohttp" else "framework.multipart"
    return importlib.import_module(name).MultipartReader


# --- The parts ------------------------------------------------------------------------------------


async def test_parts_in_their_order(backend: Backend) -> None:
    body = multipart(field(b"1"), part(b"2", FILE), field(b"3", name="b"), part(b"4"))
    assert await submit(backend, parts_of, body) == [
        ("a", None, b"1"),
        ("a", "f.txt", b"2"),
        ("b", None, b"3"),
        (None, None, b"4"),
    ]


async def test_next_gives_none_at_the_end_and_after_it(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        first = await reader.next()
        return await first.text(), await reader.next(), await reader.next()

    assert await submit(backend, look, multipart(field(b"1"))) == ("1", None, None)


async def test_at_eof_of_the_reader(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        ends = [reader.at_eof()]
        while (part := await reader.next()) is not None:
            ends.append(reader.at_eof())
            await part.read()
        return [*ends, reader.at_eof()]

    assert await submit(backend, look, multipart(field(b"1"), field(b"2"))) == [False, False, False, True]


@pytest.mark.parametrize("body", [b"--b--\r\n", b"--b--"])
async def test_no_parts(backend: Backend, body: bytes) -> None:
    assert await submit(backend, parts_of, body) == []


async def test_iteration_over_parts(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        names = []
        async for item in await request.multipart():
            names.append(item.name)
            if item.name == "b":
                break
        return names

    body = multipart(field(b"1"), field(b"2", name="b"), field(b"3", name="c"))
    assert await submit(backend, look, body) == ["a", "b"]


async def test_unread_parts_are_skipped(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        return [part.name async for part in reader], reader.at_eof()

    body = multipart(field(b"1"), part(b"\r\n--" * 50_000, FILE), field(b"3", name="c"))
    assert await submit(backend, look, body) == (["a", "a", "c"], True)


async def test_half_read_parts_are_skipped(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return [await part.read_chunk(100) async for part in await request.multipart()]

    body = multipart(field(b"1" * 10_000), field(b"2" * 100), field(b"3"))
    assert await submit(backend, look, body) == [b"1" * 100, b"2" * 100, b"3"]


async def test_part_left_behind_gives_nothing(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        first = await reader.next()
        second = await reader.next()
        return await first.read(), first.at_eof(), await second.read()

    assert await submit(backend, look, multipart(field(b"1"), field(b"2"))) == (b"", True, b"2")


async def test_release_of_the_reader(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        await reader.next()
        released = await reader.release()
        return released, reader.at_eof(), await reader.next()

    assert await submit(backend, look, multipart(field(b"1"), field(b"2"))) == (None, True, None)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_every_method_has_parts(backend: Backend, method: str) -> None:
    assert await submit(backend, parts_of, multipart(field(b"1")), method) == [("a", None, b"1")]


@pytest.mark.parametrize("subtype", ["form-data", "mixed", "related", "x-own"])
async def test_subtypes(backend: Backend, subtype: str) -> None:
    headers = {"Content-Type": f"multipart/{subtype}; boundary=b"}
    assert await submit(backend, parts_of, multipart(field(b"1")), headers=headers) == [("a", None, b"1")]


async def test_charset_field_of_another_subtype_is_a_part(backend: Backend) -> None:
    body = multipart(field(b"latin-1", name="_charset_"), field(b"1"))
    assert await submit(backend, parts_of, body, headers=MIXED) == [("_charset_", None, b"latin-1"), ("a", None, b"1")]


@pytest.mark.parametrize("size", [1, 2, 5, 64])
async def test_parts_in_small_pieces(backend: Backend, size: int) -> None:
    body = multipart(field(b"first\r\n--c"), part(b"second\r\n", FILE), field(b""), boundary=b"a-longer-one")
    headers = {"Content-Type": "multipart/form-data; boundary=a-longer-one"}
    assert await submit(backend, parts_of, in_pieces(body, size), headers=headers) == [
        ("a", None, b"first\r\n--c"),
        ("a", "f.txt", b"second\r\n"),
        ("a", None, b""),
    ]


async def test_thousands_of_parts(backend: Backend) -> None:
    async def look(request: Any) -> int:
        return len([part async for part in await request.multipart()])

    assert await submit(backend, look, multipart(*[field(b"1")] * 3000)) == 3000


async def test_multipart_after_post_finds_nothing(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.post()
        return await (await request.multipart()).next()

    with pytest.raises(ValueError):
        await submit(backend, look, multipart(field(b"1")))


async def test_multipart_after_read(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.read()
        return await parts_of(request)

    if backend.name == "aiohttp":
        with pytest.raises(ValueError, match="starting boundary"):
            await submit(backend, look, multipart(field(b"1")))
    else:
        assert await submit(backend, look, multipart(field(b"1"))) == [("a", None, b"1")]


async def test_part_is_read_while_it_arrives(backend: Backend) -> None:
    began = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"--b\r\n" + field(b"x" * 100_000)
        if backend.name != "asgi":  # httpx's transport hands over the whole body before anything is answered
            await asyncio.wait_for(began.wait(), 10)
        yield b"y\r\n--b--\r\n"

    async def look(request: Any) -> Any:
        content = await (await request.multipart()).next()
        chunk = await content.read_chunk()
        began.set()
        return chunk + await content.read()

    assert await submit(backend, look, body()) == b"x" * 100_000 + b"y"


# --- Preamble and epilogue ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "preamble", [b"\r\n", b"to be ignored\r\n", b"one\r\ntwo\r\n\r\n", b"-\r\n--\r\n--other\r\n", b"\r\n" * 500]
)
async def test_preamble_is_ignored(backend: Backend, preamble: bytes) -> None:
    assert await submit(backend, parts_of, preamble + multipart(field(b"1"))) == [("a", None, b"1")]


@pytest.mark.parametrize(
    "epilogue", [b"\r\n", b"to be ignored", b"--b\r\n\r\nno part\r\n--b--\r\n", b"x" * 100_000], ids=len
)
async def test_epilogue_is_ignored(backend: Backend, epilogue: bytes) -> None:
    assert await submit(backend, parts_of, multipart(field(b"1")) + epilogue) == [("a", None, b"1")]


async def test_last_boundary_without_a_line_break(backend: Backend) -> None:
    assert await submit(backend, parts_of, multipart(field(b"1"))[:-2]) == [("a", None, b"1")]


@pytest.mark.parametrize("padding", [b" ", b" \t "])
async def test_padding_behind_the_last_boundary(backend: Backend, padding: bytes) -> None:
    assert await submit(backend, parts_of, multipart(field(b"1"))[:-2] + padding + b"\r\n") == [("a", None, b"1")]


# --- Boundaries -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "boundary",
    [
        "b",
        "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "------------------------d74496d66958873e",
        "'()+_,-./:=?",
        "a b",
        "=",
        "-",
        "x" * 70,
    ],
)
async def test_quoted_boundary(backend: Backend, boundary: str) -> None:
    body = multipart(field(b"1"), field(b"2"), boundary=boundary.encode())
    headers = {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}
    assert await submit(backend, parts_of, body, headers=headers) == [("a", None, b"1"), ("a", None, b"2")]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data;boundary=b",
        "multipart/form-data; boundary=b; charset=utf-8",
        "multipart/form-data; charset=utf-8; boundary=b",
        "MULTIPART/Form-Data; BOUNDARY=b",
        'multipart/form-data; title="boundary=c"; boundary=b',
    ],
)
async def test_content_type(backend: Backend, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert await submit(backend, parts_of, multipart(field(b"1")), headers=headers) == [("a", None, b"1")]
    assert await submit(backend, form_items, multipart(field(b"1")), headers=headers) == [("a", "1")]


async def test_boundary_counts_case(backend: Backend) -> None:
    body = multipart(field(b"1\r\n--Q--"), boundary=b"q")
    headers = {"Content-Type": "multipart/form-data; boundary=q"}
    assert await submit(backend, parts_of, body, headers=headers) == [("a", None, b"1\r\n--Q--")]


async def test_boundary_within_a_line_is_content(backend: Backend) -> None:
    assert await submit(backend, parts_of, multipart(field(b"1--b\r\n--\r\nb"))) == [("a", None, b"1--b\r\n--\r\nb")]


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; charset=utf-8", "multipart/mixed"]
)
async def test_content_type_without_a_boundary(backend: Backend, content_type: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        await submit(backend, parts_of, multipart(field(b"1")), headers={"Content-Type": content_type})


async def test_form_without_a_boundary(backend: Backend) -> None:
    with pytest.raises(ValueError, match="boundary"):
        await submit(backend, form_items, multipart(field(b"1")), headers={"Content-Type": "multipart/form-data"})


async def test_empty_boundary(backend: Backend) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary="}
    with pytest.raises(ValueError):
        await submit(backend, parts_of, multipart(field(b"1")), headers=headers)


async def test_boundary_of_more_than_70_characters(backend: Backend) -> None:
    boundary = "x" * 71
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with pytest.raises(ValueError, match="70"):
        await submit(backend, parts_of, multipart(field(b"1"), boundary=boundary.encode()), headers=headers)


async def test_body_with_another_boundary(backend: Backend) -> None:
    with pytest.raises(ValueError):
        await submit(backend, parts_of, multipart(field(b"1"), boundary=b"other"))


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/x-www-form-urlencoded"])
async def test_content_type_that_is_not_multipart(backend: Backend, content_type: str) -> None:
    # An AssertionError would vanish under `python -O`, where aiohttp then looks for a boundary.
    expected = AssertionError if backend.name == "aiohttp" else ValueError
    with pytest.raises(expected, match=r"^multipart/\* content type expected$"):
        await submit(backend, parts_of, multipart(field(b"1")), headers={"Content-Type": content_type})


async def test_no_content_type(backend: Backend) -> None:
    expected = KeyError if backend.name == "aiohttp" else ValueError
    with pytest.raises(expected):
        await submit(backend, parts_of, multipart(field(b"1")), headers={})


# --- Nested bodies --------------------------------------------------------------------------------

INNER = multipart(part(b"i1"), part(b"i2", "Content-Type: text/plain"), boundary=b"c")
NESTED = multipart(field(b"1"), field(INNER, "Content-Type: multipart/mixed; boundary=c"), field(b"3", name="b"))


async def contents(reader: Any) -> list[Any]:
    """The contents of all parts, a list for a nested body."""
    found: list[Any] = []
    async for item in reader:
        found.append(await contents(item) if hasattr(item, "next") and hasattr(item, "fetch_next_part") else None)
        if found[-1] is None:
            found[-1] = await item.read()
    return found


@pytest.mark.parametrize("headers", [FORM_DATA, MIXED], ids=["form-data", "mixed"])
async def test_nested_body(backend: Backend, headers: dict[str, str]) -> None:
    async def look(request: Any) -> Any:
        return await contents(await request.multipart())

    assert await submit(backend, look, NESTED, headers=headers) == [b"1", [b"i1", b"i2"], b"3"]


async def test_nested_reader(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        await reader.next()
        nested = await reader.next()
        assert type(nested) is type(reader)
        before = nested.at_eof()
        await nested.release()
        return nested.headers["content-type"], before, nested.at_eof(), (await reader.next()).name

    assert await submit(backend, look, NESTED) == ("multipart/mixed; boundary=c", False, True, "b")


async def test_nested_body_is_skipped(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return [type(part).__name__ async for part in await request.multipart()]

    assert await submit(backend, look, NESTED) == ["BodyPartReader", "MultipartReader", "BodyPartReader"]


async def test_nested_body_is_left_in_the_middle(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        await reader.next()
        first = await (await reader.next()).next()
        return await first.read(), await (await reader.next()).read()

    assert await submit(backend, look, NESTED) == (b"i1", b"3")


async def test_body_nested_twice(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await contents(await request.multipart())

    middle = multipart(part(INNER, "Content-Type: multipart/mixed; boundary=c"), part(b"m"), boundary=b"d")
    body = multipart(field(middle, 'Content-Type: multipart/mixed; boundary="d"'), field(b"3"))
    assert await submit(backend, look, body) == [[[b"i1", b"i2"], b"m"], b"3"]


async def test_nested_body_in_small_pieces(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await contents(await request.multipart())

    assert await submit(backend, look, in_pieces(NESTED)) == [b"1", [b"i1", b"i2"], b"3"]


# --- A reader of one's own ------------------------------------------------------------------------


async def test_reader_over_content(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = reader_class(backend)(request.headers, request.content)
        return [(part.name, await part.read()) async for part in reader]

    assert await submit(backend, look, multipart(field(b"1"))) == [("a", b"1")]


async def test_reader_with_headers_of_its_own(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = reader_class(backend)({"Content-Type": "multipart/mixed; boundary=c"}, request.content)
        return [await part.text() async for part in reader]

    assert await observe(backend, look, "POST", content=multipart(part(b"1"), boundary=b"c")) == ["1"]


async def test_reader_is_not_bound_by_the_limit_of_the_application(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        small = request.clone(client_max_size=10)
        part = await reader_class(backend)(small.headers, small.content).next()
        return len(await part.read())

    assert await submit(backend, look, multipart(field(b"x" * 1000))) == 1000


async def test_limit_of_a_reader(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        part = await reader_class(backend)(request.headers, request.content, client_max_size=5).next()
        return await part.read()

    assert await submit(backend, look, multipart(field(b"12345"))) == b"12345"
    with pytest.raises(ValueError, match=r"^5$"):
        await submit(backend, look, multipart(field(b"123456")))


async def test_subclass_with_parts_of_its_own(backend: Backend) -> None:
    base = reader_class(backend)

    async def look(request: Any) -> Any:
        class Part(base.part_reader_cls):  # type: ignore[name-defined, misc]
            def shout(self) -> str:
                return str(self.name).upper()

        class Reader(base):  # type: ignore[misc, valid-type]
            part_reader_cls = Part

        reader = Reader(request.headers, request.content)
        first, nested = await reader.next(), await reader.next()
        return first.shout(), type(nested).__name__, (await nested.next()).shout()

    body = multipart(field(b"1"), part(INNER, "Content-Type: multipart/mixed; boundary=c"))
    assert await submit(backend, look, body) == ("A", "Reader", "NONE")


# --- The limits -----------------------------------------------------------------------------------


async def ask_limited(backend: Backend, read: Any, content: bytes, **options: Any) -> Any:
    """The answer of an application with `client_max_size=100` that gives the size of what `read` finds."""
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(text=str(sum([len(await read(part)) async for part in await request.multipart()])))

    app = web.Application(client_max_size=100)
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        return await client.post("/", content=content, headers=options.get("headers", FORM_DATA))


@pytest.mark.parametrize("method", ["read", "text", "next"])
async def test_part_of_exactly_the_limit(backend: Backend, method: str) -> None:
    response = await ask_limited(backend, lambda part: getattr(part, method)(), multipart(field(b"x" * 100)))
    assert (response.status_code, response.text) == (200, "100")


@pytest.mark.parametrize("method", ["read", "text", "json", "form", "next"])
async def test_part_over_the_limit(backend: Backend, method: str) -> None:
    response = await ask_limited(backend, lambda part: getattr(part, method)(), multipart(field(b"1" * 101)))
    assert (response.status_code, response.text) == (413, "Maximum request body size 100 exceeded.")


async def test_limit_counts_for_each_part(backend: Backend) -> None:
    body = multipart(field(b"x" * 100), field(b"x" * 100))
    assert (await ask_limited(backend, lambda part: part.read(), body)).text == "200"


async def test_limit_does_not_bound_chunks(backend: Backend) -> None:
    async def read(part: Any) -> bytes:
        chunks = []
        while chunk := await part.read_chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    assert (await ask_limited(backend, read, multipart(field(b"x" * 50_000)))).text == "50000"


async def test_limit_does_not_bound_skipped_parts(backend: Backend) -> None:
    async def read(part: Any) -> bytes:
        await part.release()
        return b""

    assert (await ask_limited(backend, read, multipart(field(b"x" * 50_000)))).text == "0"


# --- The client leaves ----------------------------------------------------------------------------


async def read_next(request: Any) -> None:
    reader = await request.multipart()
    while await reader.next() is not None:
        pass


def read_part(method: str) -> Any:
    async def read(request: Any) -> None:
        part = await (await request.multipart()).next()
        while await getattr(part, method)():
            pass

    return read


@pytest.mark.parametrize(
    "read",
    [read_next, read_part("read"), read_part("read_chunk"), read_part("readline"), read_part("release")],
    ids=["next", "read", "read_chunk", "readline", "release"],
)
async def test_client_that_leaves_in_the_middle_of_a_part(socket_backend: SocketBackend, read: Any) -> None:
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
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(10):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(head + b"--b\r\n" + part(b"half a part", FIELD))
        await started.wait()
        writer.transport.abort()
        await ended.wait()
    (error,) = errors
    assert isinstance(error, ConnectionResetError)


async def test_handler_that_answers_before_the_end(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        part = await (await request.multipart()).next()
        return backend.web.Response(text=await part.text())

    body = multipart(field(b"1"), part(b"x" * 100_000, FILE))
    response = await ask(backend, handler, "POST", content=body, headers=FORM_DATA)
    assert (response.status_code, response.text) == (200, "1")
