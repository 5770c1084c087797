"""Multipart bodies as streams: the parts one by one, their content in pieces, lines, texts."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from framework import web
from framework.multipart import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    BodyPartReader,
    MultipartPayloadError,
    MultipartReader,
    content_disposition_filename,
    parse_content_disposition,
)
from framework.streams import ClientConnectionResetError, StreamReader
from tests.driver import Driver

MIXED = "multipart/mixed; boundary=b"
FORM = "multipart/form-data; boundary=b"


def part(content: bytes, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return b"--b\r\n%s\r\n%s\r\n" % (lines.encode(), content)


def body_of(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


def reader_of(*pieces: bytes, content_type: str = MIXED, **options: Any) -> MultipartReader:
    """A reader of a body that comes in these pieces."""
    stream = StreamReader()
    for piece in pieces:
        stream.feed_data(piece)
    stream.feed_eof()
    return MultipartReader({"Content-Type": content_type}, stream, **options)


async def first(*parts: bytes, content_type: str = MIXED, **options: Any) -> BodyPartReader:
    reader = await reader_of(body_of(*parts), content_type=content_type, **options).next()
    assert isinstance(reader, BodyPartReader)
    return reader


async def only(reader: MultipartReader) -> BodyPartReader:
    part = await reader.next()
    assert isinstance(part, BodyPartReader)
    return part


# --- Parts ------------------------------------------------------------------------------------------


async def test_parts_one_by_one() -> None:
    reader = reader_of(body_of(part(b"1"), part(b"2")))
    assert await (await only(reader)).read() == b"1"
    assert not reader.at_eof()
    assert await (await only(reader)).read() == b"2"
    assert await reader.next() is None
    assert reader.at_eof()
    assert await reader.next() is None


async def test_iteration() -> None:
    reader = reader_of(body_of(part(b"1"), part(b"")))
    assert [[content async for content in part] async for part in reader] == [[b"1"], []]


async def test_what_is_left_of_a_part_is_skipped() -> None:
    reader = reader_of(body_of(part(b"x" * 100), part(b"2")))
    one = await only(reader)
    assert await one.read_chunk(10) == b"x" * 10
    two = await only(reader)
    assert one.at_eof()
    assert await one.read() == b""
    assert await two.read() == b"2"


async def test_release() -> None:
    reader = reader_of(body_of(part(b"1"), part(b"2")))
    await (await only(reader)).release()
    await reader.release()
    assert reader.at_eof()


async def test_nothing_is_received_behind_the_last_boundary() -> None:
    async def handler(request: web.Request) -> web.Response:
        parts = [await part.read() async for part in await request.multipart()]  # type: ignore[union-attr]
        return web.Response(body=b",".join(parts))

    app = web.Application()
    app.router.add_post("/", handler)
    headers = [(b"host", b"example.com"), (b"content-type", FORM.encode()), (b"transfer-encoding", b"chunked")]
    driver = Driver.http(app, "POST", headers=headers, body=None)
    driver.feed_body(body_of(part(b"1")), more_body=True)
    await driver.run()
    assert driver.body == b"1"


async def test_headers_and_names() -> None:
    form = await first(
        part(b"", 'Content-Disposition: form-data; name="a"; filename="../x y.txt"', "X-Y: 1", "x-y: 2"),
        content_type=FORM,
    )
    assert (form.name, form.filename, form.safe_filename) == ("a", "../x y.txt", "x y.txt")
    assert form.headers.getall("X-Y") == ["1", "2"]
    bare = await first(part(b""))
    assert (bare.name, bare.filename, bare.safe_filename) == (None, None, None)


async def test_a_charset_for_the_rest_of_the_form() -> None:
    name = 'Content-Disposition: form-data; name="{}"'.format
    reader = reader_of(body_of(part(b"iso-8859-1", name("_charset_")), part(b"\xe9", name("a"))), content_type=FORM)
    assert await (await only(reader)).text() == "é"
    assert await reader.next() is None


async def test_a_part_reader_by_itself() -> None:
    stream = StreamReader()
    stream.feed_data(b"Hello\r\n--:--\r\n")
    stream.feed_eof()
    reader = BodyPartReader(b"--:", CIMultiDictProxy(CIMultiDict()), stream)
    assert await reader.read() == b"Hello"
    assert reader.at_eof()


async def test_a_reader_class_of_ones_own() -> None:
    class Loud(BodyPartReader):
        async def read(self, *, decode: bool = False) -> bytes:
            return (await super().read(decode=decode)).upper()

    class Reader(MultipartReader):
        part_reader_cls = Loud

    stream = StreamReader()
    stream.feed_data(body_of(part(b"x")))
    stream.feed_eof()
    assert await (await only(Reader({"Content-Type": MIXED}, stream))).read() == b"X"


# --- Nested bodies ----------------------------------------------------------------------------------

NESTED = part(b"--c\r\n\r\n1\r\n--c\r\n\r\n2\r\n--c--", "Content-Type: multipart/mixed; boundary=c")


async def test_a_nested_body() -> None:
    reader = reader_of(body_of(NESTED, part(b"3")))
    nested = await reader.next()
    assert isinstance(nested, MultipartReader)
    assert [await part.read() async for part in nested] == [b"1", b"2"]  # type: ignore[union-attr]
    assert await (await only(reader)).read() == b"3"


@pytest.mark.parametrize("taken", [0, 1])
async def test_a_nested_body_that_is_left(taken: int) -> None:
    reader = reader_of(body_of(NESTED, part(b"3")))
    nested = await reader.next()
    assert isinstance(nested, MultipartReader)
    for _ in range(taken):
        await nested.next()
    assert await (await only(reader)).read() == b"3"
    assert await reader.next() is None


async def test_a_nested_body_that_is_truncated() -> None:
    reader = reader_of(body_of(part(b"--c\r\n\r\n1", "Content-Type: multipart/mixed; boundary=c"), part(b"3")))
    nested = await reader.next()
    assert isinstance(nested, MultipartReader)
    with pytest.raises(MultipartPayloadError, match="ends before its last boundary"):
        await nested.release()
    assert await (await only(reader)).read() == b"3"


# --- Content ----------------------------------------------------------------------------------------


async def test_chunks() -> None:
    reader = await first(part(b"0123456789" * 3))
    chunks = []
    while not reader.at_eof():
        chunks.append(await reader.read_chunk(12))
    assert chunks == [b"012345678901", b"234567890123", b"456789"]
    assert await reader.read_chunk() == b""


async def test_a_chunk_comes_as_soon_as_something_is_there() -> None:
    reader = await only(reader_of(b"--b\r\n\r\nab", b"cd\r\n--b--"))
    assert await reader.read_chunk(100) == b"abcd"
    stream = StreamReader()
    stream.feed_data(b"--b\r\n\r\nab")
    waiting = await only(MultipartReader({"Content-Type": MIXED}, stream))
    assert await waiting.read_chunk(100) == b"ab"
    assert not waiting.at_eof()


async def test_a_chunk_of_no_size() -> None:
    with pytest.raises(ValueError, match="at least"):
        await (await first(part(b"x"))).read_chunk(0)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 30, 8192])
async def test_chunks_of_base64_can_be_decoded_by_themselves(size: int) -> None:
    encoded = base64.encodebytes(bytes(range(256))).replace(b"\n", b"\r\n")
    reader = await first(part(encoded, "Content-Transfer-Encoding: base64"))
    if size < 4:
        assert await reader.read_chunk(size) == encoded[:size]
        return
    decoded = b""
    while chunk := await reader.read_chunk(size):
        assert len(chunk) <= size
        decoded += reader.decode(chunk)
    assert decoded == bytes(range(256))


async def test_groups_of_base64_that_come_in_pieces() -> None:
    stream = StreamReader()
    stream.feed_data(b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n")
    reader = await only(MultipartReader({"Content-Type": MIXED}, stream))
    for octet in b"aGVs\r\nbG8=":
        stream.feed_data(bytes([octet]))
    stream.feed_data(b"\r\n--b--")
    stream.feed_eof()
    assert [await reader.read_chunk(5), await reader.read_chunk(5)] == [b"aGVs\r", b"\nbG8="]
    assert await reader.read_chunk(5) == b""


async def test_lines() -> None:
    reader = await first(part(b"one\r\ntwo\n\nthree"))
    lines = []
    while line := await reader.readline():
        lines.append(line)
    assert lines == [b"one\r\n", b"two\n", b"\n", b"three"]
    assert reader.at_eof()


async def test_a_line_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="longer than 65536 bytes"):
        await (await first(part(b"x" * 65537 + b"\n"))).readline()


async def test_texts() -> None:
    assert await (await first(part("é".encode()))).text() == "é"
    assert await (await first(part(b"\xe9", "Content-Type: text/plain; charset=latin-1"))).text() == "é"
    assert await (await first(part(b"\xe9"))).text(encoding="latin-1") == "é"
    with pytest.raises(UnicodeDecodeError):
        await (await first(part(b"\xe9"))).text()
    with pytest.raises(LookupError):
        await (await first(part(b"x", "Content-Type: text/plain; charset=nope"))).text()


async def test_json() -> None:
    assert await (await first(part(b'{"a": 1}', "Content-Type: application/json"))).json() == {"a": 1}
    assert await (await first(part(b""))).json() is None
    with pytest.raises(json.JSONDecodeError):
        await (await first(part(b"{"))).json()


async def test_urlencoded_forms() -> None:
    assert await (await first(part(b"a=1&b=%20+&c\r\n"))).form() == [("a", "1"), ("b", "  "), ("c", "")]
    assert await (await first(part(b""))).form() == []


async def test_content_codings() -> None:
    for coding, content in (("gzip", gzip.compress(b"hello")), ("deflate", zlib.compress(b"hello"))):
        packed = part(content, f"Content-Encoding: {coding}")
        assert await (await first(packed)).read() == content
        assert await (await first(packed)).text() == "hello"
        # RFC 7578, section 4.8: in a form it means nothing.
        assert await (await first(packed, content_type=FORM)).read(decode=True) == content
    assert await (await first(part(b"x", "Content-Encoding: identity"))).read(decode=True) == b"x"
    with pytest.raises(RuntimeError, match="unknown content encoding: nope"):
        await (await first(part(b"x", "Content-Encoding: nope"))).read(decode=True)
    with pytest.raises(ValueError, match="gzip"):
        await (await first(part(b"x", "Content-Encoding: gzip"))).read(decode=True)


async def test_transfer_encodings() -> None:
    assert await (await first(part(b"aGVs\r\nbG8=", "Content-Transfer-Encoding: base64"))).text() == "hello"
    assert await (await first(part(b"a=3Db", "Content-Transfer-Encoding: Quoted-Printable"))).text() == "a=b"
    assert await (await first(part(b"a=3Db", "Content-Transfer-Encoding: binary"))).text() == "a=3Db"
    with pytest.raises(RuntimeError, match="unknown content transfer encoding"):
        await (await first(part(b"x", "Content-Transfer-Encoding: nope"))).text()


async def test_limit_of_what_is_collected() -> None:
    options: dict[str, Any] = {"client_max_size": 10}
    assert await (await first(part(b"x" * 10), **options)).read() == b"x" * 10
    with pytest.raises(ValueError, match="10"):
        await (await first(part(b"x" * 11), **options)).read()
    with pytest.raises(ValueError, match="10"):
        await (await first(part(gzip.compress(b""), "Content-Encoding: gzip"), **options)).read(decode=True)
    assert await (await first(part(b"x" * 11), **options)).read_chunk(100) == b"x" * 11


# --- What is no multipart body ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/mixed", 'multipart/mixed; boundary=""', f"multipart/mixed; boundary={'b' * 71}"],
)
def test_content_types_that_cannot_be_read(content_type: str) -> None:
    with pytest.raises(MultipartPayloadError):
        reader_of(content_type=content_type)


async def test_truncated_bodies() -> None:
    with pytest.raises(MultipartPayloadError, match="ends before its last boundary"):
        await reader_of(b"--b\r\nX:").next()
    with pytest.raises(ValueError, match="ends before its last boundary"):
        await (await only(reader_of(b"--b\r\n\r\nx"))).read()
    reader = reader_of(b"--b\r\n\r\nx")
    with pytest.raises(MultipartPayloadError):
        await reader.release()
    assert await reader.next() is None


async def test_a_client_that_leaves() -> None:
    stream = StreamReader()
    stream.feed_data(b"--b\r\n\r\nx")
    stream.feed_message({"type": "http.disconnect"})
    with pytest.raises(ClientConnectionResetError):
        await MultipartReader({"Content-Type": MIXED}, stream).next()


# --- Content-Disposition ----------------------------------------------------------------------------


def test_content_disposition() -> None:
    kind, params = parse_content_disposition("attachment; filename=x; filename*=utf-8''%C3%A9")
    assert kind == "attachment"
    assert content_disposition_filename(params) == "é"
    assert parse_content_disposition(None) == (None, {})
    with pytest.warns(BadContentDispositionHeader):
        assert parse_content_disposition('attachment; filename="') == (None, {})
    with pytest.warns(BadContentDispositionParam):
        assert parse_content_disposition("attachment; filename*=x; a=b") == ("attachment", {"a": "b"})


# --- Any split --------------------------------------------------------------------------------------

FIELDS = body_of(
    part(b"x\r\n--\r\ny\r", 'Content-Disposition: form-data; name="a"'),
    part(base64.b64encode(b"hello"), 'Content-Disposition: form-data; name="b"', "Content-Transfer-Encoding: base64"),
    part(b"\r\n-\r\n--\r\nb", 'Content-Disposition: form-data; name="c"; filename="é.txt"', "Content-Type: text/plain"),
    part(b"", 'Content-Disposition: form-data; name="d"'),
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.sets(st.integers(1, len(FIELDS) - 1)), st.sampled_from(["read", "read_chunk", "readline", "text"]))
async def test_any_split_gives_the_same_parts(cuts: set[int], method: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        seen = []
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            content = b""
            while not part.at_eof():
                data = await getattr(part, method)()
                content += data.encode() if isinstance(data, str) else data
            seen.append((part.name, part.filename, content))
        assert seen == [
            ("a", None, b"x\r\n--\r\ny\r"),
            ("b", None, b"hello" if method == "text" else b"aGVsbG8="),
            ("c", "é.txt", b"\r\n-\r\n--\r\nb"),
            ("d", None, b""),
        ]
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    headers = [(b"host", b"example.com"), (b"content-type", FORM.encode())]
    edges = [0, *sorted(cuts), len(FIELDS)]
    pieces = [FIELDS[start:end] for start, end in itertools.pairwise(edges)]
    driver = await Driver.http(app, "POST", headers=[*headers, (b"transfer-encoding", b"chunked")], body=pieces).run()
    assert driver.status == 200
