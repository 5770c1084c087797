"""`request.post()` of a multipart form: its fields, its files, and where they are kept."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from framework.multipart import MultipartPayloadError
from framework.uploads import MAX_TEXT_SIZE, MEMORY_SIZE, SMALL_FILE
from tests.driver import Driver

FORM = b"multipart/form-data; boundary=b"
Look = Callable[[web.Request], Awaitable[Any]]


def field(content: bytes, name: str = "a", filename: str | None = None, *headers: str) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = "".join(f"{line}\r\n" for line in (disposition, *headers))
    return b"--b\r\n%s\r\n%s\r\n" % (head.encode(), content)


def form(*fields: bytes) -> bytes:
    return b"".join(fields) + b"--b--\r\n"


def in_pieces(body: bytes, size: int = 2**16) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


async def post(
    look: Look,
    body: bytes | Iterable[bytes],
    *,
    content_type: bytes = FORM,
    limit: int = 2**20,
    headers: Iterable[tuple[bytes, bytes]] = (),
    **options: Any,
) -> Driver:
    """A request whose handler does what `look` does."""

    async def handler(request: web.Request) -> web.Response:
        await look(request)
        return web.Response()

    app = web.Application(client_max_size=limit)
    app.router.add_post("/", handler)
    sent = [(b"host", b"example.com"), (b"transfer-encoding", b"chunked"), (b"content-type", content_type), *headers]
    return await Driver.http(app, "POST", headers=sent, body=body, **options).run()


async def fields_of(body: bytes | Iterable[bytes], **options: Any) -> list[tuple[str, Any]]:
    """The fields that a handler sees; of a file, its name and its content."""
    seen: list[tuple[str, Any]] = []

    async def look(request: web.Request) -> None:
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                assert value.name == name
                assert value.file.tell() == 0
                seen.append((name, (value.filename, value.file.read())))
            else:
                seen.append((name, value))

    driver = await post(look, body, **options)
    assert driver.status == 200, driver.body
    return seen


# --- Fields -----------------------------------------------------------------------------------------


async def test_texts() -> None:
    body = form(field("é".encode()), field(b"2", "b"), field(b"3"))
    assert await fields_of(body) == [("a", "é"), ("b", "2"), ("a", "3")]


async def test_files() -> None:
    async def look(request: web.Request) -> None:
        upload = (await request.post())["a"]
        assert isinstance(upload, web.FileField)
        assert (upload.name, upload.filename, upload.content_type) == ("a", "x.txt", "text/plain; charset=latin-1")
        assert upload.headers["content-disposition"] == 'form-data; name="a"; filename="x.txt"'
        assert upload.file.read() == b"\xe9"

    body = form(field(b"\xe9", "a", "x.txt", "Content-Type: text/plain; charset=latin-1"))
    assert (await post(look, body)).status == 200


async def test_a_file_without_a_content_type() -> None:
    async def look(request: web.Request) -> None:
        assert (await request.post())["a"].content_type == "application/octet-stream"

    assert (await post(look, form(field(b"x", "a", "x")))).status == 200


async def test_the_safe_name_of_a_file() -> None:
    async def look(request: web.Request) -> None:
        upload = (await request.post())["a"]
        assert isinstance(upload, web.FileField)
        assert (upload.filename, upload.safe_filename) == ("../../etc/passwd", "passwd")

    assert (await post(look, form(field(b"x", "a", "../../etc/passwd")))).status == 200


async def test_octets_without_a_file_name() -> None:
    (value,) = [
        value for _, value in await fields_of(form(field(b"\xff", "a", None, "Content-Type: application/octet-stream")))
    ]
    assert type(value) is bytearray
    assert value == b"\xff"


async def test_no_file_chosen() -> None:
    # What browsers send for an input without a file.
    body = form(field(b"", "a", "", "Content-Type: application/octet-stream"))
    assert await fields_of(body) == [("a", b"")]


async def test_charsets() -> None:
    body = form(
        field(b"\xe9", "a", None, "Content-Type: text/plain; charset=latin-1"),
        field(b"cp1251", "_charset_"),
        field(b"\xe9", "b"),
    )
    assert await fields_of(body) == [("a", "é"), ("b", "й")]


async def test_transfer_encodings() -> None:
    encoded = "Content-Transfer-Encoding: base64"
    body = form(field(b"aGVs\r\nbG8=", "a", None, encoded), field(b"aGVsbG8=", "b", "x", encoded))
    assert await fields_of(body) == [("a", "hello"), ("b", ("x", b"hello"))]
    assert await fields_of(in_pieces(body, 1)) == [("a", "hello"), ("b", ("x", b"hello"))]


async def test_an_empty_form() -> None:
    assert await fields_of(b"--b--\r\n") == []


async def test_preamble_and_epilogue() -> None:
    assert await fields_of(b"pre\r\n" + form(field(b"x")) + b"epilogue") == [("a", "x")]


async def test_a_method_without_a_form() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert not await request.post()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handler)
    headers = [(b"host", b"example.com"), (b"content-type", FORM), (b"content-length", b"1")]
    assert (await Driver.http(app, "GET", headers=headers, body=b"x").run()).status == 200


async def test_a_compressed_form() -> None:
    import gzip

    body = gzip.compress(form(field(b"x" * 1000, "a", "x")))
    assert await fields_of(body, headers=[(b"content-encoding", b"gzip")]) == [("a", ("x", b"x" * 1000))]


async def test_decoded_bytes_count() -> None:
    import gzip

    async def look(request: web.Request) -> None:
        await request.post()

    body = gzip.compress(form(field(b"x" * 2000, "a", "x")))
    driver = await post(look, body, headers=[(b"content-encoding", b"gzip")], limit=1000)
    assert driver.status == 413


async def test_the_second_call_gives_the_same_fields() -> None:
    async def look(request: web.Request) -> None:
        assert await request.post() is await request.post()
        assert await request.read() == b""

    assert (await post(look, form(field(b"x")))).status == 200


async def test_a_body_that_was_read_before() -> None:
    body = form(field(b"x"))

    async def look(request: web.Request) -> None:
        assert await request.read() == body
        assert (await request.post())["a"] == "x"
        assert [await part.read() async for part in await request.multipart()] == [b"x"]  # type: ignore[union-attr]
        assert await request.read() == body

    assert (await post(look, body)).status == 200


async def test_a_stream_that_was_opened_before() -> None:
    async def look(request: web.Request) -> None:
        assert not request.content.at_eof()
        assert (await request.post())["a"] == "x" * 100

    assert (await post(look, in_pieces(form(field(b"x" * 100)), 7))).status == 200


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.data())
async def test_any_split_gives_the_same_fields(data: st.DataObject) -> None:
    body = form(
        field("é\r\n--\r".encode()),
        field(b"\r\n-\r\n--\r\nb", "b", "é.txt"),
        field(b"\xff\x00", "c", None, "Content-Type: application/octet-stream"),
        field(b"", "d", "empty"),
    )
    edges = [0, *sorted(data.draw(st.sets(st.integers(1, len(body) - 1)))), len(body)]
    assert await fields_of([body[start:end] for start, end in itertools.pairwise(edges)]) == [
        ("a", "é\r\n--\r"),
        ("b", ("é.txt", b"\r\n-\r\n--\r\nb")),
        ("c", b"\xff\x00"),
        ("d", ("empty", b"")),
    ]


# --- Where files are kept ---------------------------------------------------------------------------


async def files_of(*contents: bytes) -> list[bool]:
    """Whether each of the files is in memory."""
    seen: list[bool] = []

    async def look(request: web.Request) -> None:
        for upload, content in zip((await request.post()).values(), contents, strict=True):
            assert isinstance(upload, web.FileField)
            seen.append(isinstance(upload.file, io.BytesIO))
            assert upload.file.read() == content
            upload.file.seek(0)
            upload.file.write(b"!")

    body = form(*[field(content, "a", "x") for content in contents])
    assert (await post(look, in_pieces(body), limit=2**25)).status == 200
    return seen


async def test_small_files_are_in_memory_and_large_ones_on_disk() -> None:
    assert await files_of(b"x" * 1000, b"y" * (MEMORY_SIZE - 1000)) == [True, True]
    assert await files_of(b"x" * (MEMORY_SIZE + 1)) == [False]
    assert await files_of(b"x" * 3 * MEMORY_SIZE, b"y" * 3 * MEMORY_SIZE) == [False, False]


async def test_files_count_together() -> None:
    assert await files_of(b"x" * MEMORY_SIZE, b"y" * (SMALL_FILE + 1), b"z" * SMALL_FILE) == [True, False, True]


async def test_a_file_of_very_many_tiny_pieces() -> None:
    content = bytes(range(256)) * 40
    assert await fields_of(in_pieces(form(field(content, "a", "x")), 2)) == [("a", ("x", content))]


async def test_files_are_closed_with_the_request() -> None:
    uploads: list[web.FileField] = []

    async def look(request: web.Request) -> None:
        uploads.extend((await request.post()).values())
        assert not any(upload.file.closed for upload in uploads)

    body = form(field(b"x", "a", "x"), field(b"y" * (MEMORY_SIZE + 1), "b", "y"))
    assert (await post(look, in_pieces(body), limit=2**25)).status == 200
    assert uploads[0].file.closed
    async with asyncio.timeout(10):
        while not uploads[1].file.closed:  # in a thread
            await asyncio.sleep(0.001)


async def test_files_of_a_clone_are_closed_with_the_request() -> None:
    uploads: list[web.FileField] = []

    async def look(request: web.Request) -> None:
        uploads.extend((await request.clone().post()).values())

    assert (await post(look, form(field(b"x", "a", "x")))).status == 200
    assert uploads[0].file.closed


async def test_a_file_can_be_the_answer() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=(await request.post())["a"].file)

    app = web.Application(client_max_size=2**25)
    app.router.add_post("/", handler)
    for content in (b"x", b"x" * (MEMORY_SIZE + 1)):
        headers = [(b"host", b"example.com"), (b"transfer-encoding", b"chunked"), (b"content-type", FORM)]
        body = in_pieces(form(field(content, "a", "x")))
        assert (await Driver.http(app, "POST", headers=headers, body=body).run()).body == content


# --- What is no form, or too much of one ------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"--b\r\n",
        field(b"x"),
        field(b"x")[:-1],
        b"--b\r\n\r\nx\r\n--b--",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
        form(field(b"x", "a", None, "Content-Type: multipart/mixed; boundary=c")),
        form(field(b"x", "a", None, "Content-Transfer-Encoding: nope")),
        form(field(b"x", "a", "x", "Content-Transfer-Encoding: base64")),
        form(field(b"\xe9")),
    ],
)
async def test_malformed_forms_are_refused(body: bytes) -> None:
    async def look(request: web.Request) -> None:
        with pytest.raises(ValueError) as caught:
            await request.post()
        raise caught.value

    assert (await post(look, body)).status == 400


async def test_an_unknown_charset_is_refused() -> None:
    async def look(request: web.Request) -> None:
        await request.post()

    body = form(field(b"x", "a", None, "Content-Type: text/plain; charset=nope"))
    assert (await post(look, body)).status == 415


async def test_a_malformed_part_that_nobody_catches() -> None:
    async def look(request: web.Request) -> None:
        async for part in await request.multipart():
            await part.json()  # type: ignore[union-attr]

    driver = await post(look, form(field(b"{")))
    assert driver.status == 400
    assert driver.body.startswith(b"400: Bad Request: Expecting property name")


async def test_limits_name_themselves() -> None:
    async def look(request: web.Request) -> None:
        await request.post()

    driver = await post(look, form(field(b"x" * 1000)), limit=100)
    assert (driver.status, driver.body) == (413, b"Maximum request body size 100 exceeded.")
    driver = await post(look, form(*[field(b"")] * 1001))
    assert (driver.status, driver.body) == (413, b"Maximum number of form fields 1000 exceeded.")
    driver = await post(look, in_pieces(form(field(b"x" * (MAX_TEXT_SIZE + 1)))), limit=2 * MAX_TEXT_SIZE)
    assert (driver.status, driver.body) == (
        413,
        b"Maximum size 16777216 of the form fields that are no files exceeded.",
    )
    driver = await post(look, b"--b\r\nX: " + b"x" * 9000)
    assert driver.status == 400
    assert b"8190 bytes a field, 128 fields" in driver.body


async def test_no_limit() -> None:
    assert await fields_of(form(field(b"x" * 2**21)), limit=0) == [("a", "x" * 2**21)]


async def test_a_client_that_leaves() -> None:
    async def look(request: web.Request) -> None:
        with pytest.raises(ConnectionResetError):
            await request.post()

    async def handler(request: web.Request) -> web.Response:
        await look(request)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    headers = [(b"host", b"example.com"), (b"transfer-encoding", b"chunked"), (b"content-type", FORM)]
    driver = Driver.http(app, "POST", headers=headers, body=None)
    driver.feed_body(field(b"x" * 100), more_body=True)
    driver.disconnect()
    await driver.run()


async def test_a_body_that_was_taken_from_the_stream() -> None:
    async def look(request: web.Request) -> None:
        await request.content.read()
        with pytest.raises(MultipartPayloadError):
            await request.post()

    assert (await post(look, form(field(b"x")))).status == 200


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=60))
async def test_anything_is_answered(body: bytes, content_type: bytes) -> None:
    async def look(request: web.Request) -> None:
        if request.query_string:
            await (await request.multipart()).release()
        await request.post()

    for target in ("/", "/?stream"):
        for kind in (FORM, b"multipart/form-data;" + content_type, b"multipart/" + content_type, content_type):
            driver = await post(look, body, content_type=kind, query_string=target[2:].encode())
            assert driver.status < 500
