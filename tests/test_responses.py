"""Responses as ASGI messages: both ways of sending them, framing, and what may be in a header."""

from __future__ import annotations

import http.cookies
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from tests.driver import Driver

#: RFC 9110, section 5.5: what would end a header, or is invalid in one.
CONTROLS = [chr(code) for code in range(32) if code != 9] + ["\x7f"]


async def sent_for(make: Any, *, method: str = "GET", long_way: bool = False, **scope: Any) -> Driver:
    """What is sent for the response that `make` makes."""

    async def handler(request: web.Request) -> Any:
        return make()

    async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
        """A receiver, so that there is no short way."""

    app = web.Application()
    app.router.add_route("*", "/", handler)
    if long_way:
        app.on_response_prepare.append(on_prepare)
    return await Driver.http(app, method, **scope).run()


# The short way and the long one

RESPONSES: dict[str, Any] = {
    "nothing": web.Response,
    "text": lambda: web.Response(text="hi"),
    "empty text": lambda: web.Response(text=""),
    "long text": lambda: web.Response(text="x" * 5000),
    "other charset": lambda: web.Response(text="ü", charset="latin-1"),
    "html": lambda: web.Response(text="<p>", content_type="text/html"),
    "bytes": lambda: web.Response(body=b"hi"),
    "empty bytes": lambda: web.Response(body=b""),
    "bytes with a type": lambda: web.Response(body=b"hi", content_type="image/png"),
    "bytes with a charset": lambda: web.Response(body=b"hi", content_type="text/csv", charset="utf-8"),
    "bytearray": lambda: web.Response(body=bytearray(b"hi")),
    "str body": lambda: web.Response(body="hi"),
    "json": lambda: web.json_response({"a": 1}),
    "json with a type": lambda: web.json_response({"a": 1}, content_type="application/problem+json"),
    "another status": lambda: web.Response(text="no", status=404),
    "no content": lambda: web.Response(status=204),
    "no content with a text": lambda: web.Response(status=204, text="hi"),
    "not modified": lambda: web.Response(status=304),
    "with headers": lambda: web.Response(text="hi", headers={"X-A": "1"}),
    "with a type in the headers": lambda: web.Response(body=b"hi", headers={"Content-Type": "text/x"}),
}


@pytest.mark.parametrize("make", RESPONSES.values(), ids=RESPONSES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_both_ways_send_the_same(make: Any, method: str) -> None:
    short = await sent_for(make, method=method)
    long = await sent_for(make, method=method, long_way=True)
    assert short.status == long.status
    assert sorted(short.sent[0]["headers"]) == sorted(long.sent[0]["headers"])
    assert short.body == long.body
    assert short.complete
    assert long.complete


def changed(name: str, change: Any) -> Any:
    def make() -> web.Response:
        response = web.Response(text="hi")
        change(response)
        return response

    return pytest.param(make, id=name)


@pytest.mark.parametrize(
    "make",
    [
        changed("header", lambda response: response.headers.update({"X-A": "1"})),
        changed("type", lambda response: setattr(response, "content_type", "text/x")),
        changed("charset", lambda response: setattr(response, "charset", "latin-1")),
        changed("cookie", lambda response: response.set_cookie("a", "1")),
        changed("status", lambda response: response.set_status(201)),
        changed("reason", lambda response: response.set_status(200, "Fine")),
        changed("text", lambda response: setattr(response, "text", "bye")),
        changed("body", lambda response: setattr(response, "body", b"bye")),
        changed("no body", lambda response: setattr(response, "body", None)),
        changed("etag", lambda response: setattr(response, "etag", "x")),
        changed("close", lambda response: response.force_close()),
        changed("chunked", lambda response: response.enable_chunked_encoding()),
        changed("item", lambda response: response.update({web.ResponseKey("a", int): 1})),
    ],
)
async def test_both_ways_send_what_was_changed(make: Any) -> None:
    short, long = await sent_for(make), await sent_for(make, long_way=True)
    assert short.status == long.status
    assert sorted(short.sent[0]["headers"]) == sorted(long.sent[0]["headers"])
    assert short.body == long.body


async def test_a_subclass_takes_the_long_way() -> None:
    class Mine(web.Response):
        async def prepare(self, request: web.BaseRequest) -> Any:
            self.headers["X-Mine"] = "1"
            return await super().prepare(request)

    driver = await sent_for(lambda: Mine(text="hi"))
    assert driver.headers[b"x-mine"] == b"1"


# Framing


async def test_a_wrong_content_length_is_an_error_that_names_the_fix(caplog: pytest.LogCaptureFixture) -> None:
    driver = await sent_for(lambda: web.Response(text="four", headers={"Content-Length": "3"}))
    assert driver.status == 500
    assert "set automatically" in caplog.text


async def test_a_right_content_length_is_kept() -> None:
    driver = await sent_for(lambda: web.Response(text="four", headers={"Content-Length": "4"}))
    assert (driver.status, driver.headers[b"content-length"]) == (200, b"4")


async def test_head_may_tell_the_length_of_what_is_not_there() -> None:
    driver = await sent_for(lambda: web.Response(headers={"Content-Length": "1000"}), method="HEAD")
    assert (driver.status, driver.headers[b"content-length"], driver.body) == (200, b"1000", b"")


@pytest.mark.parametrize("status", [204, 304])
async def test_bodiless_statuses(status: int) -> None:
    driver = await sent_for(lambda: web.Response(status=status, text="hi"))
    assert driver.body == b""
    assert b"content-length" not in driver.headers
    assert driver.complete


async def test_a_stream_answers_head_without_a_body() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "4"})
        await response.prepare(request)
        await response.write(b"body")
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app, "HEAD").run()
    assert driver.headers[b"content-length"] == b"4"
    assert driver.body == b""
    assert driver.complete


