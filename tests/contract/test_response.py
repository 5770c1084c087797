"""Response: what it is made of, what can be changed, and what the client receives."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import Backend, SocketBackend, exchange

web = modules.web

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def receive_raw(backend: SocketBackend, make: Any, request: bytes = GET) -> tuple[bytes, bytes]:
    """The head, in lower case, and the body that a client receives for `make(request)`."""

    async def handler(request: Any) -> Any:
        return make(request)

    app = backend.web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with backend.serve(app) as address:
        received = await exchange(address, request)
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


async def returned(backend: Backend, make: Any, method: str = "GET") -> Any:
    async def handler(request: Any) -> Any:
        return make()

    return await ask(backend, handler, method)


# --- Construction ---------------------------------------------------------------------------------


def test_defaults(web: Any) -> None:
    response = web.Response()
    assert (response.status, response.reason) == (200, "OK")
    assert (response.body, response.text) == (None, None)
    assert (response.content_type, response.charset, response.content_length) == ("application/octet-stream", None, 0)
    assert (response.prepared, response.chunked, response.compression) == (False, False, False)
    assert response.keep_alive is None
    assert isinstance(response.headers, CIMultiDict)
    assert not response.headers
    assert not response.cookies


def test_text(web: Any) -> None:
    response = web.Response(text="é")
    assert (response.body, response.text) == (b"\xc3\xa9", "é")
    assert (response.content_type, response.charset, response.content_length) == ("text/plain", "utf-8", 2)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("arguments", "content_type", "body"),
    [
        ({"text": "é", "charset": "latin-1"}, "text/plain; charset=latin-1", b"\xe9"),
        ({"text": "é", "content_type": "text/html"}, "text/html; charset=utf-8", b"\xc3\xa9"),
        ({"text": "é", "content_type": "text/html", "charset": "koi8-u"}, None, None),
        ({"text": "ж", "content_type": "text/html", "charset": "koi8-r"}, "text/html; charset=koi8-r", b"\xd6"),
        ({"text": "é", "headers": {"Content-Type": "a/b; charset=latin1"}}, "a/b; charset=latin1", b"\xe9"),
        ({"text": "é", "headers": {"Content-Type": "a/b"}}, "a/b; charset=utf-8", b"\xc3\xa9"),
        ({"text": ""}, "text/plain; charset=utf-8", b""),
        ({"body": b"x", "content_type": "text/html"}, "text/html", b"x"),
        ({"body": b"x", "content_type": "text/html", "charset": "utf-8"}, "text/html; charset=utf-8", b"x"),
        ({"body": b"x", "headers": {"content-type": "a/b"}}, "a/b", b"x"),
        ({"content_type": "text/html"}, "text/html", None),
    ],
)
def test_content_type_of_arguments(web: Any, arguments: Any, content_type: str | None, body: bytes | None) -> None:
    if content_type is None:
        with pytest.raises(UnicodeEncodeError):
            web.Response(**arguments)
        return
    response = web.Response(**arguments)
    assert response.headers["Content-Type"] == content_type
    assert response.body == body


def test_body_of_bytes_has_no_content_type_header_until_sent(web: Any) -> None:
    response = web.Response(body=b"x")
    assert (response.content_type, response.charset) == ("application/octet-stream", None)
    assert "Content-Type" not in response.headers


def test_charset_alone_does_not_name_a_type_for_bytes(web: Any) -> None:
    assert "Content-Type" not in web.Response(body=b"x", charset="utf-8").headers


def test_body_and_text_together(web: Any) -> None:
    with pytest.raises(ValueError, match="body and text are not allowed together"):
        web.Response(body=b"x", text="x")


@pytest.mark.parametrize("content", [{"text": "x"}, {"body": b"x"}, {}])
def test_charset_inside_content_type(web: Any, content: Any) -> None:
    with pytest.raises(ValueError, match="charset must not be in content_type argument"):
        web.Response(content_type="text/html; charset=utf-8", **content)


@pytest.mark.parametrize("content", [{"text": "x"}, {"body": b"x"}])
@pytest.mark.parametrize("argument", [{"content_type": "text/html"}, {"charset": "utf-8"}])
def test_content_type_header_and_argument_together(web: Any, content: Any, argument: Any) -> None:
    with pytest.raises(ValueError, match="passing both Content-Type header and content_type or charset params"):
        web.Response(headers={"content-type": "text/plain"}, **content, **argument)


def test_text_that_is_not_str(web: Any) -> None:
    with pytest.raises(TypeError, match="text argument must be str"):
        web.Response(text=b"x")


@pytest.mark.parametrize("body", [1, [b"x"], {"a": 1}, object()])
def test_body_of_an_unsupported_type(web: Any, body: Any) -> None:
    with pytest.raises(ValueError, match="Unsupported body type"):
        web.Response(body=body)


def test_arguments_are_keywords(web: Any) -> None:
    with pytest.raises(TypeError):
        web.Response("x")


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1"}, [("X-A", "1")], CIMultiDict({"X-A": "1"})],
)
def test_headers_argument(web: Any, headers: Any) -> None:
    response = web.Response(headers=headers)
    assert list(response.headers.items()) == [("X-A", "1")]
    response.headers["X-B"] = "2"
    assert dict(headers) == {"X-A": "1"} or response.headers is headers


def test_repeated_headers(web: Any) -> None:
    response = web.Response(headers=[("X-A", "1"), ("x-a", "2")])
    assert response.headers.getall("X-A") == ["1", "2"]


# --- Status and reason ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"), [(200, "OK"), (201, "Created"), (404, "Not Found"), (299, ""), (418, "I'm a Teapot")]
)
def test_reason_of_status(web: Any, status: int, reason: str) -> None:
    assert web.Response(status=status).reason == reason


def test_reason_argument(web: Any) -> None:
    assert web.Response(status=404, reason="Lost").reason == "Lost"


def test_set_status(web: Any) -> None:
    response = web.Response()
    response.set_status(404)
    assert (response.status, response.reason) == (404, "Not Found")
    response.set_status(201, "Made")
    assert (response.status, response.reason) == (201, "Made")


@pytest.mark.parametrize("reason", ["a\r\nb", "a\nb", "a\rb"])
def test_reason_of_two_lines(web: Any, reason: str) -> None:
    with pytest.raises(ValueError, match="Reason cannot contain"):
        web.Response(reason=reason)
    with pytest.raises(ValueError, match="Reason cannot contain"):
        web.Response().set_status(200, reason)


@pytest.mark.parametrize("name", ["status", "reason", "headers", "cookies", "prepared", "chunked"])
def test_attributes_without_setter(web: Any, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(web.Response(), name, 1)


def test_status_is_converted_to_int(web: Any) -> None:
    assert web.Response(status="201").status == 201


# --- Changing the body ----------------------------------------------------------------------------


def test_text_setter(web: Any) -> None:
    response = web.Response(text="abc")
    response.text = "éé"
    assert (response.body, response.text, response.content_length) == (b"\xc3\xa9" * 2, "éé", 4)


def test_text_setter_gives_bytes_a_charset(web: Any) -> None:
    response = web.Response(body=b"x")
    response.text = "é"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_text_setter_follows_the_charset(web: Any) -> None:
    response = web.Response(text="a", charset="latin-1")
    response.text = "é"
    assert response.body == b"\xe9"


def test_text_setter_refuses_other_types(web: Any) -> None:
    with pytest.raises((TypeError, AssertionError), match="text argument must be str"):
        web.Response().text = b"x"


def test_body_setter(web: Any) -> None:
    response = web.Response(text="abc")
    response.body = b"zz"
    assert (response.body, response.text, response.content_length) == (b"zz", "zz", 2)
    assert response.content_type == "text/plain"


def test_body_setter_none(web: Any) -> None:
    response = web.Response(text="abc")
    response.body = None
    assert (response.body, response.text, response.content_length) == (None, None, 0)


def test_text_of_bytes_is_decoded_by_charset(web: Any) -> None:
    assert web.Response(body=b"\xe9", content_type="text/plain", charset="latin-1").text == "é"


def test_content_length_of_a_response_is_automatic(web: Any) -> None:
    with pytest.raises(RuntimeError, match="Content length is set automatically"):
        web.Response(text="x").content_length = 5


def test_bytearray_body(web: Any) -> None:
    response = web.Response(body=bytearray(b"ab"))
    assert (response.body, response.content_length) == (bytearray(b"ab"), 2)


# --- Storage --------------------------------------------------------------------------------------


def test_storage(web: Any) -> None:
    response, key = web.Response(), web.ResponseKey("answer", int)
    response[key] = 42
    assert (response[key], response.get(key), len(response), list(response)) == (42, 42, 1, [key])
    del response[key]
    assert response.get(key, "none") == "none"
    assert key not in response


def test_storage_with_str_key_warns_and_works(web: Any) -> None:
    response = web.Response()
    with pytest.warns(web.NotAppKeyWarning, match="ResponseKey"):
        response["answer"] = 42
    assert response["answer"] == 42


def test_empty_response_is_true_hashable_and_equal_to_itself_only(web: Any) -> None:
    response = web.Response()
    assert bool(response)
    assert response == response
    assert response != web.Response()
    assert len({response, response}) == 1


def test_repr_before_prepare(web: Any) -> None:
    assert repr(web.Response()) == "<Response OK not prepared>"
    assert repr(web.StreamResponse(status=404)) == "<StreamResponse Not Found not prepared>"


async def test_repr_after_prepare(backend: Backend) -> None:
    web = backend.web
    seen: list[str] = []

    async def handler(request: Any) -> Any:
        response = web.Response(text="abc")
        await response.prepare(request)
        seen.append(repr(response))
        return response

    await ask(backend, handler, "POST", "/a")
    assert seen == ["<Response OK POST /a >"]


def test_response_can_be_subclassed_and_takes_attributes(web: Any) -> None:
    class Page(web.Response):  # type: ignore[misc]
        def __init__(self, title: str) -> None:
            super().__init__(text=f"<h1>{title}</h1>", content_type="text/html")
            self.title = title

    page = Page("hi")
    page.extra = 1
    assert (page.title, page.extra, page.text) == ("hi", 1, "<h1>hi</h1>")
    assert isinstance(page, web.StreamResponse)


# --- On the wire ----------------------------------------------------------------------------------


async def test_text_response(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(text="hé", status=201))
    assert (response.status_code, response.text) == (201, "hé")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Length"] == "3"


async def test_empty_response(backend: Backend) -> None:
    response = await returned(backend, backend.web.Response)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == "0"
    assert "Content-Type" not in response.headers


async def test_bytes_without_type_are_an_octet_stream(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(body=b"\0\xff"))
    assert response.content == b"\0\xff"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Length"] == "2"


@pytest.mark.parametrize(
    ("make", "content", "content_type"),
    [
        (lambda: "aé", "aé".encode(), "text/plain; charset=utf-8"),
        (lambda: bytearray(b"abc"), b"abc", "application/octet-stream"),
        (lambda: memoryview(b"abc"), b"abc", "application/octet-stream"),
        (lambda: io.BytesIO(b"abc"), b"abc", "application/octet-stream"),
        (lambda: io.StringIO("aé"), "aé".encode(), "text/plain; charset=utf-8"),
    ],
    ids=["str", "bytearray", "memoryview", "BytesIO", "StringIO"],
)
async def test_kinds_of_body(backend: Backend, make: Any, content: bytes, content_type: str) -> None:
    response = await returned(backend, lambda: backend.web.Response(body=make()))
    assert response.content == content
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize("mode", ["rb", "r"])
async def test_open_file_as_body(backend: Backend, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "page.txt"
    path.write_text("aé", encoding="utf-8")
    encoding = None if "b" in mode else "utf-8"
    response = await returned(backend, lambda: backend.web.Response(body=path.open(mode, encoding=encoding)))
    assert response.content == "aé".encode()
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.headers["Content-Disposition"] == 'attachment; filename="page.txt"'


async def test_open_file_with_content_type(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"x" * 200_000)

    def make() -> Any:
        return backend.web.Response(body=path.open("rb"), content_type="application/x-data")

    response = await returned(backend, make)
    assert len(response.content) == 200_000
    assert response.headers["Content-Type"] == "application/x-data"


async def test_async_generator_as_body(backend: Backend) -> None:
    async def numbers() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number
        yield b""

    response = await returned(backend, lambda: backend.web.Response(body=numbers()))
    assert response.content == b"012"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert "Content-Length" not in response.headers


async def test_async_generator_with_content_type(backend: Backend) -> None:
    async def text() -> AsyncIterator[bytes]:
        yield b"a"

    response = await returned(backend, lambda: backend.web.Response(body=text(), content_type="text/plain"))
    assert (response.content, response.headers["Content-Type"]) == (b"a", "text/plain")


async def test_async_generator_with_content_length(backend: Backend) -> None:
    async def text() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    response = await returned(backend, lambda: backend.web.Response(body=text(), headers={"Content-Length": "4"}))
    assert (response.content, response.headers["Content-Length"]) == (b"abcd", "4")


async def test_large_body(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(body=b"x" * 3_000_000))
    assert len(response.content) == 3_000_000


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_body(backend: Backend, status: int) -> None:
    response = await returned(backend, lambda: backend.web.Response(status=status, text="ignored"))
    assert (response.status_code, response.content) == (status, b"")
    assert "Content-Length" not in response.headers
    assert "Transfer-Encoding" not in response.headers


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_body_end_at_the_head(socket_backend: SocketBackend, status: int) -> None:
    head, body = await receive_raw(socket_backend, lambda _: socket_backend.web.Response(status=status, text="no"))
    assert head.startswith(b"http/1.1 %d" % status)
    assert body == b""
    assert b"transfer-encoding" not in head


async def test_304_of_bytes_has_no_content_type(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(status=304, headers={"ETag": '"x"'}, body=b"a"))
    assert "Content-Type" not in response.headers
    assert response.headers["ETag"] == '"x"'


async def test_head_answers_the_length_without_the_body(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(text="abc"), "HEAD")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == "3"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_head_sends_no_byte_of_the_body(socket_backend: SocketBackend) -> None:
    head, body = await receive_raw(socket_backend, lambda _: socket_backend.web.Response(text="abc"), HEAD)
    assert b"content-length: 3" in head
    assert body == b""


async def test_head_with_a_length_of_its_own(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(headers={"Content-Length": "7"}), "HEAD")
    assert response.headers["Content-Length"] == "7"


async def test_head_of_an_empty_response_has_no_length(backend: Backend) -> None:
    response = await returned(backend, backend.web.Response, "HEAD")
    assert response.status_code == 200
    assert "Content-Length" not in response.headers


async def test_205_has_an_empty_body(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(status=205))
    assert (response.status_code, response.content, response.headers["Content-Length"]) == (205, b"", "0")


def test_text_of_a_streamed_body(web: Any) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(TypeError):
        _ = web.Response(body=nothing()).text


async def test_content_length_header_that_is_right(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(text="abc", headers={"Content-Length": "3"}))
    assert response.text == "abc"
    assert response.headers.get_list("Content-Length") == ["3"]


async def test_date_and_server_are_sent(socket_backend: SocketBackend) -> None:
    head, _ = await receive_raw(socket_backend, lambda _: socket_backend.web.Response())
    assert head.count(b"\r\ndate: ") == 1
    assert head.count(b"\r\nserver: ") == 1


async def test_connection_close_is_honoured(socket_backend: SocketBackend) -> None:
    head, _ = await receive_raw(socket_backend, lambda _: socket_backend.web.Response())
    assert b"\r\nconnection: close" in head


async def test_response_of_http_1_0(socket_backend: SocketBackend) -> None:
    request = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
    head, body = await receive_raw(socket_backend, lambda _: socket_backend.web.Response(text="abc"), request)
    assert b"transfer-encoding" not in head
    assert body == b"abc"


async def test_status_outside_the_registry(backend: Backend) -> None:
    response = await returned(backend, lambda: backend.web.Response(status=299, text="x"))
    assert (response.status_code, response.text) == (299, "x")


async def test_response_prepared_by_the_handler(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.Response(text="abc")
        await response.prepare(request)
        assert response.prepared
        await response.write_eof()
        return response

    response = await ask(backend, handler)
    assert (response.text, response.headers["Content-Length"]) == ("abc", "3")


async def test_response_prepared_and_ended_by_the_server(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        response = web.Response(text="abc")
        await response.prepare(request)
        return response

    assert (await ask(backend, handler)).text == "abc"


async def test_response_refuses_write_before_prepare(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        with pytest.raises(RuntimeError, match=r"Cannot call write\(\) before prepare\(\)"):
            await web.Response(text="abc").write(b"x")
        return web.Response(text="refused")

    assert (await ask(backend, handler)).text == "refused"


async def test_write_eof_of_a_response_takes_no_data(backend: Backend) -> None:
    web = backend.web
    errors: list[Exception] = []

    async def handler(request: Any) -> Any:
        response = web.Response(text="abc")
        await response.prepare(request)
        try:
            await response.write_eof(b"more")
        except (TypeError, ValueError, RuntimeError, AssertionError) as exc:
            errors.append(exc)
        return response

    await ask(backend, handler)
    assert len(errors) == 1


async def test_handler_that_returns_what_another_one_made(backend: Backend) -> None:
    web = backend.web

    async def inner(request: Any) -> Any:
        return web.Response(text="inner")

    async def handler(request: Any) -> Any:
        response = await inner(request)
        response.text += " and outer"
        return response

    assert (await ask(backend, handler)).text == "inner and outer"


async def test_enable_chunked_encoding(socket_backend: SocketBackend) -> None:
    def make(_: Any) -> Any:
        response = socket_backend.web.Response(text="abc")
        response.enable_chunked_encoding()
        assert response.chunked
        return response

    head, body = await receive_raw(socket_backend, make)
    assert b"transfer-encoding: chunked" in head
    assert b"content-length" not in head
    assert body == b"3\r\nabc\r\n0\r\n\r\n"


async def test_force_close(backend: Backend) -> None:
    def make() -> Any:
        response = backend.web.Response(text="abc")
        response.force_close()
        assert response.keep_alive is False
        return response

    response = await returned(backend, make)
    assert response.text == "abc"
