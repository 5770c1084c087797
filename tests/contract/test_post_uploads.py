"""Uploaded files: `FileField`, what its file can do, and how long it is there."""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from tests.contract import multiparts
from tests.contract.backends import Backend
from tests.contract.multiparts import FILE, FORM_DATA, Upload, field, form_items, in_pieces, multipart, part, submit

unclosed_files = multiparts.unclosed_files


def uploaded(look: Any) -> Any:
    """A look at the file of the field `a`, which is closed afterwards."""

    async def look_at_request(request: Any) -> Any:
        upload = (await request.post())["a"]
        try:
            return look(upload)
        finally:
            upload.file.close()

    return look_at_request


def file(content: bytes, *head: str) -> bytes:
    return multipart(part(content, FILE, *head))


# --- FileField ------------------------------------------------------------------------------------


async def test_file_field(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        assert isinstance(upload, backend.web.FileField)
        return upload.name, upload.filename, upload.content_type, upload.file.read()

    assert await submit(backend, uploaded(look), file(b"content", "Content-Type: text/csv")) == (
        "a",
        "f.txt",
        "text/csv",
        b"content",
    )


async def test_file_without_content_type(backend: Backend) -> None:
    assert await submit(backend, form_items, file(b"1")) == [("a", Upload("f.txt", "application/octet-stream", b"1"))]


async def test_content_type_has_its_parameters(backend: Backend) -> None:
    body = file(b"1", "Content-Type: text/plain; charset=latin-1")
    assert await submit(backend, form_items, body) == [("a", Upload("f.txt", "text/plain; charset=latin-1", b"1"))]


@pytest.mark.parametrize("charset", ["utf-16", "nope"])
async def test_file_is_not_decoded(backend: Backend, charset: str) -> None:
    body = file(b"\xff", f"Content-Type: text/plain; charset={charset}")
    ((_, upload),) = await submit(backend, form_items, body)
    assert upload.content == b"\xff"


async def test_headers_of_a_file(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        assert isinstance(upload.headers, CIMultiDictProxy)
        return upload.headers["x-own"], upload.headers.getall("X-MANY"), len(upload.headers)

    body = file(b"1", "X-Own:  spaces around\t", "X-Many: 1", "X-Many: 2")
    assert await submit(backend, uploaded(look), body) == ("spaces around", ["1", "2"], 4)


async def test_empty_file(backend: Backend) -> None:
    assert await submit(backend, form_items, file(b"")) == [("a", Upload("f.txt", "application/octet-stream", b""))]


async def test_file_field_is_frozen(backend: Backend) -> None:
    def look(upload: Any) -> None:
        with pytest.raises(AttributeError):
            upload.filename = "other"

    await submit(backend, uploaded(look), file(b"1"))


async def test_file_field_made_by_a_program(backend: Backend) -> None:
    headers = CIMultiDictProxy[str](CIMultiDict())
    make = backend.web.FileField
    content = io.BytesIO(b"1")
    first, second = (make("a", "f", content, "text/plain", headers) for _ in range(2))
    assert first == second
    assert (first.name, first.filename, first.file, first.content_type) == ("a", "f", content, "text/plain")


# --- The file -------------------------------------------------------------------------------------


async def test_file_stands_at_its_start(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        return upload.file.tell(), upload.file.read(2), upload.file.tell(), upload.file.read(), upload.file.read()

    assert await submit(backend, uploaded(look), file(b"abcd")) == (0, b"ab", 2, b"cd", b"")


async def test_file_seeks(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        end = upload.file.seek(0, io.SEEK_END)
        upload.file.seek(1)
        return end, upload.file.read(), upload.file.seek(0), upload.file.read()

    assert await submit(backend, uploaded(look), file(b"abcd")) == (4, b"bcd", 0, b"abcd")


async def test_file_gives_lines(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        return upload.file.readline(), list(upload.file)

    assert await submit(backend, uploaded(look), file(b"a\r\nb\n\nc")) == (b"a\r\n", [b"b\n", b"\n", b"c"])


async def test_file_is_readable_writable_and_seekable(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        return upload.file.readable(), upload.file.writable(), upload.file.seekable(), upload.file.closed

    assert await submit(backend, uploaded(look), file(b"a")) == (True, True, True, False)


async def test_file_can_be_written(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        upload.file.seek(0, io.SEEK_END)
        upload.file.write(b"more")
        upload.file.seek(0)
        return upload.file.read()

    assert await submit(backend, uploaded(look), file(b"a")) == b"amore"


async def test_file_as_text(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        return list(io.TextIOWrapper(upload.file, "utf-8"))

    assert await submit(backend, uploaded(look), file("größe\r\n☃".encode())) == ["größe\n", "☃"]


async def test_file_closes(backend: Backend) -> None:
    def look(upload: Any) -> Any:
        with upload.file as opened:
            opened.read()
        return upload.file.closed

    assert await submit(backend, uploaded(look), file(b"a")) is True


async def test_file_is_copied(backend: Backend, tmp_path: Path) -> None:
    def look(upload: Any) -> None:
        with (tmp_path / "copy").open("wb") as copy:
            shutil.copyfileobj(upload.file, copy)

    await submit(backend, uploaded(look), file(b"a" * 100_000))
    assert (tmp_path / "copy").read_bytes() == b"a" * 100_000


async def test_files_are_apart(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        first, second = (await request.post()).getall("a")
        with first.file, second.file:
            return first.file.read(), second.file.read(), first.file is second.file

    body = multipart(part(b"first", FILE), part(b"second", FILE))
    assert await submit(backend, look, body) == (b"first", b"second", False)


async def test_second_post_gives_the_same_file(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        (await request.post())["a"].file.read(1)
        with (await request.post())["a"].file as opened:
            return opened.read()

    assert await submit(backend, look, file(b"abc")) == b"bc"


async def test_file_outlives_post_while_the_handler_runs(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        upload = (await request.post())["a"]
        response = web.StreamResponse()
        await response.prepare(request)
        with upload.file as opened:
            while chunk := opened.read(1000):
                await response.write(chunk)
        return response

    app = web.Application()
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        response = await client.post("/", content=file(b"x" * 5000), headers=FORM_DATA)
    assert response.content == b"x" * 5000


async def test_file_is_closed_after_the_answer(backend: Backend) -> None:
    web = backend.web
    files: list[Any] = []

    async def handler(request: Any) -> Any:
        files.append((await request.post())["a"].file)
        return web.Response(text=str(files[0].closed))

    app = web.Application()
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        response = await client.post("/", content=file(b"1"), headers=FORM_DATA)
    assert response.text == "False"
    assert files[0].closed


# --- Sizes ----------------------------------------------------------------------------------------

#: Every octet, line breaks at all distances, what begins like a boundary.
OCTETS = bytes(range(256)) * 4 + b"\r\n--\r\n-b\r\r\n\n--c\r\n--" + b"\r" * 7 + b"\n" * 9


@pytest.mark.parametrize("size", [1, 4096, 8191, 65536, 65537, 300_000])
async def test_file_of_a_size(backend: Backend, size: int) -> None:
    content = (OCTETS * (size // len(OCTETS) + 1))[:size]
    ((_, upload),) = await submit(backend, form_items, file(content))
    assert len(upload.content) == size
    assert hashlib.sha256(upload.content).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize("size", [1, 3, 17, 1000])
async def test_file_in_small_pieces(backend: Backend, size: int) -> None:
    ((_, upload),) = await submit(backend, form_items, in_pieces(file(OCTETS), size))
    assert upload.content == OCTETS


async def test_large_file_among_fields(backend: Backend) -> None:
    web = backend.web
    content = OCTETS * 3000
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.extend(await form_items(request))
        return web.Response()

    app = web.Application(client_max_size=2**23)
    app.router.add_post("/", handler)
    body = multipart(field(b"1", name="before"), part(content, FILE), field(b"2", name="after"))
    async with backend.client(app) as client:
        response = await client.post("/", content=in_pieces(body, 2**16), headers=FORM_DATA)
    assert response.status_code == 200
    before, (_, upload), after = seen
    assert (before, after) == (("before", "1"), ("after", "2"))
    assert upload.content == content


# --- Encodings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "content", "decoded"),
    [
        ("base64", b"eMOp", b"x\xc3\xa9"),
        ("base64", b"eM\r\nOp", b"x\xc3\xa9"),
        ("base64", b"AAECAw==", b"\0\1\2\3"),
        ("base64", b"", b""),
        ("quoted-printable", b"x=C3=A9", b"x\xc3\xa9"),
        ("quoted-printable", b"x=\r\ny", b"xy"),
        ("binary", b"\0\xff", b"\0\xff"),
        ("8bit", b"\xff", b"\xff"),
        ("7bit", b"x", b"x"),
    ],
)
async def test_transfer_encoding_of_a_file(backend: Backend, encoding: str, content: bytes, decoded: bytes) -> None:
    body = file(content, f"Content-Transfer-Encoding: {encoding}")
    ((_, upload),) = await submit(backend, form_items, body)
    assert upload.content == decoded


async def test_long_base64_in_lines(backend: Backend) -> None:
    line = b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4\r\n"
    body = file(line * 2000, "Content-Transfer-Encoding: base64")
    ((_, upload),) = await submit(backend, form_items, body)
    assert upload.content == bytes(range(57)) * 2000


@pytest.mark.usefixtures("unclosed_files")
async def test_base64_file_that_has_no_groups(backend: Backend) -> None:
    with pytest.raises(ValueError, match="Incorrect padding"):
        await submit(backend, form_items, file(b"eMO", "Content-Transfer-Encoding: base64"))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity", "nope"])
async def test_content_encoding_of_a_file_is_kept(backend: Backend, coding: str) -> None:
    ((_, upload),) = await submit(backend, form_items, file(b"\x1f\x8b", f"Content-Encoding: {coding}"))
    assert upload.content == b"\x1f\x8b"


@pytest.mark.parametrize("length", ["1", "3", "100"])
async def test_content_length_of_a_file_means_nothing(backend: Backend, length: str) -> None:
    ((_, upload),) = await submit(backend, form_items, file(b"abc", f"Content-Length: {length}"))
    assert upload.content == b"abc"


@pytest.mark.parametrize("length", ["-1", "+3", "1_0", "x", ""])
async def test_content_length_of_a_part_that_is_none(backend: Backend, length: str) -> None:
    body = file(b"abc", f"Content-Length: {length}")
    if backend.name == "aiohttp":
        ((_, upload),) = await submit(backend, form_items, body)
        assert upload.content == b"abc"
    else:
        with pytest.raises(ValueError, match="Content-Length"):
            await submit(backend, form_items, body)
