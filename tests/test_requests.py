"""What a request says of an ASGI scope, where a server of the contract tests would not send it so."""

from __future__ import annotations

import asyncio
import contextvars
import json
from typing import Any

import pytest

from framework import web
from tests.driver import Driver

VALUE = web.RequestKey("VALUE", int)


def request_for(target: str = "/", **scope: Any) -> web.BaseRequest:
    driver = Driver.http(None, target=target, **scope)
    return web.BaseRequest(driver.scope, driver.receive, driver.send)


@pytest.mark.parametrize(
    ("version", "parsed"), [("1.0", (1, 0)), ("1.1", (1, 1)), ("2", (2, 0)), ("2.0", (2, 0)), ("3", (3, 0))]
)
def test_version(version: str, parsed: tuple[int, int]) -> None:
    assert tuple(request_for(http_version=version).version) == parsed


@pytest.mark.parametrize(
    ("scheme", "seen", "secure"),
    [("http", "http", False), ("https", "https", True), ("ws", "http", False), ("wss", "https", True)],
)
def test_scheme(scheme: str, seen: str, secure: bool) -> None:
    request = request_for(scheme=scheme)
    assert (request.scheme, request.secure, request.url.scheme) == (seen, secure, seen)


@pytest.mark.parametrize(
    ("server", "host"),
    [
        (("192.0.2.1", 80), "192.0.2.1"),
        (("192.0.2.1", 8080), "192.0.2.1:8080"),
        (("::1", 8080), "[::1]:8080"),
        (("/run/app.sock", None), "localhost"),
        (None, "localhost"),
    ],
)
def test_host_without_a_host_header_is_the_servers_address(server: Any, host: str) -> None:
    request = request_for(headers=[], server=server)
    assert request.host == host
    assert str(request.url) == f"http://{host}/"


@pytest.mark.parametrize("client", [None, ["192.0.2.7", 1], ("192.0.2.7", 1)])
def test_remote(client: Any) -> None:
    assert request_for(client=client).remote == (client and "192.0.2.7")


@pytest.mark.parametrize(
    ("target", "path", "path_qs"),
    [
        ("/a%20b?c=d", "/a b", "/a%20b?c=d"),
        ("/a%2Fb", "/a/b", "/a%2Fb"),
        ("/%C3%BC?x=%C3%BC", "/ü", "/%C3%BC?x=%C3%BC"),
        ("/?", "/", "/"),
    ],
)
def test_path_and_path_qs(target: str, path: str, path_qs: str) -> None:
    request = request_for(target)
    assert request.path == path
    assert request.path_qs == path_qs
    # Also when the URL was made before.
    assert request.rel_url.path == path
    assert request.path == path


def test_cookies_that_http_2_splits_are_joined() -> None:
    request = request_for(headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2")], http_version="2")
    assert request.cookies == {"a": "1", "b": "2"}


def test_cookies_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        request_for().cookies["a"] = "1"  # type: ignore[index]


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [("1.1", b"", True), ("1.1", b"close", False), ("1.0", b"", False), ("1.0", b"keep-alive", True), ("2", b"", True)],
)
def test_keep_alive(version: str, connection: bytes, keep_alive: bool) -> None:
    headers = [(b"connection", connection)] if connection else []
    assert request_for(http_version=version, headers=headers).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("version", "headers", "exists"),
    [
        ("1.1", [], False),
        ("1.1", [(b"content-length", b"0")], False),
        ("1.1", [(b"content-length", b"1")], True),
        ("1.1", [(b"transfer-encoding", b"chunked")], True),
        ("2", [], True),
        ("2", [(b"content-length", b"0")], False),
        ("3", [], True),
    ],
)
def test_body_exists(version: str, headers: Any, exists: bool) -> None:
    assert request_for(http_version=version, headers=headers).body_exists is exists


def test_raw_headers_are_octets() -> None:
    assert request_for(headers=[[bytearray(b"x-a"), memoryview(b"\xff")]]).raw_headers == ((b"x-a", b"\xff"),)


def test_header_names_are_spelled_as_clients_do() -> None:
    request = request_for(headers=[(b"user-agent", b"x"), (b"x-my-header", b"1")])
    assert list(request.headers) == ["User-Agent", "X-My-Header"]
    assert request.headers["USER-AGENT"] == "x"


async def test_the_tls_extension_is_what_the_transport_tells() -> None:
    tls = {"tls_version": 0x0304, "client_cert_name": "CN=me", "client_cert_chain": ["pem"], "cipher_suite": 0x1301}
    request = request_for(scheme="https", extensions={"tls": tls})
    assert request.get_extra_info("sslcontext") == tls
    assert request.get_extra_info("peercert") == "CN=me"
    assert request.get_extra_info("tls_version") == 0x0304
    assert request.get_extra_info("client_cert_chain") == ["pem"]
    assert request.get_extra_info("socket", "none") == "none"
    assert request_for().get_extra_info("sslcontext") is None


def test_what_asgi_has_not_says_what_to_use_instead() -> None:
    request = request_for()
    with pytest.raises(RuntimeError, match=r"get_extra_info\(\)"):
        _ = request.protocol
    with pytest.raises(RuntimeError, match=r"response\.write\(\)"):
        _ = request.writer
    with pytest.raises(RuntimeError, match=r"force_close\(\)"):
        request.transport.close()
    with pytest.raises(RuntimeError, match=r"response\.write\(\)"):
        request.transport.write(b"")


