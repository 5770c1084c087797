"""How a WebSocket begins: the handshake as a request, what is sent with its answer, and how it is denied."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.contract import ws_backends
from tests.contract.backends import SocketBackend
from tests.contract.ws_backends import application, conversation, serving, talked

ws_backend = ws_backends.ws_backend

Handler = Callable[[Any], Awaitable[Any]]


async def nothing(ws: Any) -> None:
    """A server's half that ends at once."""


async def seen_by(backend: SocketBackend, look: Callable[[Any], Any], path: str = "/", **connect: Any) -> Any:
    """What `look(request)` finds in the request of a handshake."""
    found = []

    async def handler(request: Any) -> Any:
        found.append(look(request))
        ws = backend.web.WebSocketResponse()
        await ws.prepare(request)
        return ws

    app = backend.web.Application()
    app.router.add_get("/{tail:.*}", handler)
    async with serving(backend, app) as http, http.ws_connect(path, **connect):
        pass
    return found[0]


async def denied(
    backend: SocketBackend, handler: Handler, path: str = "/", **options: Any
) -> aiohttp.WSServerHandshakeError:
    """The error of a client whose handshake is answered by something else than a WebSocket."""
    async with serving(backend, application(backend, handler, **options)) as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(path)
    return caught.value


# --- Before and after prepare() -------------------------------------------------------------------


async def test_a_new_socket(ws_backend: SocketBackend) -> None:
    ws = ws_backend.web.WebSocketResponse()
    assert (ws.prepared, ws.closed, ws.close_code, ws.ws_protocol) == (False, False, None, None)
    assert (ws.status, ws.reason, ws.exception()) == (101, "Switching Protocols", None)


