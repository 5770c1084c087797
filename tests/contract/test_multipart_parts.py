"""`BodyPartReader`: the content of one part, in pieces and as a whole, decoded and not, and what its headers say."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest
from multidict import CIMultiDictProxy

from tests.contract.backends import Backend
from tests.contract.multiparts import FIELD, FILE, MIXED, field, first_part, in_pieces, multipart, part, submit


async def of_part(backend: Backend, look: Any, content: bytes, *head: str, **options: Any) -> Any:
    """What `look` sees of the part with this content that is the first of a body."""
    body = multipart(field(content, *head), field(b"next", name="next"))
    return await submit(backend, first_part(look), body, **options)


# --- read(), next(), release() --------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"abc", b"\r\n", b"\r", b"\n", b"--", b"\0\xff" * 10_000])
async def test_read(backend: Backend, content: bytes) -> None:
    assert await of_part(backend, lambda part: part.read(), content) == content


async def test_everything_is_empty_after_read(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        await part.read()
        return await part.read(), await part.read_chunk(), await part.readline(), await part.next(), await part.text()

    assert await of_part(backend, look, b"abc") == (b"", b"", b"", None, "")


async def test_at_eof_of_a_part(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        before = part.at_eof()
        await part.read()
        return before, part.at_eof()

    assert await of_part(backend, look, b"abc") == (False, True)


async def test_next_gives_the_content_and_then_none(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return await part.next(), await part.next()

    assert await of_part(backend, look, b"abc") == (b"abc", None)


async def test_next_of_an_empty_part(backend: Backend) -> None:
    assert await of_part(backend, lambda part: part.next(), b"") is None


async def test_iteration_over_a_part(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return [piece async for piece in part]

    assert b"".join(await of_part(backend, look, b"abc" * 10_000)) == b"abc" * 10_000


async def test_release(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return await part.release(), part.at_eof(), await part.read(), await part.read_chunk(), await part.text()

    assert await of_part(backend, look, b"abc" * 10_000) == (None, True, b"", b"", "")


async def test_release_goes_to_the_end_of_the_part_only(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        await (await reader.next()).release()
        return await (await reader.next()).read()

    assert await submit(backend, look, multipart(field(b"1"), field(b"2"))) == b"2"


# --- read_chunk() ---------------------------------------------------------------------------------


def in_chunks(*size: int) -> Any:
    async def look(part: Any) -> Any:
        chunks = []
        while chunk := await part.read_chunk(*size):
            chunks.append(chunk)
        return chunks, part.at_eof()

    return look


@pytest.mark.parametrize("size", [5, 7, 10, 100, 8192])
async def test_chunks_of_a_size(backend: Backend, size: int) -> None:
    content = bytes(range(256)) * 10 + b"\r\n--\r\n-b\r"
    chunks, at_eof = await of_part(backend, in_chunks(size), content)
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= size
    assert at_eof


async def test_default_size_of_a_chunk(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return part.chunk_size, *await in_chunks()(part)

    chunk_size, chunks, _ = await of_part(backend, look, b"a" * 20_000)
    assert chunk_size == 8192
    assert b"".join(chunks) == b"a" * 20_000
    assert max(map(len, chunks)) <= 8192


async def test_chunks_of_an_empty_part(backend: Backend) -> None:
    assert await of_part(backend, in_chunks(), b"") == ([], True)


@pytest.mark.parametrize("size", [1, 2, 4])
async def test_chunks_smaller_than_the_boundary(backend: Backend, size: int) -> None:
    if backend.name == "aiohttp":
        with pytest.raises(AssertionError, match="boundary length"):
            await of_part(backend, in_chunks(size), b"abcde")
    else:
        chunks, _ = await of_part(backend, in_chunks(size), b"abcde")
        assert (b"".join(chunks), len(chunks[0])) == (b"abcde", size)


@pytest.mark.parametrize("size", [0, -1])
async def test_size_of_a_chunk_that_is_none(backend: Backend, size: int) -> None:
    with pytest.raises(AssertionError if backend.name == "aiohttp" else ValueError):
        await of_part(backend, in_chunks(size), b"abcde")


async def test_read_after_a_chunk_gives_the_rest(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return await part.read_chunk(10) + await part.read(), await part.read()

    content = b"abcdefghij" * 5
    assert await of_part(backend, look, content) == (content, b"")


@pytest.mark.parametrize("size", [5, 6, 7, 9, 20])
async def test_chunks_of_base64_can_be_decoded_one_by_one(backend: Backend, size: int) -> None:
    async def look(part: Any) -> Any:
        return [part.decode(chunk) for chunk in (await in_chunks(size)(part))[0]]

    content = bytes(range(256))
    pieces = await of_part(backend, look, base64.encodebytes(content), "Content-Transfer-Encoding: base64")
    assert b"".join(pieces) == content


@pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")  # aiohttp warns itself
@pytest.mark.parametrize("size", [1, 2, 9])
async def test_chunks_of_a_body_in_small_pieces(backend: Backend, size: int) -> None:
    content = b"a\r\n\r\n--\r\n-b\r\n\r" * 5
    body = in_pieces(multipart(field(content), field(b"")), size)
    chunks, at_eof = await submit(backend, first_part(in_chunks(16)), body)
    assert (b"".join(chunks), at_eof) == (content, True)


@pytest.mark.parametrize("length", [3, 8192, 20_000])
async def test_chunks_of_a_part_with_a_length(backend: Backend, length: int) -> None:
    body = multipart(field(b"a" * length, f"Content-Length: {length}"))
    chunks, at_eof = await submit(backend, first_part(in_chunks()), body, headers=MIXED)
    assert (b"".join(chunks), at_eof) == (b"a" * length, True)


# --- readline() -----------------------------------------------------------------------------------


async def lines_of(part: Any) -> list[bytes]:
    lines = []
    while line := await part.readline():
        lines.append(line)
    return lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\r\nb\nc", [b"a\r\n", b"b\n", b"c"]),
        (b"a\r\n", [b"a\r\n"]),
        (b"a\n", [b"a\n"]),
        (b"\r\n\r\n", [b"\r\n", b"\r\n"]),
        (b"a\rb", [b"a\rb"]),
        (b"--c\r\n--\r\n b", [b"--c\r\n", b"--\r\n", b" b"]),
        (b"x" * 20_000 + b"\n" + b"y" * 20_000, [b"x" * 20_000 + b"\n", b"y" * 20_000]),
    ],
    ids=["empty", "one", "three", "ended", "ended by LF", "empty lines", "CR", "dashes", "long"],
)
async def test_readline(backend: Backend, content: bytes, lines: list[bytes]) -> None:
    assert await of_part(backend, lines_of, content) == lines


async def test_lines_of_a_body_in_small_pieces(backend: Backend) -> None:
    body = in_pieces(multipart(field(b"a\r\nb\r\n\r\nc\n\r"), field(b"")))
    assert await submit(backend, first_part(lines_of), body) == [b"a\r\n", b"b\r\n", b"\r\n", b"c\n", b"\r"]


async def test_read_after_a_line(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return await part.readline(), await part.read()

    # aiohttp has looked one line ahead by then, and forgets it.
    rest = b"c" if backend.name == "aiohttp" else b"b\r\nc"
    assert await of_part(backend, look, b"a\r\nb\r\nc") == (b"a\r\n", rest)


async def test_part_behind_lines(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        lines = await lines_of(await reader.next())
        return lines, await (await reader.next()).read()

    assert await submit(backend, look, multipart(field(b"a\nb"), field(b"2"))) == ([b"a\n", b"b"], b"2")


# --- text(), json(), form() -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "head", "text"),
    [
        (b"", (), ""),
        ("naïve ☃".encode(), (), "naïve ☃"),
        (b"  a \r\n", (), "  a \r\n"),
        (b"\xef\xbb\xbfa", (), "\ufeffa"),
        (b"\xe9", ("Content-Type: text/plain; charset=latin-1",), "é"),
        (b"\xe9", ('Content-Type: application/x-own; charset="ISO-8859-1"',), "é"),
        (b"eMOp", ("Content-Transfer-Encoding: base64",), "xé"),
        (b"x=C3=A9", ("Content-Transfer-Encoding: quoted-printable",), "xé"),
    ],
)
async def test_text(backend: Backend, content: bytes, head: tuple[str, ...], text: str) -> None:
    assert await of_part(backend, lambda part: part.text(), content, *head) == text


@pytest.mark.parametrize("method", ["text", "json", "form"])
async def test_encoding_of_the_call_counts_first(backend: Backend, method: str) -> None:
    content = {"text": b"\xe9", "json": b'"\xe9"', "form": b"a=%E9"}[method]
    head = "Content-Type: text/plain; charset=utf-8"
    result = await of_part(backend, lambda part: getattr(part, method)(encoding="latin-1"), content, head)
    assert result == {"text": "é", "json": "é", "form": [("a", "é")]}[method]


@pytest.mark.parametrize("method", ["text", "json"])
async def test_content_that_is_not_in_its_charset(backend: Backend, method: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        await of_part(backend, lambda part: getattr(part, method)(), b"\xff")


async def test_form_that_is_not_in_its_charset(backend: Backend) -> None:
    with pytest.raises(ValueError):
        await of_part(backend, lambda part: part.form(), b"\xff")


@pytest.mark.parametrize("method", ["text", "json", "form"])
async def test_charset_that_is_none(backend: Backend, method: str) -> None:
    with pytest.raises(LookupError):
        await of_part(backend, lambda part: getattr(part, method)(), b"1", "Content-Type: text/plain; charset=nope")


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"", None), (b"null", None), (b' {"a": [1, "\xc3\xa9"]}\n', {"a": [1, "é"]}), (b"1e3", 1000.0)],
)
async def test_json(backend: Backend, content: bytes, value: Any) -> None:
    assert await of_part(backend, lambda part: part.json(), content, "Content-Type: application/json") == value


async def test_json_that_is_none(backend: Backend) -> None:
    with pytest.raises(json.JSONDecodeError):
        await of_part(backend, lambda part: part.json(), b"{")


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b"", []),
        (b"a=1&b=&c", [("a", "1"), ("b", ""), ("c", "")]),
        (b"a=1&a=2", [("a", "1"), ("a", "2")]),
        (b"a=%C3%A9+x%2B", [("a", "é x+")]),
        (b"a=1 \r\n", [("a", "1")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"%C3%A9=1&&", [("é", "1")]),
    ],
)
async def test_form(backend: Backend, content: bytes, fields: list[tuple[str, str]]) -> None:
    head = "Content-Type: application/x-www-form-urlencoded"
    assert await of_part(backend, lambda part: part.form(), content, head) == fields


async def test_form_in_a_charset(backend: Backend) -> None:
    head = "Content-Type: application/x-www-form-urlencoded; charset=latin-1"
    assert await of_part(backend, lambda part: part.form(), b"a=%E9", head) == [("a", "é")]


# --- Decoding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "content"), [("base64", b"eMOp"), ("quoted-printable", b"x=C3=A9"), ("binary", b"x\xc3\xa9")]
)
async def test_read_decodes_where_it_is_told_to(backend: Backend, encoding: str, content: bytes) -> None:
    head = f"Content-Transfer-Encoding: {encoding}"
    assert await of_part(backend, lambda part: part.read(), content, head) == content
    assert await of_part(backend, lambda part: part.read(decode=True), content, head) == b"x\xc3\xa9"


async def test_decode_of_other_data(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return part.decode(b"eMOp"), await part.read()

    assert await of_part(backend, look, b"AAAA", "Content-Transfer-Encoding: base64") == (b"x\xc3\xa9", b"AAAA")


async def test_decode_without_an_encoding(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return part.decode(b"eMOp")

    assert await of_part(backend, look, b"AAAA") == b"eMOp"


async def test_decode_iter(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return b"".join([piece async for piece in part.decode_iter(b"eMOp")])

    assert await of_part(backend, look, b"", "Content-Transfer-Encoding: base64") == b"x\xc3\xa9"


async def test_decode_of_an_unknown_transfer_encoding(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return part.decode(b"x")

    with pytest.raises(RuntimeError, match="unknown content transfer encoding: x-none"):
        await of_part(backend, look, b"", "Content-Transfer-Encoding: x-none")


@pytest.mark.parametrize("call", [lambda part: part.read(decode=True), lambda part: part.text()])
async def test_read_of_an_unknown_transfer_encoding(backend: Backend, call: Any) -> None:
    with pytest.raises(RuntimeError, match="unknown content transfer encoding: x-none"):
        await of_part(backend, call, b"x", "Content-Transfer-Encoding: x-none")


def deflated(content: bytes) -> bytes:
    """`content` in the format that aiohttp takes for deflate in a part: without zlib's head."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


