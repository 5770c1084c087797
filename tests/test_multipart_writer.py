"""Multipart bodies that are sent: as aiohttp's own writer makes them, and as readers understand them."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from framework import web
from framework.multipart import BodyPartReader, MultipartReader
from framework.multipart_writer import MultipartWriter
from framework.streams import StreamReader
from tests.driver import Driver

BINARY = {"Content-Type": "application/octet-stream"}


class Collected:
    """Anything that can be written to."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.pieces.append(bytes(data))

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


async def written(writer: Any, **options: Any) -> bytes:
    collected = Collected()
    await writer.write(collected, **options)
    return collected.body


async def read_back(writer: MultipartWriter) -> list[tuple[dict[str, str], bytes]]:
    """The headers and the decoded content of each part, as the framework's own reader finds them."""
    stream = StreamReader()
    stream.feed_data(await writer.as_bytes())
    stream.feed_eof()
    parts = []
    reader = MultipartReader(writer.headers, stream)
    while (part := await reader.next()) is not None:
        assert isinstance(part, BodyPartReader)
        parts.append((dict(part.headers), bytes(await part.read(decode=True))))
    return parts


# As aiohttp's


def several(writer: Any) -> None:
    writer.append("text ü")
    writer.append(b"bytes", {"X-Part": "7"})
    writer.append(bytearray(b"more bytes"))
    writer.append(io.BytesIO(b"file in memory"))
    writer.append(io.StringIO("text in memory"))
    writer.append_json([1], {"Content-Type": "application/x-list"})
    writer.append_form([("a", "b ü"), ("a", "c&d")])
    writer.append_form({"a": "1"}, {"X-Part": "8"})


def disposed(writer: Any) -> None:
    writer.append("x").set_content_disposition("ATTACHMENT", filename='snow ☃ "1" \\.txt')
    writer.append("x").set_content_disposition("form-data", name="größe")
    writer.append("x").set_content_disposition("form-data", name='qu"ote\\', filename="")
    writer.append("x").set_content_disposition("form-data", name="line\r\nend\0")
    writer.append("x").set_content_disposition("form-data", quote_fields=False, name="größe", filename='a "☃"')
    writer.append("x").set_content_disposition("inline", _charset="iso-8859-1", title="ü", filename="ü")


def a_form(writer: Any) -> None:
    writer.append("value")
    writer.append("value", {"Content-Disposition": 'form-data; name="given"'})
    writer.append(b"more").set_content_disposition("form-data", name="name", filename="name.bin")


def encoded(writer: Any) -> None:
    text = "naïve = ☃ " * 10
    for encoding in ("base64", "BASE64", "binary"):
        writer.append(text, {"Content-Transfer-Encoding": encoding})
    # In one line: aiohttp breaks longer ones with a bare LF, against RFC 2045, section 6.7.
    writer.append("naïve = ☃ ", {"Content-Transfer-Encoding": "quoted-printable"})
    for encoding in ("gzip", "deflate", "identity"):
        writer.append(text, {"Content-Encoding": encoding})
    writer.append(text, {"Content-Encoding": "gzip", "Content-Transfer-Encoding": "base64"})


def nested(writer: Any) -> None:
    inner = type(writer)("mixed", "inner")
    inner.append("x")
    inner.append("y")
    writer.append(inner)
    writer.append(inner, {"X-Again": "1"})


@pytest.mark.parametrize("boundary", ["B", "a b", "a:b", "a=b?/'()+_,-./:=", "-" * 70])
@pytest.mark.parametrize(
    ("fill", "subtype"),
    [
        (lambda writer: None, "mixed"),
        (several, "mixed"),
        (disposed, "related"),
        (a_form, "form-data"),
        (encoded, "mixed"),
        (nested, "mixed"),
    ],
)
async def test_as_aiohttps(fill: Callable[[Any], None], subtype: str, boundary: str) -> None:
    theirs, ours = aiohttp.MultipartWriter(subtype, boundary), MultipartWriter(subtype, boundary)
    fill(theirs)
    fill(ours)
    assert dict(ours.headers) == dict(theirs.headers)
    assert (ours.boundary, ours.size, len(ours), bool(ours)) == (boundary, theirs.size, len(theirs), True)
    assert await written(ours) == await written(theirs)
    assert await written(ours, close_boundary=False) == await written(theirs, close_boundary=False)
    assert await ours.as_bytes() == await written(ours)


