"""`request.post()` of multipart forms: the types of fields, their order, charsets and encodings, and the limits."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from aiohttp.http_exceptions import BadHttpMessage
from multidict import MultiDictProxy

from tests.contract import multiparts
from tests.contract.asking import ask
from tests.contract.backends import Backend, SocketBackend
from tests.contract.multiparts import FIELD, FILE, FORM_DATA, field, form_items, in_pieces, multipart, part, submit

unclosed_files = multiparts.unclosed_files


# --- Types of fields ------------------------------------------------------------------------------


async def test_field_is_a_str(backend: Backend) -> None:
    assert await submit(backend, form_items, multipart(field(b"value"))) == [("a", "value")]


async def test_field_is_utf8_by_default(backend: Backend) -> None:
    assert await submit(backend, form_items, multipart(field("naïve ☃ 😀".encode()))) == [("a", "naïve ☃ 😀")]


@pytest.mark.parametrize("content_type", ["text/plain", "text/x-own"])
async def test_field_of_text_is_a_str(backend: Backend, content_type: str) -> None:
    body = multipart(field(b"value", f"Content-Type: {content_type}"))
    assert await submit(backend, form_items, body) == [("a", "value")]


@pytest.mark.parametrize(
    "content_type",
    ["application/octet-stream", "application/json", "image/png", "application/x-www-form-urlencoded"],
)
async def test_field_of_another_type_is_a_bytearray(backend: Backend, content_type: str) -> None:
    body = multipart(field(b"\x00\xff", f"Content-Type: {content_type}"))
    ((name, value),) = await submit(backend, form_items, body)
    assert (name, value) == ("a", b"\x00\xff")
    assert type(value) is bytearray


async def test_empty_field(backend: Backend) -> None:
    assert await submit(backend, form_items, multipart(field(b""))) == [("a", "")]


async def test_field_of_line_breaks_and_dashes(backend: Backend) -> None:
    content = "\r\n\r\n--\r\n-b\n\r--b"
    assert await submit(backend, form_items, multipart(field(content.encode()))) == [("a", content)]


async def test_empty_filename_without_content_type_is_a_str(backend: Backend) -> None:
    body = multipart(part(b"", 'Content-Disposition: form-data; name="a"; filename=""'))
    assert await submit(backend, form_items, body) == [("a", "")]


async def test_file_input_without_a_file_is_an_empty_bytearray(backend: Backend) -> None:
    head = 'Content-Disposition: form-data; name="a"; filename=""'
    body = multipart(part(b"", head, "Content-Type: application/octet-stream"))
    ((name, value),) = await submit(backend, form_items, body)
    assert (name, value) == ("a", b"")
    assert type(value) is bytearray


@pytest.mark.parametrize("disposition", ["attachment", "inline", "FORM-DATA"])
async def test_field_of_another_disposition(backend: Backend, disposition: str) -> None:
    body = multipart(part(b"value", f'Content-Disposition: {disposition}; name="a"'))
    assert await submit(backend, form_items, body) == [("a", "value")]


# --- Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["größe", "a b", "a;b=c", "a%22b", "a[0]", "имя", "😀", ""])
async def test_name(backend: Backend, name: str) -> None:
    assert await submit(backend, form_items, multipart(field(b"1", name=name))) == [(name, "1")]


async def test_name_that_is_not_utf8(backend: Backend) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="gr\xf6\xdfe"\r\n\r\n1\r\n--b--\r\n'
    assert await submit(backend, form_items, body) == [("gr\udcf6\udcdfe", "1")]


@pytest.mark.parametrize(
    "head",
    [
        (),
        ("Content-Type: text/plain",),
        ("Content-Disposition: form-data",),
        ('Content-Disposition: form-data; filename="f"',),
        ('Content-Disposition: form-data; title="a"',),
    ],
    ids=["no headers", "no disposition", "no parameters", "only a filename", "another parameter"],
)
async def test_field_without_a_name(backend: Backend, head: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"^Multipart field missing name\.$"):
        await submit(backend, form_items, multipart(part(b"1", *head)))


# --- The form -------------------------------------------------------------------------------------


async def test_fields_keep_their_order(backend: Backend) -> None:
    body = multipart(field(b"1"), field(b"2", name="b"), field(b"3"))
    assert await submit(backend, form_items, body) == [("a", "1"), ("b", "2"), ("a", "3")]


async def test_repeated_names_of_texts_and_files(backend: Backend) -> None:
    async def look(request: Any) -> list[str]:
        values = (await request.post()).getall("a")
        values[1].file.close()
        return [type(value).__name__ for value in values]

    body = multipart(field(b"1"), part(b"2", FILE), field(b"3"))
    assert await submit(backend, look, body) == ["str", "FileField", "str"]


@pytest.mark.parametrize("body", [b"--b--\r\n", b"--b--"])
async def test_form_without_parts(backend: Backend, body: bytes) -> None:
    assert await submit(backend, form_items, body) == []


async def test_form_is_a_multidict_and_cached(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await request.post(), await request.post()

    first, second = await submit(backend, look, multipart(field(b"1"), field(b"2")))
    assert isinstance(first, MultiDictProxy)
    assert first is second
    assert first.getall("a") == ["1", "2"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
async def test_methods_with_forms(backend: Backend, method: str) -> None:
    assert await submit(backend, form_items, multipart(field(b"1")), method) == [("a", "1")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_methods_without_forms(backend: Backend, method: str) -> None:
    assert await submit(backend, form_items, multipart(field(b"1")), method) == []


@pytest.mark.parametrize("subtype", ["mixed", "related", "alternative", "byteranges"])
async def test_other_multipart_types_are_no_forms(backend: Backend, subtype: str) -> None:
    headers = {"Content-Type": f"multipart/{subtype}; boundary=b"}
    assert await submit(backend, form_items, multipart(field(b"1")), headers=headers) == []


async def test_nothing_is_left_to_read_after_post(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await form_items(request), await request.read(), await request.text()

    assert await submit(backend, look, multipart(field(b"1"))) == ([("a", "1")], b"", "")


async def test_nothing_is_left_of_an_epilogue_after_post(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await form_items(request), request.content.at_eof()

    assert await submit(backend, look, multipart(field(b"1")) + b"epilogue") == ([("a", "1")], True)


async def test_post_after_read(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await request.read(), await form_items(request)

    body = multipart(field(b"1"))
    if backend.name == "aiohttp":
        with pytest.raises(ValueError, match="starting boundary"):
            await submit(backend, look, body)
    else:
        assert await submit(backend, look, body) == (body, [("a", "1")])


@pytest.mark.parametrize("size", [1, 2, 7, 64])
async def test_form_in_small_pieces(backend: Backend, size: int) -> None:
    body = multipart(field(b"first\r\n--c"), part(b"second", FILE), field("ж".encode(), name="ж"))
    items = await submit(backend, form_items, in_pieces(body, size))
    assert items == [("a", "first\r\n--c"), ("a", ("f.txt", "application/octet-stream", b"second")), ("ж", "ж")]


async def test_form_that_httpx_encodes(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.json_response([[name, list(map(str, value))] async for name, value in listed(request)])

    async def listed(request: Any) -> Any:
        for name, value in await form_items(request):
            yield name, value if isinstance(value, tuple) else [value]

    data = {"text": "ü", "many": ["1", "2"]}
    files = {"file": ("ü.txt", b"content", "text/plain")}
    response = await ask(backend, handler, "POST", data=data, files=files)
    assert response.json() == [
        ["text", ["ü"]],
        ["many", ["1"]],
        ["many", ["2"]],
        ["file", ["ü.txt", "text/plain", "b'content'"]],
    ]


# --- Charsets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charset", "content"), [("latin-1", b"\xe9"), ("UTF-8", b"\xc3\xa9"), ("utf-16-le", b"\xe9\0")]
)
async def test_charset_of_a_field(backend: Backend, charset: str, content: bytes) -> None:
    body = multipart(field(content, f"Content-Type: text/plain; charset={charset}"))
    assert await submit(backend, form_items, body) == [("a", "é")]


async def test_field_that_is_not_in_its_charset(backend: Backend) -> None:
    with pytest.raises(UnicodeDecodeError):
        await submit(backend, form_items, multipart(field(b"\xff")))


async def test_field_of_a_charset_that_is_none(backend: Backend) -> None:
    with pytest.raises(LookupError):
        await submit(backend, form_items, multipart(field(b"1", "Content-Type: text/plain; charset=nope")))


async def test_charset_of_the_body_does_not_count(backend: Backend) -> None:
    headers = {"Content-Type": "multipart/form-data; charset=latin-1; boundary=b"}
    assert await submit(backend, form_items, multipart(field(b"\xc3\xa9")), headers=headers) == [("a", "é")]


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ([field(b"latin-1", name="_charset_"), field(b"\xe9")], ["é"]),
        ([field(b"latin-1", name="_charset_"), field(b"\xc3\xa9", "Content-Type: text/plain; charset=utf-8")], ["é"]),
        ([field(b"\xc3\xa9"), field(b"latin-1", name="_charset_"), field(b"\xe9")], ["é", "é"]),
        ([field(b"\xc3\xa9"), field(b"latin-1", name="_charset_")], ["é"]),
    ],
    ids=["in front", "not for a field with its own", "for what follows", "at the end"],
)
async def test_charset_field(backend: Backend, fields: list[bytes], values: list[str]) -> None:
    if backend.name == "aiohttp":
        # RFC 7578, section 4.6. aiohttp reads the field but takes the boundary behind it for a header.
        with pytest.raises(BadHttpMessage, match="Invalid HTTP header"):
            await submit(backend, form_items, multipart(*fields))
    else:
        assert await submit(backend, form_items, multipart(*fields)) == [("a", value) for value in values]


# --- Encodings of a part --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("base64", b"eMOp"),
        ("BASE64", b"eMOp"),
        ("base64", b"eM\r\nOp\r\n"),
        ("quoted-printable", b"x=C3=A9"),
        ("quoted-printable", b"x=\r\n=c3=a9"),
        ("binary", b"x\xc3\xa9"),
        ("8bit", b"x\xc3\xa9"),
        ("7bit", b"x\xc3\xa9"),
    ],
)
async def test_transfer_encoding_of_a_field(backend: Backend, encoding: str, content: bytes) -> None:
    body = multipart(field(content, f"Content-Transfer-Encoding: {encoding}"))
    assert await submit(backend, form_items, body) == [("a", "xé")]


async def test_base64_that_has_no_groups(backend: Backend) -> None:
    with pytest.raises(ValueError, match="Incorrect padding"):
        await submit(backend, form_items, multipart(field(b"eMO", "Content-Transfer-Encoding: base64")))


async def test_quoted_printable_that_is_none_stays(backend: Backend) -> None:
    body = multipart(field(b"x=ZZ", "Content-Transfer-Encoding: quoted-printable"))
    assert await submit(backend, form_items, body) == [("a", "x=ZZ")]


@pytest.mark.usefixtures("unclosed_files")
@pytest.mark.parametrize("head", [FIELD, FILE])
async def test_unknown_transfer_encoding(backend: Backend, head: str) -> None:
    body = multipart(part(b"x", head, "Content-Transfer-Encoding: x-none"))
    with pytest.raises((RuntimeError, ValueError), match="unknown content transfer encoding: x-none"):
        await submit(backend, form_items, body)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity", "nope"])
async def test_content_encoding_means_nothing_in_a_form(backend: Backend, coding: str) -> None:
    body = multipart(field(b"x", f"Content-Encoding: {coding}"))
    assert await submit(backend, form_items, body) == [("a", "x")]


@pytest.mark.parametrize("length", ["1", "3", "100"])
async def test_content_length_means_nothing_in_a_form(backend: Backend, length: str) -> None:
    assert await submit(backend, form_items, multipart(field(b"abc", f"Content-Length: {length}"))) == [("a", "abc")]


async def test_nested_multipart_is_refused(backend: Backend) -> None:
    inner = multipart(part(b"1", "Content-Type: text/plain"), boundary=b"c")
    body = multipart(field(inner, "Content-Type: multipart/mixed; boundary=c"))
    with pytest.raises(ValueError, match="nested multipart"):
        await submit(backend, form_items, body)


# --- The limits -----------------------------------------------------------------------------------


async def answer(
    backend: Backend, content: Any, *, client_max_size: int = 1024**2, client_max_fields: int = 1000
) -> httpx.Response:
    """The answer of an application with these limits that gives the number of a form's fields."""
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(text=str(len(await form_items(request))))

    app = web.Application(client_max_size=client_max_size, client_max_fields=client_max_fields)
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        return await client.post("/", content=content, headers=FORM_DATA)


