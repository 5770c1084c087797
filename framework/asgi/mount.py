"""Foreign ASGI applications: `MountedApp` has one answer a request.

The mounted application is called as a server would call it, with a scope that differs in what the prefix changes:
``root_path`` grows by it, and ``path`` and ``raw_path`` stay whole (ASGI specification, "HTTP connection scope").
What it sends goes to the server as it is; the middlewares around it see a `MountedResponse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from framework.handshakes import handshake_of
from framework.sansio.cookies import set_cookie_headers
from framework.sansio.headers import HeaderMap, decode_headers, encode_headers
from framework.sansio.paths import left_out
from framework.stream_responses import StreamResponse
from framework.streams import ClientConnectionResetError
from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from framework.requests import Request

__all__ = ("MountedApp", "MountedResponse", "MountedRoute")

#: What an application leaves in its scope for itself and for those around it. In the scope of another application it
#: would be taken for that one's own: Starlette's `url_for` looks for names in a ``router`` that it finds.
_OF_THE_APP: Final = frozenset({"app", "app_root_path", "endpoint", "fastapi", "path_params", "route", "router"})


class MountedApp:
    """An ASGI application below a prefix.

    Args:
        app: the ASGI application.
        state: what its lifespan leaves for its requests, which each of them gets a copy of.
    """

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state

    async def answer(self, request: Request, prefix: str) -> StreamResponse:
        """Have the application answer ``request``, below the percent-decoded ``prefix``.

        Raises what the application raises, RuntimeError where it returns without a complete response, and
        `ClientConnectionResetError` where the client left before there was one.
        """
        handshake = handshake_of(request.scope)
        response = MountedResponse(request)
        if handshake is None:
            headers, receive = request.hand_over()
            scope = _scope_below({**request.scope, "headers": headers}, prefix)
            send: Send = request.send
        else:
            original, receive, send = handshake.hand_over()
            scope = _scope_below(original, prefix)
        if self._state:
            scope["state"] = {**(scope.get("state") or {}), **self._state}
        response.conversation(scope, receive, send)
        try:
            await self._app(scope, response.receive, response.send)
        except OSError as exc:
            if response.client_left:
                raise ClientConnectionResetError("Cannot write to closing transport") from exc
            raise
        finally:
            response.tell_observers()
        response.finish(self._app)
        return response


class MountedResponse(StreamResponse):
    """What a mounted application sends, as middlewares see it: by the time they do, all of it was sent.

    Status and headers can be read. Receivers of ``on_response_prepare`` are called before the headers are sent, and
    may change them and the status, and add cookies. A WebSocket has status 101, or what its handshake was denied with.
    """

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._for = request
        self._begun = False
        #: Whether the client is known to have gone.
        self.client_left = False
        self._raw_headers: list[tuple[bytes, bytes]] = []

    def conversation(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stand between the application, which has ``scope``, and the server's ``receive`` and ``send``."""
        self._scope = scope
        self._receive = receive
        self._send = send

    @property
    def prepared(self) -> bool:
        return self._begun

    def _materialize(self) -> HeaderMap:
        if self._headers is None:
            self._headers = HeaderMap(decode_headers(self._raw_headers))
        return super()._materialize()

    async def receive(self) -> Message:
        """The application's ``receive``."""
        message = await self._receive()
        if message["type"] in {"http.disconnect", "websocket.disconnect"}:
            self.client_left = True
        return message

    async def send(self, message: Message) -> None:
        """The application's ``send``."""
        if not self._begun:
            message = await self._begin(message)
        elif message["type"].endswith("response.body"):
            self._body_length += len(message.get("body", b""))
            self._eof_sent = not message.get("more_body", False)
        elif message["type"] == "http.response.pathsend":
            self._eof_sent = True
        elif message["type"] == "http.response.zerocopysend":
            self._eof_sent = not message.get("more_body", False)
        try:
            await self._send(message)
        except OSError:
            # ASGI specification, version 2.4: the client has gone.
            self.client_left = True
            raise

    async def _begin(self, message: Message) -> Message:
        """Take note of the first message that decides what is answered, and let receivers change its headers."""
        kind = message["type"]
        if kind.endswith("response.start"):
            self._status = message["status"]
        elif kind == "websocket.accept":
            self._status = 101
        elif kind == "websocket.close":
            self._status = 403
        else:
            return message  # an early hint, or what the server will refuse
        self.tell_observers()
        self._raw_headers = [(bytes(name), bytes(value)) for name, value in message.get("headers") or ()]
        if signals := self._for.prepare_signals():
            for signal in signals:
                await signal.send(self._for, self)
            message = {**message, "headers": self._changed_headers()}
            if "status" in message:
                message["status"] = self._status
        self._for.begin_response(self)
        self._begun = True
        return message

    def _changed_headers(self) -> list[tuple[bytes, bytes]]:
        headers = self._raw_headers if self._headers is None else encode_headers(self._headers)
        if self._cookies:
            headers.extend(set_cookie_headers(self._cookies))
        return headers

    def tell_observers(self) -> None:
        """Name the mounted application's own route in the outer scope, where it names one."""
        outer, inner = self._for.scope, self._scope
        route = inner.get("route")
        if route is None:
            return
        # Relative to the outer root_path, as the paths of routes are.
        below = inner["root_path"][len(outer.get("root_path", "").rstrip("/")) :]
        if not hasattr(route, "routes"):
            # Of a FastAPI router the route has only what stands behind the router's prefix.
            context = (inner.get("fastapi") or {}).get("effective_route_context")
            below += getattr(context, "path", None) or getattr(route, "path", "")
        # else a Mount of Starlette's, whose own path is in root_path already.
        outer["route"] = MountedRoute(below, route)
        for name in ("endpoint", "path_params"):
            if name in inner:
                outer[name] = inner[name]

    def finish(self, app: ASGIApp) -> None:
        """Check that the application, which has returned, has answered."""
        if self._eof_sent:
            return
        if self._begun and (self.client_left or self._scope["type"] == "websocket"):
            self._eof_sent = True
        elif self.client_left:
            raise ClientConnectionResetError("The client left before there was a response")
        else:
            raise RuntimeError(f"The mounted application {app!r} returned without completing its response")


class MountedRoute:
    """A route of a mounted application as ``scope["route"]`` for observers: `path` begins with the mount's prefix."""

    def __init__(self, path: str, route: Any) -> None:
        self.path = self.path_format = path
        #: The route as the mounted application has named it.
        self.route = route

    def __getattr__(self, name: str) -> Any:
        return getattr(self.route, name)

    def __repr__(self) -> str:
        return f"<MountedRoute {self.path} -> {self.route!r}>"


def _scope_below(scope: Scope, prefix: str) -> Scope:
    """The scope of an application that is mounted below ``prefix``."""
    inner = {name: value for name, value in scope.items() if name not in _OF_THE_APP}
    root_path = scope.get("root_path", "").rstrip("/")
    if missing := left_out(scope):
        inner["path"] = root_path + scope["path"]
        if scope.get("raw_path") is not None:
            inner["raw_path"] = missing.encode() + scope["raw_path"]
    inner["root_path"] = root_path + prefix
    return inner