CODED = [("gzip", gzip.compress(b"content", mtime=0)), ("deflate", deflated(b"content")), ("identity", b"content")]


@pytest.mark.parametrize(("coding", "content"), CODED)
@pytest.mark.parametrize("subtype", ["mixed", "related"])
async def test_content_encoding(backend: Backend, subtype: str, coding: str, content: bytes) -> None:
    headers = {"Content-Type": f"multipart/{subtype}; boundary=b"}
    head = f"Content-Encoding: {coding}"
    assert await of_part(backend, lambda part: part.read(decode=True), content, head, headers=headers) == b"content"
    assert await of_part(backend, lambda part: part.text(), content, head, headers=headers) == "content"
    assert await of_part(backend, lambda part: part.read(), content, head, headers=headers) == content


@pytest.mark.parametrize(("coding", "content"), CODED)
async def test_content_encoding_means_nothing_in_a_form(backend: Backend, coding: str, content: bytes) -> None:
    head = f"Content-Encoding: {coding}"
    assert await of_part(backend, lambda part: part.read(decode=True), content, head) == content


async def test_content_encoding_within_a_transfer_encoding(backend: Backend) -> None:
    content = base64.b64encode(gzip.compress(b"content" * 100))
    heads = "Content-Encoding: gzip", "Content-Transfer-Encoding: base64"
    result = await of_part(backend, lambda part: part.read(decode=True), content, *heads, headers=MIXED)
    assert result == b"content" * 100