async def test_what_exceeds_the_declared_length_is_not_sent() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "3"})
        await response.prepare(request)
        await response.write(b"ab")
        await response.write(b"cd")
        await response.write_eof(b"HTTP/1.1 200 OK")
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert driver.body == b"abc"


async def test_a_body_in_pieces_has_no_length() -> None:
    async def pieces() -> Any:
        yield b"a"
        yield b"b"

    driver = await sent_for(lambda: web.Response(body=pieces()))
    assert driver.body == b"ab"
    assert b"content-length" not in driver.headers


async def test_a_body_in_pieces_is_not_begun_for_head() -> None:
    begun = []

    async def pieces() -> Any:
        begun.append(True)
        yield b"a"

    driver = await sent_for(lambda: web.Response(body=pieces()), method="HEAD")
    assert driver.body == b""
    assert begun == []


async def test_a_file_is_sent_and_closed() -> None:
    file = io.BufferedReader(io.BytesIO(b"x" * 200_000))
    driver = await sent_for(lambda: web.Response(body=file))
    assert len(driver.body) == 200_000
    assert len(driver.sent) > 3
    assert file.closed


async def test_a_file_is_closed_also_when_the_client_left() -> None:
    file = io.BufferedReader(io.BytesIO(b"x" * 200_000))

    async def handler(request: web.Request) -> web.Response:
        driver.send_error = OSError("gone")
        return web.Response(body=file)

    app = web.Application()
    app.router.add_get("/", handler)
    driver = Driver.http(app)
    await driver.run()
    assert driver.sent == []
    assert file.closed


# The connection


async def test_force_close_asks_the_server_over_http_1() -> None:
    def closing() -> web.Response:
        response = web.Response(text="hi")
        response.force_close()
        return response

    assert (await sent_for(closing)).headers[b"connection"] == b"close"
    assert b"connection" not in (await sent_for(closing, http_version="2")).headers
    assert b"connection" not in (await sent_for(closing, http_version="3")).headers


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize("name", ["Connection", "Transfer-Encoding", "Keep-Alive", "Proxy-Connection", "Upgrade"])
async def test_no_hop_by_hop_headers_over_http_2(version: str, name: str) -> None:
    driver = await sent_for(lambda: web.Response(text="hi", headers={name: "x"}), http_version=version)
    assert name.lower().encode() not in driver.headers


async def test_no_hop_by_hop_headers_that_a_receiver_adds_over_http_2() -> None:
    async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Connection"] = "keep-alive"

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="hi")

    app = web.Application()
    app.router.add_get("/", handler)
    app.on_response_prepare.append(on_prepare)
    driver = await Driver.http(app, http_version="2").run()
    assert b"connection" not in driver.headers