async def test_a_file_as_aiohttps(tmp_path: Path) -> None:
    bodies = []
    for writer_class in (aiohttp.MultipartWriter, MultipartWriter):
        writer: Any = writer_class("mixed", "B")
        (tmp_path / "page.html").write_bytes(b"<p>" * 100_000)
        with (tmp_path / "page.html").open("rb") as file:
            file.seek(3)
            writer.append(file)
            bodies.append((writer.size, await written(writer)))
        await writer.close()
    assert bodies[0] == bodies[1]
    assert bodies[0][0] == len(bodies[0][1])


async def test_an_iterable_as_aiohttps() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a" * 10
        yield b"b" * 100_000

    bodies = []
    for writer_class in (aiohttp.MultipartWriter, MultipartWriter):
        writer: Any = writer_class("mixed", "B")
        writer.append(body())
        assert (writer.size, writer.consumed) == (None, False)
        bodies.append(await written(writer))
    assert bodies[0] == bodies[1]


# On its own


def test_a_boundary_of_its_own() -> None:
    first, second = MultipartWriter(), MultipartWriter()
    assert first.boundary != second.boundary
    assert len(first.boundary) == 32
    assert first.content_type == f"multipart/mixed; boundary={first.boundary}"


def test_a_context() -> None:
    with MultipartWriter("form-data", "B") as writer:
        part = writer.append("x")
    assert [each for each, _, _ in writer] == [part]
    assert part.headers["Content-Disposition"] == 'form-data; name="section-0"'
    assert repr(writer) == "<MultipartWriter multipart/form-data; boundary=B of 1 parts>"


@pytest.mark.parametrize("obj", [None, 5, {"a": 1}, object(), ["x"]])
def test_what_is_no_part(obj: Any) -> None:
    with pytest.raises(TypeError, match="Cannot make a part of a"):
        MultipartWriter().append(obj)