LARGE = {
    "one field": multipart(field(b"x" * 1000)),
    "many fields": multipart(*[field(b"x" * 10)] * 20),
    "empty fields": multipart(*[field(b"")] * 20),
    "a field without a name": multipart(part(b"x" * 1000)),
    "bytes": multipart(field(b"x" * 1000, "Content-Type: image/png")),
    "a file": multipart(part(b"x" * 1000, FILE)),
    "files": multipart(*[part(b"x" * 10, FILE)] * 20),
    "base64": multipart(field(b"eMOp" * 250, "Content-Transfer-Encoding: base64")),
    "headers": multipart(field(b"x", "X-Long: " + "x" * 1000)),
    "epilogue": multipart(field(b"x")) + b"x" * 1000,
    "preamble": b"x" * 1000 + b"\r\n" + multipart(field(b"x")),
}


@pytest.mark.usefixtures("unclosed_files")
@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
async def test_body_over_the_limit(backend: Backend, content: bytes) -> None:
    response = await answer(backend, content, client_max_size=500)
    assert response.status_code == 413
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.text == "Maximum request body size 500 exceeded."


@pytest.mark.usefixtures("unclosed_files")
async def test_whole_body_counts(backend: Backend) -> None:
    content = multipart(field(b"x" * 100), part(b"x" * 100, FILE))
    exact = await answer(backend, content, client_max_size=len(content))
    assert (exact.status_code, exact.text) == (200, "2")
    assert (await answer(backend, content, client_max_size=220)).status_code == 413


