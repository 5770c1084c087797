"""An httpx client of an application in the test's own loop."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote

from multidict import CIMultiDict

from framework.applications import Application
from framework.asgi.errors import EXCEPTION_REPORT
from framework.testing.exchanges import Exchange, ResponseCut, Silence
from framework.testing.lifespans import Lifespan
from framework.testing.stacks import stack_of
from framework.testing.websockets import WebSocketDenied, WebSocketSession, websocket
from framework.typedefs import ASGIApp, LooseHeaders, Scope

if TYPE_CHECKING:
    import httpx
else:
    try:
        httpx = importlib.import_module("httpx")
    except ModuleNotFoundError:
        try:
            # httpx's maintained fork, with the same API.
            httpx = importlib.import_module("httpx2")
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "framework.testing.client needs httpx: pip install 'asgi-framework[test]'", name="httpx"
            ) from None

__all__ = ("ASGITransport", "Client", "client")

#: Seconds that an application may be silent, or take to end.
_TIMEOUT: Final = 10.0

#: Headers about the connection, which HTTP/2 and HTTP/3 have not (RFC 9113, section 8.2.2).
_CONNECTION_HEADERS: Final = frozenset({b"connection", b"transfer-encoding", b"keep-alive", b"upgrade"})

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class ASGITransport(httpx.AsyncBaseTransport):
    """A transport for ``httpx.AsyncClient`` that calls an application in the running loop.

    `client` makes a client with it; take it yourself for a client of your own class::

        async with MyClient(transport=testing.ASGITransport(app), base_url="http://testserver") as client:
            ...

    The client's ``async with`` starts the application and stops it. Responses are streamed: each piece of a body
    arrives when it is sent, and an application that sends more than is read has to wait. The pieces of a request are
    pulled when the application asks for them. A response that is closed before its end, a request that is cancelled,
    that runs into its timeout or whose body raises, is a client that has left.

    Args:
        app: the application, this framework's or any other one that speaks ASGI 3.
        raise_app_exceptions: raise what the application raises, also where it answers by itself with a 500. False
            gives the response that a client would see: the 500, or `httpx.RemoteProtocolError` for half a response.
        lifespan: start and stop the application. One that does not know lifespans is left alone.
        state: what the lifespan and requests find in ``scope["state"]``.
        root_path: where the application is mounted; URLs are asked for as the application sees them, with the
            prefix or (behind a proxy that strips it) without.
        client: address and port of the client, None for an unknown one.
        http_version: ``1.0``, ``1.1``, ``2`` or ``3``.
        spec_version: ASGI's version for HTTP. From 2.4 on sending to a client that has left raises OSError.
        extensions: of the scope; by default only ``http.response.trailers``. Messages of those that are not part of
            the response, such as ``http.response.early_hint``, are found in ``response.extensions`` by their name.
        shutdown_timeout: seconds that the application may take to end what it was doing, and for its startup and its
            shutdown, before it is cancelled and the test fails; None for any time.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        raise_app_exceptions: bool = True,
        lifespan: bool = True,
        state: dict[str, Any] | None = None,
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 50000),
        http_version: str = "1.1",
        spec_version: str = "2.3",
        extensions: Mapping[str, Any] | None = None,
        shutdown_timeout: float | None = _TIMEOUT,
    ) -> None:
        self.app = app
        #: What the lifespan has shared with requests.
        self.state: dict[str, Any] = {} if state is None else state
        self.raise_app_exceptions = raise_app_exceptions
        self.root_path = root_path
        self.client = client
        self.http_version = http_version
        self.spec_version = spec_version
        self.extensions: dict[str, Any] = dict({"http.response.trailers": {}} if extensions is None else extensions)
        self.shutdown_timeout = shutdown_timeout
        self._lifespan = Lifespan(app, self.state, timeout=shutdown_timeout) if lifespan else None
        self._started = False
        self._exchanges: set[Exchange] = set()

    # What httpx calls

    async def __aenter__(self) -> Self:
        _check_loop()
        if self._lifespan is not None:
            await self._lifespan.startup()
            self._started = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            await self.aclose()
        except Exception as exc:
            if exc_value is None:
                raise
            # What the test has found comes first.
            exc_value.add_note(f"When the client was closed: {exc!r}")

    async def aclose(self) -> None:
        """Leave all responses, wait for the application to end, and stop it.

        RuntimeError, with the place where it stands, for a handler that does not end; it is cancelled. Raises what
        the application has raised after its response or after the client had left, and what its shutdown raises.
        """
        errors: list[Exception] = []
        for exchange in self._exchanges:
            exchange.leave()
        started, self._started = self._started, False
        if started and isinstance(self.app, Application):
            # As the runners do, so that handlers that wait for on_shutdown can end.
            await _collect(self.app.shutdown(), errors)
        await _collect(self._finish(), errors)
        if started and self._lifespan is not None:
            await _collect(self._lifespan.shutdown(), errors)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("The application has failed", errors)

    async def _finish(self) -> None:
        tasks = {task for exchange in self._exchanges for task in exchange.tasks}
        if tasks:
            await asyncio.wait(tasks, timeout=self.shutdown_timeout)
        left = [task for task in tasks if not task.done()]
        stacks = "\n".join(f"{task.get_name()}:\n{stack_of(task)}" for task in left)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1)
        exchanges, self._exchanges = self._exchanges, set()
        if left:
            raise RuntimeError(
                f"{len(left)} handlers have not ended within {self.shutdown_timeout:g} seconds after their client had "
                f"left, and were cancelled. They stood here:\n{stacks}"
            )
        if self.raise_app_exceptions:
            failures = [exc for exchange in exchanges if (exc := _late_failure(exchange)) is not None]
            if len(failures) == 1:
                raise failures[0]
            if failures:
                raise ExceptionGroup("Handlers have failed after their response", failures)

    async def until_idle(self) -> None:
        """Wait until the application has returned from every request; TimeoutError after the ``shutdown_timeout``.

        For what a handler does after its response, or after its client has left.
        """
        tasks = {task for exchange in self._exchanges for task in exchange.tasks}
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=self.shutdown_timeout)
            if pending:
                stacks = "\n".join(f"{task.get_name()}:\n{stack_of(task)}" for task in pending)
                raise TimeoutError(f"The application is still busy:\n{stacks}")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; called by httpx."""
        _check_loop()
        timeout = request.extensions.get("timeout", {}).get("read")
        reported: list[BaseException] = []
        body: Any = request.stream
        if isinstance(body, httpx.ByteStream):
            body = b"".join([piece async for piece in body])
        exchange = Exchange(self.app, self.scope_of(request, reported), body, reported)
        self._exchanges.add(exchange)
        try:
            await exchange.until_started(timeout)
        except Silence as exc:
            raise httpx.ReadTimeout(str(exc), request=request) from None
        if exchange.start is None or exchange.failed_first:
            failure = exchange.failure
            if failure is not None and (self.raise_app_exceptions or not isinstance(failure, Exception)):
                self._exchanges.discard(exchange)
                raise failure
        extensions: dict[str, Any] = {"http_version": f"HTTP/{self.http_version}".encode()}
        if exchange.start is None:
            # As servers answer for an application that fails.
            self._exchanges.discard(exchange)
            return httpx.Response(500, text="Internal Server Error", extensions=extensions, request=request)
        # Filled while the body is read, as they come after it.
        extensions["trailers"] = trailers = CIMultiDict[str]()
        extensions.update(exchange.side_messages)
        return httpx.Response(
            exchange.start["status"],
            headers=list(exchange.start.get("headers", ())),
            stream=_ResponseStream(self, exchange, request, trailers),
            extensions=extensions,
            request=request,
        )

    def scope_of(self, request: httpx.Request, reported: list[BaseException]) -> Scope:
        """The ASGI scope of a request; for subclasses that have more to say."""
        # httpcore's extension, for targets that no URL has.
        target: bytes = request.extensions.get("target", request.url.raw_path)
        raw_path, _, query = target.partition(b"?")
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        if not self.http_version.startswith("1"):
            headers = [header for header in headers if header[0] not in _CONNECTION_HEADERS]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": self.spec_version},
            "http_version": self.http_version,
            "method": request.method,
            "headers": headers,
            **self.address_of(request.url),
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": self.root_path,
            "client": self.client,
            "state": self.state.copy(),
            "extensions": self.extensions_for(reported),
        }

    def address_of(self, url: httpx.URL) -> dict[str, Any]:
        """``scheme`` and ``server`` of the scope."""
        return {"scheme": url.scheme, "server": (url.host, url.port or _DEFAULT_PORTS.get(url.scheme, 80))}

    def extensions_for(self, reported: list[BaseException]) -> dict[str, Any]:
        """The extensions of the scope, with the one by which exceptions are told of, where they are to be raised."""
        if not self.raise_app_exceptions:
            return dict(self.extensions)
        return {**self.extensions, EXCEPTION_REPORT: {"report": reported.append}}

    def forget(self, exchange: Exchange) -> None:
        """Let go of an exchange of which nothing is left to be told."""
        if not exchange.tasks:
            self._exchanges.discard(exchange)


class _ResponseStream(httpx.AsyncByteStream):
    """The body of a response, as it is sent."""

    def __init__(
        self, transport: ASGITransport, exchange: Exchange, request: httpx.Request, trailers: CIMultiDict[str]
    ) -> None:
        self._transport = transport
        self._exchange = exchange
        self._request = request
        self._trailers = trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        timeout = self._request.extensions.get("timeout", {}).get("read")
        while True:
            try:
                piece = await exchange.next_piece(timeout)
            except Silence as exc:
                raise httpx.ReadTimeout(str(exc), request=self._request) from None
            if piece is None:
                break
            if piece:
                yield piece
        self._trailers.extend((name.decode("latin-1"), value.decode("latin-1")) for name, value in exchange.trailers)
        failure = exchange.failure
        self._transport.forget(exchange)
        if failure is not None and (self._transport.raise_app_exceptions or not isinstance(failure, Exception)):
            raise failure
        if not exchange.complete:
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body", request=self._request
            )

    async def aclose(self) -> None:
        """The client has what it wants; where that is less than all, it leaves."""
        self._exchange.leave()
        await self._exchange.settle()


class Client(httpx.AsyncClient):
    """An ``httpx.AsyncClient`` of an application in the running loop; made by `client`."""

    def __init__(self, transport: ASGITransport, **options: Any) -> None:
        super().__init__(transport=transport, **options)
        self._asgi = transport

    @property
    def app(self) -> ASGIApp:
        """The application."""
        return self._asgi.app

    @property
    def state(self) -> dict[str, Any]:
        """What the application's lifespan has put into its state."""
        return self._asgi.state

    async def until_idle(self) -> None:
        """Wait until the application has returned from every request; TimeoutError where it does not.

        For what a handler does after its response, or after its client has left::

            async with client.stream("GET", "/events") as response:
                ...
            await client.until_idle()
            assert subscribers == set()
        """
        await self._asgi.until_idle()

    @asynccontextmanager
    async def websocket(  # type: ignore[override, unused-ignore]  # httpx2 has one of its own, for sockets
        self,
        url: str = "/",
        *,
        headers: LooseHeaders | None = None,
        params: Any = None,
        subprotocols: Iterable[str] = (),
        **scope: Any,
    ) -> AsyncIterator[WebSocketSession]:
        """Open a WebSocket with this client's base URL, headers, cookies and state; cookies are taken in return.

            async with client.websocket("/chat") as ws:
                await ws.send_str("hello")

        Args:
            url: path and query, or a whole URL.
            headers: of the handshake, beside the client's own.
            params: the query, as httpx takes it.
            subprotocols: what the client offers.
            scope: other parts of the ASGI scope.

        Raises as `websocket` does. Leaving the block closes the socket and waits for the handler.
        """
        transport = self._asgi
        request = self.build_request("GET", url, headers=_pairs(headers), params=params)
        sent = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in request.headers.raw
            # Of no use for a handshake, and not what browsers send.
            if name.lower() not in {b"accept-encoding", b"connection"}
        )
        reported: list[BaseException] = []
        address = transport.address_of(request.url)
        address["scheme"] = {"http": "ws", "https": "wss"}.get(address["scheme"], address["scheme"])
        extensions = transport.extensions_for(reported)
        extensions.pop("http.response.trailers", None)
        parts = {
            **address,
            "root_path": transport.root_path,
            "client": transport.client,
            "state": transport.state.copy(),
            **scope,
        }
        try:
            async with websocket(
                transport.app,
                request.url.raw_path.decode("ascii"),
                headers=sent,
                subprotocols=subprotocols,
                extensions={"websocket.http.response": {}, **extensions},
                **parts,
            ) as session:
                self._take_cookies(request, session.headers, 101)
                yield session
        except WebSocketDenied as exc:
            self._take_cookies(request, exc.headers, exc.status)
            if reported:
                raise reported[0] from None
            raise
        if reported:
            raise reported[0]

    def _take_cookies(self, request: httpx.Request, headers: Mapping[str, str], status: int) -> None:
        self.cookies.extract_cookies(httpx.Response(status, headers=list(headers.items()), request=request))