async def test_transfer_encoding_is_the_servers_to_say() -> None:
    def chunked() -> web.Response:
        response = web.Response(text="hi")
        response.enable_chunked_encoding()
        return response

    driver = await sent_for(chunked)
    assert b"transfer-encoding" not in driver.headers
    assert b"content-length" not in driver.headers


async def test_header_names_are_sent_in_lower_case_and_values_as_utf_8() -> None:
    driver = await sent_for(lambda: web.Response(text="hi", headers={"X-UPPER": "ü", "Etag": '"x"'}))
    assert driver.headers[b"x-upper"] == "ü".encode()
    assert driver.headers[b"etag"] == b'"x"'


async def test_repeated_headers_are_all_sent() -> None:
    def make() -> web.Response:
        response = web.Response(text="hi", headers=[("Link", "a"), ("Link", "b")])
        response.set_cookie("c", "1")
        response.set_cookie("d", "2")
        return response

    driver = await sent_for(make)
    names = [name for name, _ in driver.sent[0]["headers"]]
    assert (names.count(b"link"), names.count(b"set-cookie")) == (2, 2)


# S8: what would end a header is refused where it is set

Mutator = Any
MUTATORS: dict[str, Mutator] = {
    "constructor": lambda response, text: web.Response(headers={"X-A": text}),
    "stream constructor": lambda response, text: web.StreamResponse(headers={"X-A": text}),
    "constructor with pairs": lambda response, text: web.Response(headers=[("X-A", text)]),
    "constructor with text": lambda response, text: web.Response(text="hi", headers={"X-A": text}),
    "json headers": lambda response, text: web.json_response({}, headers={"X-A": text}),
    "json type": lambda response, text: web.json_response({}, content_type=f"a/b{text}"),
    "json reason": lambda response, text: web.json_response({}, reason=text),
    "reason": lambda response, text: web.Response(reason=text),
    "stream reason": lambda response, text: web.StreamResponse(reason=text),
    "set_status": lambda response, text: response.set_status(200, text),
    "content_type of bytes": lambda response, text: web.Response(body=b"", content_type=f"a/b{text}"),
    "content_type of text": lambda response, text: web.Response(text="", content_type=f"a/b{text}"),
    "content_type with headers": lambda response, text: web.Response(content_type=f"a/b{text}", headers={"A": "b"}),
    "charset argument": lambda response, text: web.Response(body=b"", content_type="a/b", charset=f"utf-8{text}"),
    "content_type": lambda response, text: setattr(response, "content_type", f"a/b{text}"),
    "charset": lambda response, text: setattr(response, "charset", f"utf-8{text}"),
    "last_modified": lambda response, text: setattr(response, "last_modified", f"Mon{text}"),
    "etag": lambda response, text: setattr(response, "etag", f"x{text}"),
    "headers[]": lambda response, text: response.headers.__setitem__("X-A", text),
    "headers.add": lambda response, text: response.headers.add("X-A", text),
    "headers.extend": lambda response, text: response.headers.extend({"X-A": text}),
    "headers.extend pairs": lambda response, text: response.headers.extend([("X-A", text)]),
    "headers.extend keywords": lambda response, text: response.headers.extend(a=text),
    "headers.update": lambda response, text: response.headers.update({"X-A": text}),
    "headers.merge": lambda response, text: response.headers.merge({"X-A": text}),
    "headers.setdefault": lambda response, text: response.headers.setdefault("X-A", text),
    "header name": lambda response, text: response.headers.__setitem__(f"X-A{text}", "1"),
    "header name added": lambda response, text: response.headers.add(f"X-A{text}", "1"),
    "cookie name": lambda response, text: response.set_cookie(f"a{text}", "1"),
    "cookie domain": lambda response, text: response.set_cookie("a", "1", domain=f"x{text}"),
    "cookie path": lambda response, text: response.set_cookie("a", "1", path=f"/{text}"),
    "cookie expires": lambda response, text: response.set_cookie("a", "1", expires=f"x{text}"),
    "cookie max_age": lambda response, text: response.set_cookie("a", "1", max_age=f"1{text}"),
    "cookie samesite": lambda response, text: response.set_cookie("a", "1", samesite=f"Lax{text}"),
    "cookie version": lambda response, text: response.set_cookie("a", "1", version=f"1{text}"),
    "deleted cookie": lambda response, text: response.del_cookie(f"a{text}"),
    "deleted cookie's path": lambda response, text: response.del_cookie("a", path=f"/{text}"),
    "deleted cookie's domain": lambda response, text: response.del_cookie("a", domain=f"x{text}"),
    "exception headers": lambda response, text: web.HTTPOk(headers={"X-A": text}),
    "exception reason": lambda response, text: web.HTTPNotFound(reason=text),
    "exception type": lambda response, text: web.HTTPNotFound(text="", content_type=f"a/b{text}"),
    "link": lambda response, text: web.HTTPUnavailableForLegalReasons(f"http://example.com/{text}").headers,
    "method": lambda response, text: web.HTTPMethodNotAllowed("GET", [f"PO{text}ST"]).headers,
}