async def test_unknown_content_encoding(backend: Backend) -> None:
    with pytest.raises(RuntimeError, match="unknown content encoding: x-none"):
        await of_part(backend, lambda part: part.read(decode=True), b"x", "Content-Encoding: x-none", headers=MIXED)


async def test_content_encoding_that_it_is_not(backend: Backend) -> None:
    with pytest.raises(zlib.error if backend.name == "aiohttp" else ValueError):
        await of_part(backend, lambda part: part.read(decode=True), b"x" * 9, "Content-Encoding: gzip", headers=MIXED)


async def test_decompression_past_the_limit(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        part = await (await request.clone(client_max_size=1000).multipart()).next()
        return await part.read(decode=True)

    body = multipart(field(gzip.compress(b"x" * 100_000), "Content-Encoding: gzip"))
    with pytest.raises(backend.web.HTTPRequestEntityTooLarge):
        await submit(backend, look, body, headers=MIXED)


# --- Content-Length of a part ---------------------------------------------------------------------


@pytest.mark.parametrize("length", ["1", "2", "100"])
async def test_content_length_that_is_wrong(backend: Backend, length: str) -> None:
    head = f"Content-Length: {length}"
    if backend.name == "aiohttp":
        with pytest.raises(ValueError, match="malformed"):
            await of_part(backend, lambda part: part.read(), b"abc", head, headers=MIXED)
    else:
        # The boundary alone ends a part (RFC 2046, section 5.1.1).
        assert await of_part(backend, lambda part: part.read(), b"abc", head, headers=MIXED) == b"abc"


@pytest.mark.parametrize("length", ["-1", "x", "+3"])
async def test_content_length_that_is_none(backend: Backend, length: str) -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        await of_part(backend, lambda part: part.read(), b"abc", f"Content-Length: {length}", headers=MIXED)


# --- Headers --------------------------------------------------------------------------------------


async def test_headers(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        assert isinstance(part.headers, CIMultiDictProxy)
        return part.headers["x-own"], part.headers.getall("X-MANY"), part.headers.get("X-Empty"), len(part.headers)

    heads = "X-Own: \t spaces around \t", "X-Many: 1", "x-many:2", "X-Empty:"
    assert await of_part(backend, look, b"", *heads) == ("spaces around", ["1", "2"], "", 5)


@pytest.mark.parametrize("value", ["größe", "a: b", "a; b=c", '"quoted"', "%41", "a\tb"])
async def test_value_of_a_header(backend: Backend, value: str) -> None:
    async def look(part: Any) -> Any:
        return part.headers["X-Own"]

    assert await of_part(backend, look, b"", f"X-Own: {value}") == value


async def test_part_without_headers(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return part.name, part.filename, dict(part.headers), await part.text()

    assert await submit(backend, first_part(look), multipart(part(b"1"))) == (None, None, {}, "1")


@pytest.mark.parametrize(
    ("head", "charset"),
    [
        ((), "default"),
        (("Content-Type: text/plain",), "default"),
        (("Content-Type: text/plain; charset=Latin-1",), "Latin-1"),
        (('Content-Type: text/plain; format=flowed; charset="utf-16"',), "utf-16"),
    ],
)
async def test_get_charset(backend: Backend, head: tuple[str, ...], charset: str) -> None:
    async def look(part: Any) -> Any:
        return part.get_charset(default="default")

    assert await of_part(backend, look, b"", *head) == charset


async def test_name_and_filename(backend: Backend) -> None:
    async def look(part: Any) -> Any:
        return part.name, part.filename

    assert await submit(backend, first_part(look), multipart(part(b"", FIELD))) == ("a", None)
    assert await submit(backend, first_part(look), multipart(part(b"", FILE))) == ("a", "f.txt")