async def test_a_prepared_socket(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return ws.prepared, ws.closed, ws.close_code, ws.exception(), ws.status, ws.ws_protocol

    assert await talked(ws_backend, talk) == (True, False, None, None, 101, None)


async def test_repr_before_and_after(ws_backend: SocketBackend) -> None:
    assert repr(ws_backend.web.WebSocketResponse()) == "<WebSocketResponse Switching Protocols not prepared>"

    async def talk(ws: Any) -> str:
        return repr(ws)

    assert await talked(ws_backend, talk) == "<WebSocketResponse Switching Protocols GET / >"


async def test_a_socket_is_true_and_equal_to_itself_alone(ws_backend: SocketBackend) -> None:
    one, other = ws_backend.web.WebSocketResponse(), ws_backend.web.WebSocketResponse()
    assert one
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


async def test_a_socket_keeps_what_a_program_puts_into_it(ws_backend: SocketBackend) -> None:
    ws = ws_backend.web.WebSocketResponse()
    key = ws_backend.web.ResponseKey("room", str)
    ws[key] = "lobby"
    assert (ws[key], ws.get(key), list(ws)) == ("lobby", "lobby", [key])


async def test_a_socket_is_a_response(ws_backend: SocketBackend) -> None:
    web = ws_backend.web
    assert isinstance(web.WebSocketResponse(), web.StreamResponse)
    assert not isinstance(web.WebSocketResponse(), web.Response)


async def test_preparing_twice_is_preparing_once(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        ws = ws_backend.web.WebSocketResponse()
        await ws.prepare(request)
        await ws.prepare(request)
        await ws.send_str("once")
        return ws

    async with serving(ws_backend, application(ws_backend, handler)) as http, http.ws_connect("/") as client:
        assert await client.receive_str() == "once"


async def test_can_prepare_a_handshake(ws_backend: SocketBackend) -> None:
    def look(request: Any) -> Any:
        ready = ws_backend.web.WebSocketResponse().can_prepare(request)
        return bool(ready), ready.ok, ready.protocol, repr(ready)

    assert await seen_by(ws_backend, look) == (True, True, None, "WebSocketReady(ok=True, protocol=None)")


async def test_can_prepare_tells_the_subprotocol(ws_backend: SocketBackend) -> None:
    def look(request: Any) -> Any:
        return ws_backend.web.WebSocketResponse(protocols=("chat",)).can_prepare(request)

    ready = await seen_by(ws_backend, look, protocols=("quiz", "chat"))
    assert ready == ws_backend.web.WebSocketReady(True, "chat")


async def test_can_prepare_of_a_prepared_socket(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        ws = ws_backend.web.WebSocketResponse()
        await ws.prepare(request)
        with pytest.raises(RuntimeError, match="Already started"):
            ws.can_prepare(request)
        await ws.send_str("seen")
        return ws

    async with serving(ws_backend, application(ws_backend, handler)) as http, http.ws_connect("/") as client:
        assert await client.receive_str() == "seen"


async def test_get_extra_info(ws_backend: SocketBackend) -> None:
    unprepared = ws_backend.web.WebSocketResponse()
    assert unprepared.get_extra_info("peername") is None
    assert unprepared.get_extra_info("peername", "nobody") == "nobody"

    async def talk(ws: Any) -> Any:
        return ws.get_extra_info("peername")[0], ws.get_extra_info("no such thing", 7)

    assert await talked(ws_backend, talk) == ("127.0.0.1", 7)


# --- The request ----------------------------------------------------------------------------------


async def test_the_request_of_a_handshake(ws_backend: SocketBackend) -> None:
    def look(request: Any) -> Any:
        return request.method, request.path, request.query["room"], request.rel_url.raw_query_string, request.scheme

    assert await seen_by(ws_backend, look, "/chat?room=a%20b") == ("GET", "/chat", "a b", "room=a%20b", "http")


async def test_match_info(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        ws = ws_backend.web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({**request.match_info, "route": request.match_info.route.name})
        return ws

    app = ws_backend.web.Application()
    app.router.add_get(r"/rooms/{room}/{seat:\d+}", handler, name="seat")
    async with serving(ws_backend, app) as http, http.ws_connect("/rooms/caf%C3%A9/12") as client:
        assert await client.receive_json() == {"room": "café", "seat": "12", "route": "seat"}


async def test_headers_of_the_client(ws_backend: SocketBackend) -> None:
    def look(request: Any) -> Any:
        headers = request.headers
        return headers["X-Token"], headers["Upgrade"].lower(), headers["Sec-WebSocket-Version"], request.host

    token, upgrade, version, host = await seen_by(ws_backend, look, headers={"X-Token": "t", "Host": "chat.example"})
    assert (token, upgrade, version, host) == ("t", "websocket", "13", "chat.example")


async def test_cookies_of_the_client(ws_backend: SocketBackend) -> None:
    seen = await seen_by(ws_backend, lambda request: dict(request.cookies), headers={"Cookie": "user=ada; theme=dark"})
    assert seen == {"user": "ada", "theme": "dark"}


async def test_a_handshake_has_no_body(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        body = await request.read() if request.can_read_body else b""
        ws = ws_backend.web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_bytes(body)
        return ws

    async with serving(ws_backend, application(ws_backend, handler)) as http, http.ws_connect("/") as client:
        assert await client.receive_bytes() == b""


async def test_the_application_of_a_subapplication(ws_backend: SocketBackend) -> None:
    web = ws_backend.web
    name = web.AppKey("name", str)

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(request.app[name])
        return ws

    chat = application(ws_backend, handler)
    chat[name] = "chat"
    app = web.Application()
    app.add_subapp("/chat", chat)
    async with serving(ws_backend, app) as http, http.ws_connect("/chat/") as client:
        assert await client.receive_str() == "chat"


async def test_a_view_answers_with_a_socket(ws_backend: SocketBackend) -> None:
    web = ws_backend.web

    class Echo(web.View):  # type: ignore[name-defined, misc]
        async def get(self) -> Any:
            ws = web.WebSocketResponse()
            await ws.prepare(self.request)
            await ws.send_str("from a view")
            return ws

    app = web.Application()
    app.router.add_view("/", Echo)
    async with serving(ws_backend, app) as http, http.ws_connect("/") as client:
        assert await client.receive_str() == "from a view"


# --- The answer -----------------------------------------------------------------------------------


async def answer_to(
    backend: SocketBackend, change: Callable[[Any], None], *, options: dict[str, Any] | None = None, **connect: Any
) -> aiohttp.ClientResponse:
    """The response to the handshake of a socket that `change(ws)` has changed."""

    async def handler(request: Any) -> Any:
        ws = backend.web.WebSocketResponse(**(options or {}))
        change(ws)
        await ws.prepare(request)
        return ws

    async with serving(backend, application(backend, handler)) as http, http.ws_connect("/", **connect) as client:
        response: aiohttp.ClientResponse = client._response  # noqa: SLF001  # the client shows it no other way
        return response


async def test_headers_that_the_program_sets(ws_backend: SocketBackend) -> None:
    def change(ws: Any) -> None:
        ws.headers["X-Room"] = "7"
        ws.headers.add("X-Many", "a")
        ws.headers.add("X-Many", "b")

    answer = await answer_to(ws_backend, change)
    assert answer.status == 101
    assert answer.headers["X-Room"] == "7"
    assert answer.headers.getall("X-Many") == ["a", "b"]


async def test_cookies_that_the_program_sets(ws_backend: SocketBackend) -> None:
    def change(ws: Any) -> None:
        ws.set_cookie("seen", "1", httponly=True)
        ws.del_cookie("old")

    answer = await answer_to(ws_backend, change)
    assert answer.cookies["seen"].value == "1"
    assert answer.cookies["seen"]["httponly"]
    assert answer.cookies["old"]["max-age"] == "0"


async def test_headers_of_the_protocol_are_sent_once(ws_backend: SocketBackend) -> None:
    answer = await answer_to(ws_backend, lambda ws: None, options={"protocols": ("chat",)}, protocols=("chat",))
    for name in ("Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol"):
        assert len(answer.headers.getall(name)) == 1, name
    assert "Content-Length" not in answer.headers


async def test_headers_as_the_handler_sees_them(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return ws.headers["Upgrade"], ws.headers["Connection"], ws.headers.get("Sec-WebSocket-Protocol")

    seen = await talked(ws_backend, talk, options={"protocols": ["chat"]}, protocols=["chat"])
    assert seen == ("websocket", "upgrade", "chat")


async def test_on_response_prepare(ws_backend: SocketBackend) -> None:
    statuses = []

    async def mark(request: Any, response: Any) -> None:
        statuses.append((request.path, response.status))
        response.headers["X-Marked"] = "yes"

    async def handler(request: Any) -> Any:
        ws = ws_backend.web.WebSocketResponse()
        await ws.prepare(request)
        return ws

    app = application(ws_backend, handler)
    app.on_response_prepare.append(mark)
    async with serving(ws_backend, app) as http, http.ws_connect("/") as client:
        assert client._response.headers["X-Marked"] == "yes"  # noqa: SLF001
    assert statuses == [("/", 101)]


# --- Middlewares ----------------------------------------------------------------------------------


async def test_a_middleware_sees_handshake_and_socket(ws_backend: SocketBackend) -> None:
    web = ws_backend.web
    events = []
    over = asyncio.Event()

    @web.middleware  # type: ignore[untyped-decorator]
    async def watch(request: Any, handler: Handler) -> Any:
        events.append(request.path)
        ws = await handler(request)
        events.append((type(ws) is web.WebSocketResponse, ws.closed, ws.close_code))
        over.set()
        return ws

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.close(code=4000)
        return ws

    app = application(ws_backend, handler, middlewares=[watch])
    async with serving(ws_backend, app) as http, http.ws_connect("/") as client:
        assert (await client.receive()).data == 4000
        await over.wait()
    # Which code aiohttp has by then depends on what the client answered.
    assert events[0] == "/"
    assert events[1][:2] == (True, True)


async def test_a_middleware_hands_on_what_it_found(ws_backend: SocketBackend) -> None:
    web = ws_backend.web
    user = web.RequestKey("user", str)

    @web.middleware  # type: ignore[untyped-decorator]
    async def identify(request: Any, handler: Handler) -> Any:
        request[user] = request.cookies["user"]
        return await handler(request)

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(f"hello {request[user]}")
        return ws

    app = application(ws_backend, handler, middlewares=[identify])
    async with serving(ws_backend, app) as http, http.ws_connect("/", headers={"Cookie": "user=ada"}) as client:
        assert await client.receive_str() == "hello ada"


# --- Subprotocols ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoken", "offered", "chosen"),
    [
        (("chat",), ("chat",), "chat"),
        (("b", "a"), ("x", "a", "b"), "a"),
        (("a", "b"), ("b", "a"), "b"),
        (("chat",), (), None),
        ((), ("chat",), None),
        (("z",), ("x", "a"), None),
        (("CHAT",), ("chat",), None),
        (("v1.chat", "v2.chat"), ("v3.chat", "v2.chat", "v1.chat"), "v2.chat"),
    ],
    ids=["match", "clients-order", "clients-order-2", "none-offered", "none-spoken", "mismatch", "case", "versions"],
)
async def test_subprotocols(
    ws_backend: SocketBackend, spoken: tuple[str, ...], offered: tuple[str, ...], chosen: str | None
) -> None:
    async def talk(ws: Any) -> Any:
        return ws.ws_protocol

    async with conversation(ws_backend, talk, options={"protocols": spoken}, protocols=offered) as (client, served):
        assert await served == chosen
        assert client.protocol == chosen


async def test_subprotocols_of_two_header_fields(ws_backend: SocketBackend) -> None:
    headers = [("Sec-WebSocket-Protocol", "x, y"), ("Sec-WebSocket-Protocol", "chat")]

    async def talk(ws: Any) -> Any:
        return ws.ws_protocol

    protocol = await talked(ws_backend, talk, options={"protocols": ("y", "chat")}, headers=headers)
    # hypercorn reads the last of the fields alone.
    assert protocol == ("chat" if ws_backend.name == "hypercorn" else "y")


async def test_protocols_may_be_any_iterable(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return ws.ws_protocol

    assert await talked(ws_backend, talk, options={"protocols": iter(["chat"])}, protocols=["chat"]) == "chat"


# --- Pages and sockets at one address -------------------------------------------------------------


async def test_a_page_and_a_socket_at_one_address(ws_backend: SocketBackend) -> None:
    web = ws_backend.web

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        if not ws.can_prepare(request):
            return web.Response(text="<h1>chat</h1>", content_type="text/html")
        await ws.prepare(request)
        await ws.send_str("a socket")
        return ws

    async with serving(ws_backend, application(ws_backend, handler)) as http:
        async with http.get("/") as page:
            assert (page.status, page.content_type, await page.text()) == (200, "text/html", "<h1>chat</h1>")
        async with http.ws_connect("/") as client:
            assert await client.receive_str() == "a socket"
        async with http.get("/") as page:
            assert page.status == 200


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, 'No WebSocket UPGRADE hdr: None\n Can "Upgrade" only to "WebSocket".'),
        ({"Upgrade": "TLS/1.0"}, 'No WebSocket UPGRADE hdr: TLS/1.0\n Can "Upgrade" only to "WebSocket".'),
        ({"Upgrade": "websocket"}, "No CONNECTION upgrade hdr: None"),
        ({"Upgrade": "websocket", "Connection": "keep-alive"}, "No CONNECTION upgrade hdr: keep-alive"),
    ],
    ids=["nothing", "another-protocol", "no-connection", "another-connection"],
)
async def test_prepare_for_a_plain_request(ws_backend: SocketBackend, headers: dict[str, str], text: str) -> None:
    async def handler(request: Any) -> Any:
        ws = ws_backend.web.WebSocketResponse()
        assert ws.can_prepare(request) == ws_backend.web.WebSocketReady(False, None)
        with pytest.raises(ws_backend.web.HTTPBadRequest):
            await ws.prepare(request)
        assert not ws.prepared
        return await ws.prepare(request)

    async with (
        serving(ws_backend, application(ws_backend, handler)) as http,
        http.get("/", headers=headers) as response,
    ):
        assert (response.status, await response.text()) == (400, text)
        assert response.content_type == "text/plain"


# --- Denials --------------------------------------------------------------------------------------


async def test_denied_by_an_http_exception(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        raise ws_backend.web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})

    error = await denied(ws_backend, handler)
    assert error.status == 401
    assert error.headers is not None
    assert error.headers["WWW-Authenticate"] == "Bearer"


async def test_denied_by_a_response(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        return ws_backend.web.Response(status=429, headers={"Retry-After": "60"}, text="later")

    error = await denied(ws_backend, handler)
    assert error.status == 429
    assert error.headers is not None
    assert error.headers["Retry-After"] == "60"


@pytest.mark.parametrize("status", [200, 204, 302, 403, 500, 503])
async def test_denied_with_any_status(ws_backend: SocketBackend, status: int) -> None:
    async def handler(request: Any) -> Any:
        return ws_backend.web.Response(status=status)

    assert (await denied(ws_backend, handler)).status == status


async def test_denied_by_a_missing_route(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        raise NotImplementedError

    assert (await denied(ws_backend, handler, "/missing")).status == 404


async def test_denied_by_a_route_of_another_method(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        raise NotImplementedError

    app = ws_backend.web.Application()
    app.router.add_post("/", handler)
    async with serving(ws_backend, app) as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect("/")
    assert caught.value.status == 405
    assert caught.value.headers is not None
    assert caught.value.headers["Allow"] == "POST"


async def test_denied_by_a_middleware(ws_backend: SocketBackend) -> None:
    web = ws_backend.web

    @web.middleware  # type: ignore[untyped-decorator]
    async def guard(request: Any, handler: Handler) -> Any:
        if "user" not in request.cookies:
            raise web.HTTPForbidden(text="who are you?")
        return await handler(request)

    async def handler(request: Any) -> Any:
        raise NotImplementedError

    assert (await denied(ws_backend, handler, middlewares=[guard])).status == 403


async def test_denied_by_a_failure(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        raise ZeroDivisionError

    assert (await denied(ws_backend, handler)).status == 500


async def test_denied_with_a_cookie(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        response = ws_backend.web.Response(status=403)
        response.set_cookie("why", "banned")
        return response

    error = await denied(ws_backend, handler)
    assert error.headers is not None
    assert error.headers["Set-Cookie"] == "why=banned; Path=/"


async def test_denied_by_a_stream(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        response = ws_backend.web.StreamResponse(status=402)
        await response.prepare(request)
        await response.write(b"pay ")
        await response.write(b"first")
        return response

    assert (await denied(ws_backend, handler)).status == 402


async def test_after_a_denial_the_next_handshake_is_accepted(ws_backend: SocketBackend) -> None:
    web = ws_backend.web
    requests = 0

    async def handler(request: Any) -> Any:
        nonlocal requests
        requests += 1
        if requests == 1:
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("welcome")
        return ws

    async with serving(ws_backend, application(ws_backend, handler)) as http:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect("/")
        async with http.ws_connect("/") as client:
            assert await client.receive_str() == "welcome"