def test_a_request_that_was_not_routed_says_so() -> None:
    driver = Driver.http(None)
    request = web.Request(driver.scope, driver.receive, driver.send)
    with pytest.raises(RuntimeError, match="was not routed"):
        _ = request.match_info
    with pytest.raises(RuntimeError, match="was not routed"):
        _ = request.app


async def test_requests_are_mappings_of_their_own() -> None:
    first, second = request_for(), request_for()
    first[VALUE] = 1
    assert first[VALUE] == 1
    assert VALUE not in second
    assert first
    assert first != second
    assert list(first) == [VALUE]
    del first[VALUE]
    assert len(first) == 0


async def test_a_clone_reads_the_same_body_and_keeps_the_state() -> None:
    driver = Driver.http(None, "POST", "/a?b=c", headers=[(b"host", b"h"), (b"content-length", b"4")], body=b"body")
    request = web.BaseRequest(driver.scope, driver.receive, driver.send)
    request[VALUE] = 1
    clone = request.clone(method="PUT", rel_url="/x%2Fy?z=1", headers={"X-A": "1"}, scheme="https", remote="r")
    assert (clone.method, clone.raw_path, clone.scheme, clone.remote) == ("PUT", "/x%2Fy?z=1", "https", "r")
    assert dict(clone.headers) == {"X-A": "1"}
    assert clone[VALUE] == 1
    clone[VALUE] = 2
    assert request[VALUE] == 1
    assert (request.method, request.path_qs, dict(request.headers)["Host"]) == ("POST", "/a?b=c", "h")
    assert await clone.content.read() == b"body"
    assert await request.content.read() == b""


async def test_no_clone_after_the_body_was_read() -> None:
    driver = Driver.http(None, "POST", body=b"body")
    request = web.BaseRequest(driver.scope, driver.receive, driver.send)
    await request.read()
    with pytest.raises(RuntimeError, match="after reading"):
        request.clone()


async def test_client_max_size_zero_is_no_limit() -> None:
    driver = Driver.http(None, "POST", body=b"x" * 2**21)
    request = web.BaseRequest(driver.scope, driver.receive, driver.send, client_max_size=0)
    assert len(await request.read()) == 2**21


async def test_the_body_is_kept_for_all_who_read_it() -> None:
    async def handler(request: web.Request) -> web.Response:
        first, second, third = await request.read(), await request.text(), await request.json()
        return web.json_response([first.decode(), second, third, request.can_read_body, request.body_exists])

    app = web.Application()
    app.router.add_post("/", handler)
    driver = await Driver.http(app, "POST", headers=[(b"content-length", b"1")], body=b"1").run()
    assert json.loads(driver.body) == ["1", "1", 1, False, True]


async def test_the_task_is_the_one_that_runs_the_handler() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.task is asyncio.current_task()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handler)
    assert (await Driver.http(app).run()).status == 200


async def test_middlewares_and_handler_share_task_and_context() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    @web.middleware
    async def outer(request: web.Request, handler: Any) -> web.StreamResponse:
        variable.set("outer")
        response: web.StreamResponse = await handler(request)
        response.headers["X-After"] = variable.get()
        return response

    async def handler(request: web.Request) -> web.Response:
        seen = variable.get()
        variable.set("handler")
        return web.Response(text=seen)

    app = web.Application(middlewares=[outer])
    app.router.add_get("/", handler)
    driver = await Driver.http(app).run()
    assert (driver.body, driver.headers[b"x-after"]) == (b"outer", b"handler")


async def test_attributes_may_be_hung_on_requests_and_the_class_may_be_changed() -> None:
    class Mine(web.Request):
        @property
        def user(self) -> str:
            return "me"

    @web.middleware
    async def change(request: web.Request, handler: Any) -> Any:
        request.__class__ = Mine
        request.note = "note"  # type: ignore[attr-defined]
        return await handler(request)

    async def handler(request: Any) -> web.Response:
        return web.Response(text=request.user + request.note)

    app = web.Application(middlewares=[change])
    app.router.add_get("/", handler)
    assert (await Driver.http(app).run()).body == b"menote"


@pytest.mark.parametrize("first", ["read", "post"])
@pytest.mark.parametrize("pieces", [[b""], [b"a=b", b""], [b"a=b", b"&c"]])
async def test_a_body_that_is_shorter_than_its_length_is_not_complete(first: str, pieces: list[bytes]) -> None:
    refused = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal refused
        for read in (getattr(request, first), request.post, request.text):
            with pytest.raises(web.RequestPayloadError):
                await read()
            refused += 1
        return web.Response(body=await request.content.read())

    app = web.Application()
    app.router.add_post("/", handler)
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"8")]
    driver = await Driver.http(app, "POST", headers=headers, body=pieces).run()
    assert driver.status == 400
    assert refused == 3


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/x-www-form-urlencoded"])
async def test_a_body_that_was_too_large_can_be_asked_for_again(content_type: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        refused = 0
        for read in (request.post, request.read, request.text):
            try:
                await read()
            except web.HTTPRequestEntityTooLarge:
                refused += 1
        return web.Response(text=str(refused))

    app = web.Application()
    app.router.add_post("/", handler, client_max_size=3)
    headers = [(b"content-type", content_type), (b"content-length", b"4")]
    driver = await Driver.http(app, "POST", headers=headers, body=b"a=bc").run()
    assert driver.status == 200