def test_a_writer_in_itself() -> None:
    writer = MultipartWriter()
    with pytest.raises(ValueError, match="part of itself"):
        writer.append(writer)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Content-Encoding": "br"}, "unknown content encoding: br"),
        ({"Content-Transfer-Encoding": "x"}, "unknown content transfer encoding: x"),
    ],
)
def test_unknown_encodings(headers: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultipartWriter().append("x", headers)


@pytest.mark.parametrize("name", ["Content-Encoding", "Content-Transfer-Encoding", "Content-Length"])
def test_headers_that_forms_do_not_have(name: str) -> None:
    with pytest.raises(ValueError, match=f"has no {name}"):
        MultipartWriter("form-data").append("x", {name: "gzip"})


async def test_a_part_made_before() -> None:
    part = MultipartWriter().append("x", {"X-Part": "7"})
    writer = MultipartWriter("mixed", "B")
    assert writer.append_payload(part) is part
    assert [each for each, _, _ in writer] == [part]


async def test_text_is_in_the_charset_that_it_names() -> None:
    writer = MultipartWriter("mixed", "B")
    writer.append("ü", {"Content-Type": "text/plain; charset=iso-8859-1"})
    assert (await writer.as_bytes()).endswith(b"Content-Length: 1\r\n\r\n\xfc\r\n--B--\r\n")


async def test_an_iterable_is_sent_once() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    writer = MultipartWriter()
    writer.append(body())
    await written(writer)
    assert writer.consumed
    with pytest.raises(RuntimeError, match="can be sent once"):
        await written(writer)


async def test_small_parts_are_one_message_each() -> None:
    writer = MultipartWriter("mixed", "B")
    writer.append(b"x", BINARY)
    writer.append(b"y", BINARY)
    collected = Collected()
    await writer.write(collected)
    assert [piece[-3:] for piece in collected.pieces] == [b"\n\nx".replace(b"\n\n", b"\r\n"), b"\r\ny", b"-\r\n"]


@given(
    st.lists(st.binary(max_size=200), max_size=6), st.sampled_from(["", "base64", "quoted-printable"]), st.booleans()
)
def test_encodings_are_undone(pieces: list[bytes], transfer: str, compress: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def back() -> list[tuple[dict[str, str], bytes]]:
        headers = {"Content-Transfer-Encoding": transfer} if transfer else {}
        if compress:
            headers["Content-Encoding"] = "gzip"
        writer = MultipartWriter()
        writer.append(body(), headers)
        writer.append(b"".join(pieces), headers)
        return await read_back(writer)

    (_, streamed), (_, whole) = asyncio.run(back())
    assert streamed == whole == b"".join(pieces)


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_quoted_printable_lines_are_short(pieces: list[bytes]) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def lines() -> list[bytes]:
        writer = MultipartWriter()
        writer.append(body(), {"Content-Transfer-Encoding": "quoted-printable"})
        return (await writer.as_bytes()).split(b"\r\n")

    assert max(map(len, asyncio.run(lines()))) <= 76


async def test_large_pieces_are_encoded() -> None:
    data = bytes(range(256)) * 1000
    writer = MultipartWriter()
    writer.append(data, {"Content-Encoding": "deflate", "Content-Transfer-Encoding": "base64"})
    ((_, content),) = await read_back(writer)
    assert content == data


@example("\t", "")
# A field `_charset_` speaks of the others, and is no part to the reader (RFC 7578, section 4.6).
@given(
    st.text(st.characters(codec="utf-8")).filter(lambda name: name != "_charset_"),
    st.text(st.characters(codec="utf-8")),
)
def test_names_come_back(name: str, filename: str) -> None:
    """A form that is read again has the names it was made with, but for controls and slashes."""

    async def post() -> Driver:
        writer = MultipartWriter("form-data")
        part = writer.append(b"x")
        part.set_content_disposition("form-data", name=name, filename=filename)

        async def handler(request: web.Request) -> web.Response:
            reader = await request.multipart()
            part = await reader.next()
            assert isinstance(part, BodyPartReader)
            assert part.headers["Content-Disposition"].isprintable()
            # The reader leaves controls out, which a log or a terminal would obey, and slashes that look like a path.
            if not {"/", "\\"}.intersection(name):
                assert part.name == re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", "", name)
            assert unquote(part.filename or "") == filename
            assert await part.read() == b"x"
            assert await reader.next() is None
            return web.Response()

        app = web.Application()
        app.router.add_post("/", handler)
        body = await writer.as_bytes()
        headers = [(b"content-type", writer.content_type.encode()), (b"content-length", b"%d" % len(body))]
        return await Driver.http(app, "POST", headers=headers, body=body).run()

    assert asyncio.run(post()).status == 200


# In responses


async def test_a_response() -> None:
    async def handler(request: web.Request) -> web.Response:
        with MultipartWriter("mixed", "B") as writer:
            writer.headers["X-More"] = "1"
            writer.append("x")
            writer.append_json({"a": 1})
        return web.Response(body=writer)

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert driver.headers == {
        b"content-type": b"multipart/mixed; boundary=B",
        b"x-more": b"1",
        b"content-length": b"%d" % len(driver.body),
    }
    assert driver.body.endswith(b'{"a":1}\r\n--B--\r\n')


async def test_a_response_of_unknown_length() -> None:
    closed = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"x"
        finally:
            closed.append(True)

    async def handler(request: web.Request) -> web.Response:
        writer = MultipartWriter("mixed", "B")
        writer.append(body(), BINARY)
        return web.Response(body=writer)

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert b"content-length" not in driver.headers
    assert driver.body == b"--B\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n--B--\r\n"
    assert closed == [True]


async def test_a_client_that_leaves_closes_the_parts(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    files = [(tmp_path / "file").open("rb") for _ in range(2)]

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        driver.send_error = OSError()
        yield b"y"

    async def handler(request: web.Request) -> web.Response:
        writer = MultipartWriter()
        writer.append(files[0])
        writer.append(body())
        writer.append(files[1])
        return web.Response(body=writer)

    app = web.Application()
    app.router.add_get("/", handler)
    driver = Driver.http(app, asgi={"version": "3.0", "spec_version": "2.4"})
    await driver.run()
    assert [file.closed for file in files] == [True, True]


async def test_a_stream_of_pictures() -> None:
    """Motion JPEG: each picture is a writer of its own, the last boundary never comes."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        await response.prepare(request)
        for picture in (b"one", b"two"):
            with MultipartWriter("image/jpeg".partition("/")[2], boundary="frame") as writer:
                writer.append(picture, {"Content-Type": "image/jpeg"})
            await writer.write(response, close_boundary=False)
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert driver.body == b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\n%s\r\n" % picture
        for picture in (b"one", b"two")
    )
