"""Multipart bodies that are truncated, malformed or beyond a limit: what is raised, and what the client is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import multiparts
from tests.contract.asking import ask
from tests.contract.backends import Backend
from tests.contract.multiparts import (
    FIELD,
    FILE,
    FORM_DATA,
    field,
    form_items,
    in_pieces,
    multipart,
    part,
    parts_of,
    refusal,
    submit,
)

unclosed_files = multiparts.unclosed_files

WHOLE = multipart(field(b"1"))

#: Bodies that end too early, or are none at all.
TRUNCATED = {
    "empty": b"",
    "in the first boundary": b"--",
    "behind the first boundary": b"--b\r\n",
    "behind a header": b"--b\r\n" + FIELD.encode() + b"\r\n",
    "in the content": b"--b\r\n" + field(b"1"),
    "in a long content": b"--b\r\n" + field(b"1" * 100_000),
    "behind the content": b"--b\r\n" + field(b"1") + b"\r\n",
    "behind half a boundary": b"--b\r\n" + field(b"1") + b"\r\n-",
    "behind a boundary": b"--b\r\n" + field(b"1") + b"\r\n--b",
    "in the last boundary": b"--b\r\n" + field(b"1") + b"\r\n--b-",
    "behind a boundary in the middle": b"--b\r\n" + field(b"1") + b"\r\n--b\r\n",
    "in a file": b"--b\r\n" + part(b"1" * 1000, FILE),
}

#: Bodies whose boundaries are not what they should be.
MISPLACED = {
    "no boundary": b"neither boundary nor line break",
    "octets": bytes(range(256)),
    "line breaks": b"\r\n" * 100,
    "another boundary": multipart(field(b"1"), boundary=b"c"),
    "more behind a boundary": b"--b\r\n" + field(b"1") + b"\r\n--bc\r\n" + field(b"2") + b"\r\n--b--\r\n",
    "ended by LF": WHOLE.replace(b"\r\n", b"\n"),
    "LF before the last boundary": b"--b\r\n" + field(b"1") + b"\n--b--\r\n",
}

#: Heads of parts that are none.
BAD_HEADS = {
    "no colon": b"no colon",
    "no name": b": 1",
    "space in the name": b"X Y: 1",
    "NUL in the value": b"X: a\0b",
    "CR in the value": b"X: a\rb",
    "a control character in the value": b"X: a\x01b",
    "DEL in the value": b"X: a\x7fb",
    "octets in the name": b"X\xff: 1",
    "a boundary": b"--b",
    "a field of 9 KB": b"X: " + b"a" * 9000,
    "a field of 100 KB": b"X: " + b"a" * 100_000,
    "a name of 9 KB": b"X" * 9000 + b": a",
    "200 fields": b"\r\n".join([b"X: a"] * 200),
}

read = pytest.mark.parametrize("read", [form_items, parts_of], ids=["post", "multipart"])


def with_head(head: bytes) -> bytes:
    return b"--b\r\n" + FIELD.encode() + b"\r\n" + head + b"\r\n\r\n1\r\n--b--\r\n"


@read
@pytest.mark.parametrize("body", TRUNCATED.values(), ids=TRUNCATED)
@pytest.mark.usefixtures("unclosed_files")
async def test_truncated_body(backend: Backend, body: bytes, read: Any) -> None:
    with pytest.raises(ValueError):
        await submit(backend, read, body)


@read
async def test_body_that_ends_in_a_head(backend: Backend, read: Any) -> None:
    with refusal(backend):
        await submit(backend, read, b"--b\r\nContent-Dispo")


@read
@pytest.mark.parametrize("body", MISPLACED.values(), ids=MISPLACED)
async def test_misplaced_boundary(backend: Backend, body: bytes, read: Any) -> None:
    with pytest.raises(ValueError):
        await submit(backend, read, body)


@read
@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS)
async def test_malformed_head(backend: Backend, head: bytes, read: Any) -> None:
    with refusal(backend):
        await submit(backend, read, with_head(head))


async def test_malformed_head_in_small_pieces(backend: Backend) -> None:
    with refusal(backend):
        await submit(backend, parts_of, in_pieces(with_head(b"no colon")))


@read
@pytest.mark.parametrize("head", [b"Content-Type: text/plain", b"Content-Length: 1"], ids=["type", "length"])
async def test_part_that_says_twice_what_it_is(backend: Backend, head: bytes, read: Any) -> None:
    with refusal(backend):
        await submit(backend, read, with_head(head + b"\r\n" + head))


@read
@pytest.mark.parametrize("head", [b"X: " + b"a" * 8000, b"\r\n".join([b"X: a"] * 120)], ids=["long", "many"])
async def test_head_within_the_limits(backend: Backend, head: bytes, read: Any) -> None:
    assert len(await submit(backend, read, with_head(head))) == 1


@pytest.mark.parametrize("head", [b"X: a\xe9b", b"X: \xf0\x9f\x98\x80", b"X: \x80"])
async def test_octets_beyond_ascii_in_the_head(backend: Backend, head: bytes) -> None:
    assert await submit(backend, form_items, with_head(head)) == [("a", "1")]


async def test_error_comes_behind_the_parts_before_it(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        content = await (await reader.next()).read()
        with pytest.raises(ValueError):
            await (await reader.next()).read()
        return content

    assert await submit(backend, look, b"--b\r\n" + field(b"1") + b"\r\n--b\r\n" + field(b"2")) == b"1"


async def test_truncated_part_gives_what_came(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        part = await (await request.multipart()).next()
        chunk = await part.read_chunk(100)
        with pytest.raises(ValueError):
            await part.read()
        return chunk

    assert await submit(backend, look, b"--b\r\n" + field(b"x" * 10_000)) == b"x" * 100


@pytest.mark.parametrize("method", ["read", "text", "json", "form", "release", "next"])
async def test_every_method_refuses_a_truncated_part(backend: Backend, method: str) -> None:
    async def look(request: Any) -> Any:
        part = await (await request.multipart()).next()
        return await getattr(part, method)()

    with pytest.raises(ValueError):
        await submit(backend, look, b"--b\r\n" + field(b"1"))


async def test_truncated_nested_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        nested = await (await request.multipart()).next()
        return [await part.read() async for part in nested]

    body = multipart(part(b"--c\r\n" + part(b"1"), "Content-Type: multipart/mixed; boundary=c"))
    with pytest.raises(ValueError):
        await submit(backend, look, body)


async def test_nested_body_without_a_boundary(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await (await request.multipart()).next()

    with pytest.raises(ValueError, match="boundary"):
        await submit(backend, look, multipart(part(b"1", "Content-Type: multipart/mixed")))


def nested(depth: int) -> bytes:
    """A body in a body, `depth` times; the boundary of the outermost is b."""
    body = part(b"1")
    for level in range(depth, 0, -1):
        boundary = f"level{level}"
        body = part(multipart(body, boundary=boundary.encode()), f"Content-Type: multipart/mixed; boundary={boundary}")
    return multipart(body)


async def depth(request: Any) -> int:
    found, item = 0, await request.multipart()
    while hasattr(item, "fetch_next_part"):
        found, item = found + 1, await item.next()
    return found - 1


@pytest.mark.parametrize("levels", [0, 1, 8])
async def test_nested_bodies(backend: Backend, levels: int) -> None:
    assert await submit(backend, depth, nested(levels)) == levels


@pytest.mark.parametrize("levels", [9, 200])
async def test_bodies_nested_too_deep(backend: Backend, levels: int) -> None:
    if backend.name == "aiohttp":
        assert await submit(backend, depth, nested(levels)) == levels
    else:
        with pytest.raises(ValueError, match="nested"):
            await submit(backend, depth, nested(levels))


@pytest.mark.parametrize("size", [100_000, 1_000_000])
async def test_line_without_an_end(backend: Backend, size: int) -> None:
    async def look(request: Any) -> int:
        return len(await (await (await request.multipart()).next()).readline())

    body = multipart(field(b"x" * size))
    if backend.name == "aiohttp" and size == 100_000:
        assert await submit(backend, look, body) == size
    else:
        with refusal(backend):
            await submit(backend, look, body)


@pytest.mark.parametrize("size", [0, 1])
async def test_boundary_within_a_line_of_the_preamble(backend: Backend, size: int) -> None:
    # It begins no line, so that the last boundary is the first one.
    body = b"x" + WHOLE
    assert await submit(backend, parts_of, in_pieces(body, size) if size else body) == []


# --- The answer -----------------------------------------------------------------------------------

#: Requests that a handler does not understand and does not catch: the client's fault.
FAULTS: dict[str, tuple[dict[str, str], bytes, int]] = {
    "truncated": (FORM_DATA, WHOLE[:-8], 400),
    "no parts": (FORM_DATA, b"", 400),
    "malformed head": (FORM_DATA, with_head(b"no colon"), 400),
    "long head": (FORM_DATA, with_head(b"X: " + b"a" * 9000), 400),
    "no boundary": ({"Content-Type": "multipart/form-data"}, WHOLE, 400),
    "no name": (FORM_DATA, multipart(part(b"1")), 400),
    "not in its charset": (FORM_DATA, multipart(field(b"\xff")), 400),
    "unknown charset": (FORM_DATA, multipart(field(b"1", "Content-Type: text/plain; charset=nope")), 415),
    "unknown encoding": (FORM_DATA, multipart(field(b"1", "Content-Transfer-Encoding: nope")), 400),
    "bad base64": (FORM_DATA, multipart(field(b"eMO", "Content-Transfer-Encoding: base64")), 400),
    "nested": (FORM_DATA, multipart(part(b"", "Content-Type: multipart/mixed; boundary=c")), 400),
}


@pytest.mark.parametrize(("headers", "body", "status"), FAULTS.values(), ids=FAULTS)
async def test_answer_where_the_handler_lets_it_pass(
    backend: Backend, headers: dict[str, str], body: bytes, status: int
) -> None:
    async def handler(request: Any) -> Any:
        await request.post()
        return backend.web.Response()

    response = await ask(backend, handler, "POST", content=body, headers=headers)
    # aiohttp takes every exception for the handler's own.
    assert response.status_code == (500 if backend.name == "aiohttp" else status)


@pytest.mark.parametrize("content_type", ["text/plain", None])
async def test_answer_to_a_body_that_is_not_multipart(backend: Backend, content_type: str | None) -> None:
    async def handler(request: Any) -> Any:
        await request.multipart()
        return backend.web.Response()

    headers = {"Content-Type": content_type} if content_type else {}
    response = await ask(backend, handler, "POST", content=b"1", headers=headers)
    assert response.status_code == (500 if backend.name == "aiohttp" else 400)


async def test_handler_can_answer_itself(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        try:
            await request.post()
        except ValueError:
            return backend.web.Response(text="no form", status=422)

    response = await ask(backend, handler, "POST", content=WHOLE[:-8], headers=FORM_DATA)
    assert (response.status_code, response.text) == (422, "no form")


@read
@pytest.mark.parametrize(
    "head", [FIELD.encode(), b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: 8bit"]
)
async def test_the_first_of_two_header_fields_counts(backend: Backend, head: bytes, read: Any) -> None:
    assert len(await submit(backend, read, with_head(head))) == 1


# --- Where the two differ -------------------------------------------------------------------------

#: What aiohttp reads as a field, and this package refuses.
ONLY_AIOHTTP = {
    # RFC 2046, section 5.1.1, takes the line break behind the head for that of the boundary.
    "no line break of its own before the boundary": b"--b\r\n" + FIELD.encode() + b"\r\n\r\n--b--\r\n",
    "heads ended by LF": b"--b\n" + FIELD.encode() + b"\n\n1\r\n--b--\r\n",
    "padding behind a boundary": b"--b \r\n" + field(b"1") + b"\r\n--b--\r\n",
    "a line of the preamble that begins like the boundary": b"--bc\r\n" + WHOLE,
}


@read
@pytest.mark.parametrize("body", ONLY_AIOHTTP.values(), ids=ONLY_AIOHTTP)
async def test_only_aiohttp_takes(backend: Backend, body: bytes, read: Any) -> None:
    if backend.name == "aiohttp":
        assert len(await submit(backend, read, body)) == 1
    else:
        with pytest.raises(ValueError):
            await submit(backend, read, body)


#: Heads of parts that aiohttp refuses, and this package reads.
ONLY_HERE = {"space behind the name": b"X-Own : a b", "folded": b"X-Own: a\r\n b"}


@pytest.mark.parametrize("head", ONLY_HERE.values(), ids=ONLY_HERE)
async def test_only_this_package_takes(backend: Backend, head: bytes) -> None:
    async def look(request: Any) -> Any:
        part = await (await request.multipart()).next()
        return part.headers["X-Own"].split(), await part.text()

    if backend.name == "aiohttp":
        with refusal(backend):
            await submit(backend, look, with_head(head))
    else:
        assert await submit(backend, look, with_head(head)) == (["a", "b"], "1")
