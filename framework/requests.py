"""Requests: `BaseRequest`, what an ASGI scope says of a request, and `Request`, which a route answers.

Nothing is parsed before it is asked for. What the headers say is in `request_headers`, the body in `request_body`.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import warnings
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar, overload

from multidict import CIMultiDict, CIMultiDictProxy, MultiDictProxy
from yarl import URL

from framework import hdrs
from framework.config_dict import ChainMapProxy
from framework.exceptions import HTTPBadRequest
from framework.http_version import HttpVersion
from framework.keys import RequestKey
from framework.reify import reify
from framework.request_body import RequestBody
from framework.sansio.codings import ContentEncoder
from framework.sansio.forms import parse_query
from framework.sansio.paths import raw_path, root_path
from framework.sansio.text import escape_controls
from framework.signals import Signal
from framework.storage import Storage
from framework.streams import StreamReader
from framework.transports import ASGITransport
from framework.typedefs import LooseHeaders, Receive, Scope, Send, StrOrURL
from framework.writers import ResponseWriter

if TYPE_CHECKING:
    from framework.applications import Application
    from framework.handler_cancellation import HandlerCancellation
    from framework.responses import StreamResponse
    from framework.routing.match_info import UrlMappingMatchInfo
    from framework.routing.matcher import Endpoint

__all__ = ("BaseRequest", "RawRequestMessage", "Request")

_T = TypeVar("_T")
_UNSET: Final[Any] = object()

#: RFC 9110, section 7.2: a host and a port. What does not look so is kept out of URLs.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
#: What a request with another scope reads again.
_READ_FROM_SCOPE: Final = frozenset(
    {
        "_headers",
        "_raw_headers",
        "_cookies",
        "_rel_url",
        "_url",
        "_query",
        "response",
        "_header_pairs",
        "background",
        "_watch",
    }
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class RawRequestMessage(NamedTuple):
    """``request.message``: the request line and the headers, as aiohttp's parser gives them."""

    method: str
    path: str
    version: HttpVersion
    headers: CIMultiDictProxy[str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    should_close: bool
    compression: str | None
    upgrade: bool
    chunked: bool
    url: URL


class BaseRequest(Storage, RequestBody):
    """A request as the ASGI server describes it.

    Args:
        scope: the ASGI scope, of type ``http`` or ``websocket``.
        receive: where the body comes from.
        send: where the response goes.
        client_max_size: the most bytes of body that `read`, `text`, `json` and `post` take; 0 for any number.
        client_max_fields: the most fields a form may have.

    It is also a mapping, for what middlewares and handlers want to tell each other.
    """

    key_class = RequestKey

    # PERF: what is not asked for is not set; the defaults stand on the classes.
    _rel_url: URL | None = None
    _url: URL | None = None
    _query: MultiDictProxy[str] | None = None
    #: The response that was begun, None before any was.
    response: StreamResponse | None = None
    _watch: asyncio.Handle | None = None
    _original: BaseRequest | None = None
    #: What is to be called after the response, see `add_background_task`.
    background: list[Callable[[], Any]] | None = None
    #: How the handler is cancelled when the client leaves, None where it is not.
    cancellation: HandlerCancellation | None = None
    _host: str | None = None
    _transport: Any = _UNSET
    _protocol: Any = None
    _payload_writer: Any = None
    _task: Any = None

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: RequestKey[_T]) -> _T: ...
        @overload
        def __getitem__(self, key: str) -> Any: ...
        def __getitem__(self, key: Any) -> Any: ...
        @overload
        def __setitem__(self, key: RequestKey[_T], value: _T) -> None: ...
        @overload
        def __setitem__(self, key: str, value: Any) -> None: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        client_max_size: int = 1024**2,
        client_max_fields: int = 1000,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self._client_max_size = client_max_size
        self._client_max_fields = client_max_fields

    # The request line

    @property
    def method(self) -> str:
        """The method, ``"GET"`` for instance; a websocket handshake is a GET."""
        method: str = self.scope.get("method", hdrs.METH_GET)
        return method

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``, as the server, or the proxy it trusts, says."""
        scheme: str = self.scope.get("scheme", "http")
        return {"ws": "http", "wss": "https"}.get(scheme, scheme)

    @property
    def secure(self) -> bool:
        """Whether the request came over TLS."""
        return self.scheme == "https"

    @property
    def host(self) -> str:
        """The ``Host`` as the client sent it, the server's own address where it sent none.

        Raises `HTTPBadRequest` for more than one Host header (RFC 9112, section 3.2).
        """
        if self._host is not None:
            return self._host
        hosts = self.headers.getall(hdrs.HOST, ())
        if len(hosts) > 1:
            raise HTTPBadRequest(text="400: Bad Request: more than one Host header")
        return hosts[0] if hosts else self._server_address()

    def _server_address(self) -> str:
        server = self.scope.get("server")
        if not server or server[1] is None:
            return "localhost"
        host, port = server[0], int(server[1])  # granian gives the port as text
        if ":" in host:
            host = f"[{host}]"
        return host if port == _DEFAULT_PORTS.get(self.scheme) else f"{host}:{port}"

    @property
    def remote(self) -> str | None:
        """The address of the client, None where the server does not know it."""
        client = self.scope.get("client")
        return client[0] if client else None

    @property
    def rel_url(self) -> URL:
        """The path and the query as a URL without scheme and host."""
        if self._rel_url is None:
            query_string = self.scope.get("query_string", b"").decode("utf-8", "surrogateescape")
            self._rel_url = URL.build(path=raw_path(self.scope), query_string=query_string, encoded=True)
        return self._rel_url

    @property
    def url(self) -> URL:
        """The URL that the client asked for.

        A Host that is no host is left out in favour of the server's own address, so that it can say nothing about
        the path; the path can say nothing about the host.
        """
        if self._url is None:
            host = self.host
            if not _HOST.fullmatch(host):
                host = self._server_address()
            try:
                base = URL.build(scheme=self.scheme, authority=host)
            except ValueError:  # a port beyond 65535
                base = URL.build(scheme=self.scheme, authority=self._server_address())
            rel_url = self.rel_url
            path = rel_url.raw_path
            if "/." in path and path.startswith("/") and not path.startswith("//"):
                self._url = base.join(rel_url)
            else:
                self._url = URL.build(
                    scheme=base.scheme,
                    authority=base.raw_authority,
                    path=path if path.startswith("/") else f"/{path}",
                    query_string=rel_url.raw_query_string,
                    encoded=True,
                )
        return self._url

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        if self._rel_url is None and b"%" not in (self.scope.get("raw_path") or b"%"):
            path: str = self.scope["path"]
            return path
        return self.rel_url.path

    @property
    def path_qs(self) -> str:
        """The path and the query, percent-encoded."""
        return str(self.rel_url)

    @property
    def raw_path(self) -> str:
        """The path and the query as the client sent them."""
        query_string = self.scope.get("query_string", b"").decode("utf-8", "surrogateescape")
        path = raw_path(self.scope)
        return f"{path}?{query_string}" if query_string else path

    @property
    def query(self) -> MultiDictProxy[str]:
        """The fields of the query, decoded."""
        if self._query is None:
            query_string = self.scope.get("query_string", b"").decode("utf-8", "surrogateescape")
            self._query = MultiDictProxy(parse_query(query_string))
        return self._query

    @property
    def query_string(self) -> str:
        """The query, percent-decoded."""
        return self.rel_url.query_string

    @property
    def message(self) -> RawRequestMessage:
        """The request line and the headers in one tuple."""
        return RawRequestMessage(
            self.method,
            self.raw_path,
            self.version,
            self.headers,
            self.raw_headers,
            not self.keep_alive,
            None,
            hdrs.UPGRADE in self.headers,
            "chunked" in self.headers.get(hdrs.TRANSFER_ENCODING, "").lower(),
            self.rel_url,
        )

    # The connection

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that runs the handler."""
        task: asyncio.Task[None] | None = self._task or asyncio.current_task()
        if task is None:
            raise RuntimeError("There is no running task")
        return task

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running event loop; deprecated, as in aiohttp."""
        warnings.warn("request.loop property is deprecated", DeprecationWarning, stacklevel=2)
        return asyncio.get_running_loop()

    @property
    def transport(self) -> Any:
        """What can be told of the connection: see `ASGITransport`. None once the client is known to have gone."""
        if self.is_known_disconnected():
            return None
        if self._transport is _UNSET:
            self._transport = ASGITransport(self.scope)
        return self._transport

    @property
    def protocol(self) -> Any:
        """Not there: the protocol is the server's."""
        if self._protocol is None:
            raise RuntimeError(
                "request.protocol: ASGI servers keep their protocol to themselves; use request.scope, "
                "request.get_extra_info() or request.is_disconnected()"
            )
        return self._protocol

    @property
    def writer(self) -> Any:
        """Not there before the response: ``await response.prepare(request)`` gives it."""
        if self._payload_writer is None:
            raise RuntimeError(
                "request.writer: an ASGI response has a writer of its own; use the one that "
                "`await response.prepare(request)` returns, or response.write()"
            )
        return self._payload_writer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection: ``peername``, ``sockname``, ``sslcontext`` and more, else ``default``.

        See `ASGITransport.get_extra_info` for the names and where they come from.
        """
        transport = self.transport
        return default if transport is None else transport.get_extra_info(name, default)

    async def is_disconnected(self) -> bool:
        """Whether the client has gone."""
        return await self._open_stream().poll_disconnect()

    async def wait_for_disconnection(self) -> None:
        """Wait until the client leaves; for ever if it stays until the request is answered.

        Meanwhile the body can be read by another task. What the client sends of it that nobody reads is kept up to
        64 KiB; past that the end of the connection is noticed only when somebody has read on.
        """
        await self._open_stream().wait_disconnect()

    def add_background_task(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call ``function`` with the arguments after the response was sent, and await what it returns.

        A function that is no coroutine function runs in a thread. Each one runs in a task of its own; what it raises
        is logged. The application waits for them when it is closed, between ``on_shutdown`` and ``on_cleanup``.
        They run also where the client left before it had the whole response, or the handler raised an HTTP exception;
        where it raised anything else, nothing is called.

        Raises TypeError for what cannot be called, such as a coroutine: give the function and its arguments.
        """
        if not callable(function):
            if inspect.iscoroutine(function):
                function.close()
            raise TypeError(f"A background task is given as a function and its arguments, got {function!r}")
        if self._original is not None:
            self._original.add_background_task(function, *args, **kwargs)
            return
        if self.background is None:
            self.background = []
        self.background.append(partial(function, *args, **kwargs))

    def is_known_disconnected(self) -> bool:
        """Whether the client is known to have gone, without asking the server."""
        content = self.stream
        return isinstance(content, StreamReader) and content.disconnected

    def open_response(
        self,
        response: StreamResponse,
        *,
        length: int | None,
        empty: bool,
        encoder: ContentEncoder | None = None,
        has_trailers: bool = False,
    ) -> ResponseWriter:
        """The writer for ``response``, which becomes the one that this request is answered with.

        The keywords are those of `ResponseWriter`. RuntimeError where another response was begun already.
        """
        self.begin_response(response)
        # To learn that the client has gone while a long answer is sent. Not while a body waits for its reader: to
        # receive would tell the client to send it. PERF: answers that are over before the event loop turns, and with
        # it the client could be found gone, go without the task and the stream: 7 µs.
        stream = self.stream
        if (stream.is_eof() if isinstance(stream, StreamReader) else self._read_bytes is not None) or (
            not self._may_have_body()
        ):
            self._watch = asyncio.get_running_loop().call_soon(self.watch_disconnect)
        return ResponseWriter(
            self.send,
            is_disconnected=self.is_known_disconnected,
            watch=self.watch_disconnect,
            length=length,
            empty=empty,
            encoder=encoder,
            has_trailers=has_trailers,
        )

    def begin_response(self, response: StreamResponse) -> None:
        """Make ``response`` the one that this request is answered with.

        RuntimeError where another response was begun already.
        """
        original = self._original
        begun = self.response if original is None or self.response is not None else original.response
        if begun is not None and begun is not response:
            raise RuntimeError(
                f"{self!r} is answered already by {begun!r}: return or raise nothing else after prepare()"
            )
        self.response = response
        if original is not None:
            original.note_response(response)

    def watch_disconnect(self) -> None:
        """Learn of the client's end from now on, without anybody reading; see `StreamReader.watch_disconnect`."""
        stream = self._open_stream()
        if isinstance(stream, StreamReader):
            stream.watch_disconnect()

    def note_response(self, response: StreamResponse) -> None:
        """Remember that ``response`` was begun, also where a clone of this request began it."""
        self.response = response
        if self._original is not None:
            self._original.note_response(response)

    def watch_client(self) -> None:
        """Learn of the client's end whenever nobody reads, in order to cancel the handler."""
        if self.response is not None and self.response.is_over():
            return
        stream = self._open_stream()
        if isinstance(stream, StreamReader):
            # To receive tells the client that its body is welcome (RFC 9110, section 10.1.1): that is for the handler.
            if stream.is_eof():
                stream.watch_disconnect()
            else:
                stream.keep_watching(at_once=stream.total_bytes > 0 or b"expect" not in self._header_dict())

    def note_disconnect(self) -> None:
        # After the end of a response, servers say of every client that it has gone.
        if self.cancellation is not None and (self.response is None or not self.response.is_over()):
            self.cancellation.cancel()
        if self.response is not None:
            self.response.note_disconnect()

    def finish(self) -> None:
        """Give back what the request holds; called when it was answered."""
        if self._watch is not None:
            self._watch.cancel()
        stream = self.stream
        if isinstance(stream, StreamReader):
            stream.stop_watching()
        if self.cancellation is not None:
            self.cancellation.end()
        self.close_forms()

    def prepare_signals(self) -> Sequence[Signal[Any]]:
        """The signals to send before the headers of a response are sent; a plain request has nobody to tell."""
        return ()

    def clone(
        self,
        *,
        method: str = _UNSET,
        rel_url: StrOrURL = _UNSET,
        headers: LooseHeaders = _UNSET,
        scheme: str = _UNSET,
        host: str = _UNSET,
        remote: str = _UNSET,
        client_max_size: int = _UNSET,
        client_max_fields: int = _UNSET,
    ) -> Self:
        """A copy with some things changed, which reads the same body.

        RuntimeError when the body was read.
        """
        if self._read_bytes:
            raise RuntimeError("Cannot clone request after reading its content")
        scope = dict(self.scope)
        if method is not _UNSET:
            scope["method"] = method
        if rel_url is not _UNSET:
            url = URL(rel_url)
            scope["path"] = url.path
            scope["raw_path"] = url.raw_path.encode()
            scope["query_string"] = url.raw_query_string.encode()
        changed: dict[str, Any] = {}
        if headers is not _UNSET:
            given = CIMultiDict(headers)
            pairs = [
                (name.encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in given.items()
            ]
            scope["headers"] = [(name.lower(), value) for name, value in pairs]
            changed.update(_headers=CIMultiDictProxy(given), _header_pairs=tuple(pairs))
        if scheme is not _UNSET:
            scope["scheme"] = scheme
        if host is not _UNSET:
            changed["_host"] = host
        if client_max_size is not _UNSET:
            changed["_client_max_size"] = client_max_size
        if client_max_fields is not _UNSET:
            changed["_client_max_fields"] = client_max_fields
        if remote is not _UNSET:
            scope["client"] = (remote, 0)
        kept = {name: value for name, value in vars(self).items() if name not in _READ_FROM_SCOPE}
        clone = object.__new__(type(self))
        changed.update(stream=self._open_stream(), _state=dict(self._storage()), _original=self)
        vars(clone).update(kept, scope=scope, **changed)
        return clone

    @property
    def state(self) -> MutableMapping[str, Any]:
        """What the server's lifespan left for requests (the ASGI scope's ``state``), and what is put there."""
        state: MutableMapping[str, Any] = self.scope.setdefault("state", {})
        return state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {escape_controls(self.method)} {escape_controls(self.path)} >"


class Request(BaseRequest):
    """A request on its way through an application: what `BaseRequest` has, the match and the application."""

    #: The current application, where it is another than the innermost.
    _app: Application | None = None
    _prepare_signals: tuple[Any, ...] = ()

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        endpoint: Endpoint | None = None,
        values: Any = (),
        client_max_size: int = 1024**2,
        client_max_fields: int = 1000,
    ) -> None:
        # PERF: every request goes through here; a call of the base class would cost 0.1 µs.
        self.scope = scope
        self.receive = receive
        self.send = send
        self._endpoint = endpoint
        self._values = values
        self._client_max_size = client_max_size
        self._client_max_fields = client_max_fields
        self.stream = None

    @classmethod
    def mocked(
        cls,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        stream: Any,
        transport: Any,
        protocol: Any,
        writer: Any,
        task: Any,
        client_max_size: int,
        client_max_fields: int,
    ) -> Request:
        """A request with parts of the caller's choice, see `framework.test_utils.make_mocked_request`."""
        request = cls(scope, receive, send, None, (), client_max_size, client_max_fields)
        request.stream = stream
        request._transport = transport
        request._protocol = protocol
        request._payload_writer = writer
        request._task = task
        return request

    @reify
    def match_info(self) -> UrlMappingMatchInfo:
        """The values of the path's dynamic parts, and the route."""
        if self._endpoint is None:
            raise RuntimeError("The request was not routed: it has no match info")
        match_info = self._endpoint.match_info(self.method, self._values)
        if self._app is not None:
            match_info.current_app = self._app
        return match_info

    def set_match_info(self, match_info: UrlMappingMatchInfo) -> None:
        """Take over what a router found."""
        self.match_info = match_info
        self._app = match_info.apps[-1] if match_info.apps else None
        if match_info.route.client_max_size is not None:
            self._client_max_size = match_info.route.client_max_size

    @property
    def app(self) -> Application:
        """The application whose middlewares or handler run now."""
        app = self._app
        if app is None and self._endpoint is not None:
            app = self._endpoint.app
        if app is None:
            raise RuntimeError("The request has no application: it was not routed by one")
        return app

    @property
    def applications(self) -> tuple[Application, ...]:
        """The applications on the way to the handler, the outermost first; none before the request was routed."""
        if self._endpoint is not None:
            return self._endpoint.apps
        return self.match_info.apps if "match_info" in self.__dict__ else ()

    def enter(self, app: Application | None) -> Application | None:
        """Make ``app`` the current application, and return the one that was."""
        previous = self._app if self._app is not None or self._endpoint is None else self._endpoint.app
        self._app = app
        if app is not None and "match_info" in self.__dict__:
            self.match_info.current_app = app
        return previous

    @property
    def config_dict(self) -> ChainMapProxy:
        """The state of the current application, and of those around it where it lacks something."""
        apps = self.match_info.apps
        current = apps.index(self.app)
        return ChainMapProxy(reversed(apps[: current + 1]))

    def url_for(self, name: str, /, **parts: Any) -> URL:
        """The URL of the resource called ``name``, as a client finds it: from the root of the host.

        ``app.router[name].url_for(**parts)`` of the current application, or of one around it where it has no such
        name, below the ``root_path`` that a server, a proxy or a mount serves the application at.
        ``request.url.join(...)`` makes it absolute. KeyError for a name that none of them has; raises as ``url_for``
        of the resource does.
        """
        apps = self.match_info.apps
        for app in reversed(apps[: apps.index(self.app) + 1]):
            if name in app.router:
                url = app.router[name].url_for(**parts)
                root = root_path(self.scope)
                if not root or url.absolute:
                    return url
                return URL.build(path=root + url.raw_path, query_string=url.raw_query_string, encoded=True)
        raise KeyError(name)

    def prepare_signals(self) -> Sequence[Signal[Any]]:
        """``on_response_prepare`` of the applications on the way that have receivers, the outermost first."""
        endpoint = self._endpoint
        signals: Sequence[Signal[Any]]
        if endpoint is not None:
            signals = endpoint.on_prepare
        elif "match_info" not in self.__dict__:
            signals = ()
        else:
            signals = [app.on_response_prepare for app in self.match_info.apps if app.on_response_prepare]
        return (*signals, *self._prepare_signals) if self._prepare_signals else signals

    def add_prepare_signal(self, signal: Any) -> None:
        """Await ``signal.send(request, response)`` before the headers of this request's response are sent.

        A plain `Response` that a handler returns, of status 200 and without headers, goes past it.
        """
        self._prepare_signals = (*self._prepare_signals, signal)