def client(
    app: ASGIApp,
    *,
    base_url: str = "http://testserver",
    raise_app_exceptions: bool = True,
    lifespan: bool = True,
    state: dict[str, Any] | None = None,
    root_path: str = "",
    client: tuple[str, int] | None = ("127.0.0.1", 50000),
    http_version: str = "1.1",
    spec_version: str = "2.3",
    extensions: Mapping[str, Any] | None = None,
    timeout: Any = _TIMEOUT,
    shutdown_timeout: float | None = _TIMEOUT,
    **options: Any,
) -> Client:
    """An httpx client of an application in the test's own loop, without a thread and without sockets.

        async with testing.client(app) as client:
            response = await client.get("/hello")
            assert response.json() == {"hello": "world"}

    Entering the block starts the application, and raises what its startup raises. Leaving it makes the client leave
    what it is still reading, waits for the handlers and stops the application; nothing is left running.

    Args:
        app: the application, this framework's or any other one that speaks ASGI 3.
        base_url: what relative URLs are relative to. ``https`` for cookies that are ``Secure``.
        raise_app_exceptions: raise what handlers raise into the test, rather than give it the 500 that clients see.
        lifespan: whether to start and stop the application.
        state: what the lifespan and requests find in ``scope["state"]``.
        root_path: where the application is mounted.
        client: address and port of the client, None for an unknown one.
        http_version: ``1.0``, ``1.1``, ``2`` or ``3``.
        spec_version: ASGI's version for HTTP. From 2.4 on sending to a client that has left raises OSError.
        extensions: of the ASGI scope, see `ASGITransport`.
        timeout: seconds that a response may keep the client waiting, as httpx takes it; `httpx.ReadTimeout` after
            that, with the place where the handler stands. None for any time.
        shutdown_timeout: seconds after which handlers that do not end are cancelled and the test fails.
        options: more of ``httpx.AsyncClient``: headers, cookies, auth, follow_redirects, event_hooks and so on.
    """
    transport = ASGITransport(
        app,
        raise_app_exceptions=raise_app_exceptions,
        lifespan=lifespan,
        state=state,
        root_path=root_path,
        client=client,
        http_version=http_version,
        spec_version=spec_version,
        extensions=extensions,
        shutdown_timeout=shutdown_timeout,
    )
    # The machine's proxies and passwords are no business of a test.
    options.setdefault("trust_env", False)
    return Client(transport, base_url=base_url, timeout=timeout, **options)


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "framework.testing needs a running asyncio loop; under anyio's pytest plugin, make the fixture "
            "anyio_backend return 'asyncio'"
        ) from None


async def _collect(step: Any, errors: list[Exception]) -> None:
    try:
        await step
    except Exception as exc:
        errors.append(exc)


def _late_failure(exchange: Exchange) -> Exception | None:
    """What an application has raised when nobody was reading any more, and not because of that."""
    failure = exchange.failure
    if not isinstance(failure, Exception) or isinstance(failure, ResponseCut):
        return None
    # OSError is ASGI's own word for it; other frameworks have classes of their own.
    if exchange.client_left and (isinstance(failure, OSError) or "Disconnect" in type(failure).__name__):
        return None
    return failure


def _pairs(headers: LooseHeaders | None) -> Any:
    return None if headers is None else list(CIMultiDict(headers).items())