@pytest.mark.parametrize("size", [1, 50])
async def test_body_over_the_limit_in_small_pieces(backend: Backend, size: int) -> None:
    response = await answer(backend, in_pieces(LARGE["one field"], size), client_max_size=500)
    assert (response.status_code, response.text) == (413, "Maximum request body size 500 exceeded.")


@pytest.mark.usefixtures("unclosed_files")
async def test_default_limit(backend: Backend) -> None:
    response = await answer(backend, multipart(part(b"x" * 1024**2, FILE)))
    assert (response.status_code, response.text) == (413, "Maximum request body size 1048576 exceeded.")


async def test_no_limit(backend: Backend) -> None:
    response = await answer(backend, multipart(field(b"x" * 1_500_000)), client_max_size=0)
    assert (response.status_code, response.text) == (200, "1")


async def test_limit_error_can_be_caught(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        try:
            await request.post()
        except web.HTTPRequestEntityTooLarge as exc:
            return web.Response(text=f"{exc.status} {exc.reason}: {exc.text}", status=400)

    response = await ask(backend, handler, "POST", content=multipart(field(b"x" * 1024**2)), headers=FORM_DATA)
    assert response.text == "413 Request Entity Too Large: Maximum request body size 1048576 exceeded."


async def test_limit_of_a_clone(backend: Backend) -> None:
    with pytest.raises(backend.web.HTTPRequestEntityTooLarge):
        await submit(backend, lambda request: request.clone(client_max_size=200).post(), multipart(field(b"x" * 200)))


@pytest.mark.usefixtures("unclosed_files")
@pytest.mark.parametrize("head", [FIELD, FILE], ids=["fields", "files"])
async def test_most_fields_by_default(backend: Backend, head: str) -> None:
    exact = await answer(backend, multipart(*[part(b"1", head)] * 1000))
    over = await answer(backend, multipart(*[part(b"1", head)] * 1001))
    assert (exact.status_code, exact.text) == (200, "1000")
    assert (over.status_code, over.text) == (413, "Maximum number of form fields 1000 exceeded.")


async def test_most_fields(backend: Backend) -> None:
    exact = await answer(backend, multipart(*[field(b"1")] * 3), client_max_fields=3)
    over = await answer(backend, multipart(*[field(b"1")] * 4), client_max_fields=3)
    assert (exact.status_code, exact.text) == (200, "3")
    assert (over.status_code, over.text) == (413, "Maximum number of form fields 3 exceeded.")


# --- The client leaves ----------------------------------------------------------------------------


@pytest.mark.usefixtures("unclosed_files")
@pytest.mark.parametrize(
    "sent",
    [b"--b\r", b"--b\r\nContent-Disp", multipart(field(b"x"))[:-10], multipart(part(b"x" * 5000, FILE))[:-10]],
    ids=["in the boundary", "in the headers", "in a field", "in a file"],
)
async def test_client_that_leaves_in_the_middle_of_a_form(socket_backend: SocketBackend, sent: bytes) -> None:
    errors: list[Exception] = []
    started, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: Any) -> Any:
        started.set()
        try:
            await request.post()
        except Exception as exc:
            errors.append(exc)
        finally:
            ended.set()
        return socket_backend.web.Response()

    app = socket_backend.web.Application()
    app.router.add_post("/", handler)
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(10):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(head + sent)
        await started.wait()
        writer.transport.abort()
        await ended.wait()
    (error,) = errors
    assert isinstance(error, ConnectionResetError)