#: What refuses a name or a value: of cookies the standard library does.
REFUSALS = (ValueError, TypeError, LookupError, http.cookies.CookieError)


@pytest.mark.parametrize("mutate", MUTATORS.values(), ids=MUTATORS)
@pytest.mark.parametrize("control", ["\r", "\n", "\0", "\r\nSet-Cookie: a=b"])
def test_s08_line_ends_are_refused_when_they_are_set(mutate: Mutator, control: str) -> None:
    with pytest.raises(REFUSALS):
        mutate(web.Response(text="hi"), f"a{control}b")


@settings(derandomize=True, max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(MUTATORS)), before=st.text(max_size=3), control=st.sampled_from(CONTROLS))
def test_s08_no_control_character_comes_through(name: str, before: str, control: str) -> None:
    response = web.Response(text="hi")
    made = None
    try:
        made = MUTATORS[name](response, before + control)
    except REFUSALS:
        return
    kept = made if isinstance(made, web.StreamResponse) else response
    values = [*kept.headers.values(), *kept.headers.keys(), kept.reason]
    assert not any(control in value for value in values)


@pytest.mark.parametrize("control", CONTROLS)
async def test_s08_cookie_values_are_quoted(control: str) -> None:
    def make() -> web.Response:
        response = web.Response(text="hi")
        response.set_cookie("a", f"b{control}c")
        return response

    driver = await sent_for(make)
    assert control.encode() not in driver.headers.get(b"set-cookie", b"")


@pytest.mark.parametrize("control", CONTROLS)
async def test_s08_a_jar_that_was_filled_by_hand_is_checked_too(control: str, caplog: pytest.LogCaptureFixture) -> None:
    def make() -> web.Response:
        response = web.Response(text="hi")
        response.cookies["a"] = "1"
        response.cookies["a"]["path"] = f"/{control}x"
        return response

    driver = await sent_for(make)
    assert driver.status == 500


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("redirect", [web.HTTPFound, web.HTTPSeeOther, web.HTTPPermanentRedirect])
async def test_s08_a_location_with_control_characters(control: str, redirect: Any) -> None:
    try:
        location = redirect(f"/a{control}b").headers["Location"]
    except ValueError:
        return
    assert control not in location


async def test_s07_the_location_is_escaped_in_the_body() -> None:
    def make() -> web.Response:
        raise web.HTTPFound("/<script>alert(1)</script>")

    driver = await sent_for(make)
    assert driver.status == 302
    assert b"<script>" not in driver.body


async def test_s05_s33_the_debug_page_escapes(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError("<script>alert(1)</script>")

    app = web.Application(debug=True)
    app.router.add_get("/", handler)
    driver = await Driver.http(app, headers=[(b"accept", b"text/html")]).run()
    assert driver.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert b"<script>" not in driver.body
    assert b"&lt;script&gt;" in driver.body


async def test_s05_a_reason_is_escaped_where_a_page_is_html() -> None:
    def make() -> web.Response:
        raise web.HTTPNotFound(reason="<script>")

    driver = await sent_for(make)
    assert driver.headers[b"content-type"].startswith(b"text/plain")
