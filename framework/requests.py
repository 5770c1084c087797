"""Requests: `BaseRequest`, what an ASGI scope says of a request, and `Request`, which a route answers.

Nothing is parsed before it is asked for.
"""

from __future__ import annotations

import asyncio
import json
import re
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, overload

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy
from yarl import URL

from framework import hdrs
from framework.config_dict import ChainMapProxy
from framework.content import HeadersMixin
from framework.exceptions import HTTPBadRequest, HTTPRequestEntityTooLarge, HTTPUnsupportedMediaType
from framework.http_version import HttpVersion, parse_version
from framework.keys import NotAppKeyWarning, RequestKey
from framework.reify import reify
from framework.sansio import json as sansio_json
from framework.sansio.conditions import ETag, parse_etags, parse_http_date, parse_range
from framework.sansio.cookies import parse_cookie_header
from framework.sansio.forms import TooManyFields, parse_form, parse_query
from framework.sansio.forwarded import parse_forwarded
from framework.sansio.headers import decode_headers, parse_content_type
from framework.sansio.paths import raw_path
from framework.sansio.text import decode_text
from framework.streams import StreamReader
from framework.transports import ASGITransport
from framework.typedefs import JSONDecoder, LooseHeaders, Receive, Scope, Send, StrOrURL
from framework.writers import ResponseWriter

if TYPE_CHECKING:
    from framework.applications import Application
    from framework.responses import StreamResponse
    from framework.routing.match_info import UrlMappingMatchInfo
    from framework.routing.matcher import Endpoint

__all__ = ("BaseRequest", "RawRequestMessage", "Request")

_T = TypeVar("_T")
_UNSET: Final[Any] = object()

#: RFC 9110, section 7.2: a host and a port. What does not look so is kept out of URLs.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_UTF8_TYPES: Final = frozenset({None, b"application/json", b"application/json; charset=utf-8"})
_UTF8: Final = frozenset({None, "utf-8", "UTF-8"})
_FORM: Final = b"application/x-www-form-urlencoded"


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


class BaseRequest(MutableMapping[str | RequestKey[Any], Any], HeadersMixin):
    """A request as the ASGI server describes it.

    Args:
        scope: the ASGI scope, of type ``http`` or ``websocket``.
        receive: where the body comes from.
        send: where the response goes.
        client_max_size: the most bytes of body that `read`, `text`, `json` and `post` take; 0 for any number.
        client_max_fields: the most fields a form may have.

    It is also a mapping, for what middlewares and handlers want to tell each other.
    """

    POST_METHODS = frozenset({hdrs.METH_PATCH, hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_TRACE, hdrs.METH_DELETE})

    # PERF: what is not asked for is not set; the defaults stand on the class.
    _headers: CIMultiDictProxy[str] | None = None
    _raw_headers: dict[bytes, bytes] | None = None
    _rel_url: URL | None = None
    _url: URL | None = None
    _query: MultiDictProxy[str] | None = None
    _cookies: Mapping[str, str] | None = None
    _state: dict[str | RequestKey[Any], Any] | None = None
    stream: Any = None
    _read_bytes: bytes | None = None
    _post: MultiDictProxy[Any] | None = None
    _decode_error: Exception | None = None
    _response: StreamResponse | None = None
    _transport: Any = _UNSET
    _protocol: Any = None
    _payload_writer: Any = None
    _client_max_size: int = 1024**2
    _client_max_fields: int = 1000

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
    def version(self) -> HttpVersion:
        """The version of HTTP."""
        return parse_version(self.scope.get("http_version", "1.1"))

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
        hosts = self.headers.getall(hdrs.HOST, ())
        if len(hosts) > 1:
            raise HTTPBadRequest(text="400: Bad Request: more than one Host header")
        return hosts[0] if hosts else self._server_address()

    def _server_address(self) -> str:
        server = self.scope.get("server")
        if not server or server[1] is None:
            return "localhost"
        host, port = server
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
            if "/." in rel_url.raw_path and not rel_url.raw_path.startswith("//"):
                self._url = base.join(rel_url)
            else:
                self._url = base.with_path(rel_url.raw_path, encoded=True).with_query(None)
                if rel_url.raw_query_string:
                    self._url = URL.build(
                        scheme=base.scheme,
                        authority=base.raw_authority,
                        path=rel_url.raw_path,
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

    # The headers

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers, their names compared without regard to case."""
        if self._headers is None:
            self._headers = decode_headers(self.scope["headers"])
        return self._headers

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers as octets, names in lower case as ASGI has them."""
        return tuple((bytes(name), bytes(value)) for name, value in self.scope["headers"])

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that the client sent."""
        if self._cookies is None:
            # RFC 9113, section 8.2.3: HTTP/2 may split the header.
            header = "; ".join(self.headers.getall(hdrs.COOKIE, ()))
            self._cookies = MappingProxyType(parse_cookie_header(header))
        return self._cookies

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants the connection to stay open."""
        connection = self.headers.get(hdrs.CONNECTION, "").lower()
        if self.version >= (1, 1):
            return "close" not in connection
        return "keep-alive" in connection

    @property
    def content_type(self) -> str:
        """The media type without parameters, ``application/octet-stream`` where none is given."""
        return self._parsed_content_type()[0]

    @property
    def charset(self) -> str | None:
        """The charset parameter of the content type."""
        return self._parsed_content_type()[1].get("charset")

    def _parsed_content_type(self) -> tuple[str, Mapping[str, str]]:
        # PERF: from the raw headers, which need not all be decoded for it: 0.4 µs instead of 1.6.
        if len(self._header_dict()) != len(self.scope["headers"]):
            return parse_content_type(self.headers.get(hdrs.CONTENT_TYPE, ""))
        value = self._header(b"content-type")
        return parse_content_type("" if value is None else value.decode("utf-8", "surrogateescape"))

    @property
    def content_length(self) -> int | None:
        """The Content-Length in bytes, None where there is none; `HTTPBadRequest` where it is no number."""
        value = self.headers.get(hdrs.CONTENT_LENGTH)
        if value is None:
            return None
        # RFC 9110, section 8.6: digits and nothing else, where int() takes signs, blanks and underscores.
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise HTTPBadRequest(text="400: Bad Request: invalid Content-Length")
        return int(value)

    @property
    def http_range(self) -> slice:
        """The Range as a slice of the bytes; ValueError for one that is malformed or asks for several."""
        return parse_range(self.headers.get(hdrs.RANGE))

    @property
    def if_match(self) -> tuple[ETag, ...] | None:
        """The entity tags of If-Match, None where there are none."""
        return self._etags(hdrs.IF_MATCH)

    @property
    def if_none_match(self) -> tuple[ETag, ...] | None:
        """The entity tags of If-None-Match, None where there are none."""
        return self._etags(hdrs.IF_NONE_MATCH)

    def _etags(self, name: str) -> tuple[ETag, ...] | None:
        value = self.headers.get(name)
        return tuple(parse_etags(value)) if value else None

    @property
    def if_modified_since(self) -> datetime | None:
        """The date of If-Modified-Since, aware; None where there is none or it is invalid."""
        return parse_http_date(self.headers.get(hdrs.IF_MODIFIED_SINCE))

    @property
    def if_unmodified_since(self) -> datetime | None:
        """The date of If-Unmodified-Since, aware; None where there is none or it is invalid."""
        return parse_http_date(self.headers.get(hdrs.IF_UNMODIFIED_SINCE))

    @property
    def if_range(self) -> datetime | None:
        """The date of If-Range, aware; None where there is none or it is no date."""
        return parse_http_date(self.headers.get(hdrs.IF_RANGE))

    @property
    def forwarded(self) -> tuple[Mapping[str, str], ...]:
        """What proxies say of the way here (RFC 7239). Anybody can send it: trust it only behind a proxy of yours."""
        return parse_forwarded(self.headers.getall(hdrs.FORWARDED, ()))

    # The body

    @property
    def client_max_size(self) -> int:
        """The most bytes of body that the collecting calls take; 0 for any number."""
        return self._client_max_size

    @property
    def client_max_fields(self) -> int:
        """The most fields a form may have."""
        return self._client_max_fields

    @property
    def content(self) -> StreamReader:
        """The body as a stream, which `client_max_size` does not bound."""
        if self.stream is None:
            self._check_framing()
            content = StreamReader(self.receive)
            if self._read_bytes is not None or not self._may_have_body():
                content.feed_eof()
            self.stream = content
        stream: StreamReader = self.stream
        return stream

    def _header_dict(self) -> dict[bytes, bytes]:
        """The raw headers by name; of those that are repeated the last."""
        headers = self._raw_headers
        if headers is None:
            headers = self._raw_headers = dict(self.scope["headers"])
        return headers

    def _header(self, name: bytes) -> bytes | None:
        return self._header_dict().get(name)

    def _may_have_body(self) -> bool:
        if self._header(b"transfer-encoding") is not None:
            return True
        length = self._header(b"content-length")
        if length is None:
            # HTTP/2 and 3 frame a body without either header.
            return self.scope.get("http_version", "1.1")[0] != "1"
        return length.strip(b" \t0") != b""

    def _check_framing(self) -> None:
        # RFC 9112, section 6.1: both together may be an attempt at smuggling, which the server let through.
        headers = self._raw_headers
        if headers is None:
            headers = self._raw_headers = dict(self.scope["headers"])
        if b"transfer-encoding" in headers and b"content-length" in headers:
            raise HTTPBadRequest(text="400: Bad Request: both Content-Length and Transfer-Encoding")

    @property
    def can_read_body(self) -> bool:
        """Whether there is something of the body still to read."""
        return not self.content.at_eof()

    @property
    def has_body(self) -> bool:
        """As `can_read_body`; deprecated, as in aiohttp."""
        warnings.warn("Deprecated, use .can_read_body #2005", DeprecationWarning, stacklevel=2)
        return self.can_read_body

    @property
    def body_exists(self) -> bool:
        """Whether the request has a body, read or not."""
        content = self.stream
        if content is not None and not isinstance(content, StreamReader):
            return not content.at_eof()
        return self._may_have_body()

    async def read(self) -> bytes:
        """The whole body. The second call gives the same bytes.

        Raises `HTTPRequestEntityTooLarge` past `client_max_size`, `ClientConnectionResetError` when the client leaves
        before the body is complete.
        """
        body = self._read_bytes
        if body is not None:
            return body
        if self.stream is None:
            self._check_framing()
            # PERF: a body that comes in one message needs no stream: 1.2 µs of the 5 µs of a JSON echo.
            message = await self.receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                body = message.get("body", b"")
                if len(body) > self._client_max_size:
                    self._check_size(len(body))
                self._read_bytes = body
                return body
            self.stream = StreamReader(self.receive)
            self.stream.feed_message(message)
        content = self.stream
        pieces: list[bytes] = []
        size = 0
        while chunk := await content.readany():
            size += len(chunk)
            self._check_size(size)
            pieces.append(chunk)
        self._read_bytes = b"".join(pieces)
        return self._read_bytes

    def _check_size(self, size: int) -> None:
        if self._client_max_size and size > self._client_max_size:
            raise HTTPRequestEntityTooLarge(max_size=self._client_max_size, actual_size=size)

    async def text(self) -> str:
        """The body decoded by its charset, UTF-8 where it names none.

        Raises what `read` raises, LookupError for an unknown charset and UnicodeDecodeError for a body that is not in
        it; uncaught, they are answered with a 415 and a 400.
        """
        body = await self.read()
        try:
            return decode_text(body, self.charset or "utf-8")
        except (LookupError, UnicodeDecodeError) as exc:
            self._decode_error = exc
            raise

    async def json(self, *, loads: JSONDecoder = json.loads) -> Any:
        """The body as JSON.

        Raises what `text` raises and `json.JSONDecodeError` for what is no JSON; uncaught, it is answered with a 400.
        The standard decoder is replaced by a faster one that gives the same values; a ``loads`` of your own is called
        with the text.
        """
        if loads is json.loads:
            body = self._read_bytes
            if body is None:
                body = await self.read()
            # PERF: the usual content types need no parsing to say UTF-8.
            if self._header(b"content-type") in _UTF8_TYPES or self.charset in _UTF8:
                try:
                    return sansio_json.loads(body)
                except ValueError as exc:
                    self._decode_error = exc
                    raise
        text = await self.text()
        try:
            return loads(text)
        except ValueError as exc:
            self._decode_error = exc
            raise

    async def post(self) -> MultiDictProxy[Any]:
        """The fields of a form, empty where the body is no form or the method has none.

        Raises what `text` raises, and `HTTPRequestEntityTooLarge` for more than `client_max_fields` fields.
        Only ``application/x-www-form-urlencoded`` is read as yet; ``multipart/form-data`` is a 415.
        """
        if self._post is not None:
            return self._post
        charset = "utf-8"
        # PERF: what browsers send for a form needs no parsing: 0.4 µs of the 8 µs of a form of ten fields.
        if self._header(b"content-type") != _FORM:
            content_type, parameters = self._parsed_content_type()
            if content_type == "multipart/form-data":
                raise HTTPUnsupportedMediaType(text="415: Unsupported Media Type: multipart/form-data is not read here")
            charset = parameters.get("charset", charset)
            if content_type != "application/x-www-form-urlencoded":
                self._post = MultiDictProxy(MultiDict())
                return self._post
        if self.method not in self.POST_METHODS:
            self._post = MultiDictProxy(MultiDict())
            return self._post
        body = await self.read()
        try:
            fields = parse_form(body, charset, self._client_max_fields)
        except TooManyFields:
            raise HTTPRequestEntityTooLarge(
                max_size=self._client_max_fields,
                text=f"Maximum number of form fields {self._client_max_fields} exceeded.",
            ) from None
        except (LookupError, ValueError) as exc:
            self._decode_error = exc
            raise
        self._post = MultiDictProxy(fields)
        return self._post

    async def release(self) -> None:
        """Read what is left of the body and forget it."""
        content = self.content
        while await content.readany():
            pass

    @property
    def decode_error(self) -> Exception | None:
        """What the last of `text`, `json` and `post` raised because of the body's octets, None where it did not."""
        return self._decode_error

    # The connection

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that runs the handler."""
        task = asyncio.current_task()
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

    def is_known_disconnected(self) -> bool:
        """Whether the client is known to have gone, without asking the server."""
        content = self.stream
        return isinstance(content, StreamReader) and content.disconnected

    def _open_stream(self) -> StreamReader:
        if self.stream is None:
            self.stream = StreamReader(self.receive)
            if self._read_bytes is not None:
                self.stream.feed_eof()
        stream: StreamReader = self.stream
        return stream

    def open_response(self, response: StreamResponse, *, length: int | None, empty: bool) -> ResponseWriter:
        """The writer for ``response``, which becomes the one that this request is answered with.

        RuntimeError where another response was begun already.
        """
        if self._response is not None and self._response is not response:
            raise RuntimeError(
                f"{self!r} is answered already by {self._response!r}: return or raise nothing else after prepare()"
            )
        self._response = response
        content = self._open_stream()
        if isinstance(content, StreamReader):
            # To learn that the client has gone while a long answer is sent. Not while a body waits for its reader:
            # to receive would tell the client to send it.
            if content.is_eof() or not self._may_have_body():
                content.watch_disconnect()
            writer = ResponseWriter(self.send, length=length, empty=empty, is_disconnected=self.is_known_disconnected)
        else:
            writer = ResponseWriter(self.send, length=length, empty=empty, is_disconnected=bool)
        return writer

    @property
    def response(self) -> StreamResponse | None:
        """The response that was begun, None before any was."""
        return self._response

    def finish(self) -> None:
        """Give back what the request holds; called when it was answered."""
        content = self.stream
        if isinstance(content, StreamReader):
            content.stop_watching()

    async def prepare_hook(self, response: StreamResponse) -> None:
        """Called before the headers of a response are sent; a plain request has nobody to tell."""

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
    ) -> BaseRequest:
        """A copy with some things changed, which reads the same body.

        RuntimeError when the body was read.
        """
        if self._read_bytes is not None:
            raise RuntimeError("Cannot clone request after reading its content")
        scope = dict(self.scope)
        if method is not _UNSET:
            scope["method"] = method
        if rel_url is not _UNSET:
            url = URL(rel_url)
            scope["path"] = url.path
            scope["raw_path"] = url.raw_path.encode()
            scope["query_string"] = url.raw_query_string.encode()
        if headers is not _UNSET:
            scope["headers"] = [
                (name.lower().encode("ascii"), value.encode("utf-8", "surrogateescape"))
                for name, value in CIMultiDict(headers).items()
            ]
        if scheme is not _UNSET:
            scope["scheme"] = scheme
        if host is not _UNSET:
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode()), *others]
        if remote is not _UNSET:
            scope["client"] = (remote, 0)
        clone = self._copy_for(scope)
        clone._client_max_size = self._client_max_size if client_max_size is _UNSET else client_max_size
        clone._client_max_fields = self._client_max_fields
        clone._state = dict(self._storage())
        clone.stream = self._open_stream()
        clone._transport = self._transport
        clone._protocol = self._protocol
        clone._payload_writer = self._payload_writer
        return clone

    def _copy_for(self, scope: Scope) -> BaseRequest:
        return type(self)(scope, self.receive, self.send)

    # Storage

    @property
    def state(self) -> MutableMapping[str, Any]:
        """What the server's lifespan left for requests (the ASGI scope's ``state``), and what is put there."""
        state: MutableMapping[str, Any] = self.scope.setdefault("state", {})
        return state

    def _storage(self) -> dict[str | RequestKey[Any], Any]:
        if self._state is None:
            self._state = {}
        return self._state

    @overload  # type: ignore[override]
    def __getitem__(self, key: RequestKey[_T]) -> _T: ...

    @overload
    def __getitem__(self, key: str) -> Any: ...

    def __getitem__(self, key: str | RequestKey[_T]) -> Any:
        return self._storage()[key]

    @overload  # type: ignore[override]
    def __setitem__(self, key: RequestKey[_T], value: _T) -> None: ...

    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...

    def __setitem__(self, key: str | RequestKey[_T], value: Any) -> None:
        if not isinstance(key, RequestKey):
            warnings.warn("It is recommended to use web.RequestKey instances for keys.", NotAppKeyWarning, stacklevel=2)
        self._storage()[key] = value

    def __delitem__(self, key: str | RequestKey[Any]) -> None:
        del self._storage()[key]

    def __len__(self) -> int:
        return len(self._storage())

    def __iter__(self) -> Iterator[str | RequestKey[Any]]:
        return iter(self._storage())

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        path = self.path.encode("ascii", "backslashreplace").decode("ascii")
        return f"<{type(self).__name__} {self.method} {path} >"


class Request(BaseRequest):
    """A request on its way through an application: what `BaseRequest` has, the match and the application."""

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
        self._app = None if endpoint is None else endpoint.app

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
        client_max_size: int,
        client_max_fields: int,
    ) -> Request:
        """A request with parts of the caller's choice, see `framework.test_utils.make_mocked_request`."""
        request = cls(scope, receive, send, None, (), client_max_size, client_max_fields)
        request.stream = stream
        request._transport = transport
        request._protocol = protocol
        request._payload_writer = writer
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

    @property
    def app(self) -> Application:
        """The application whose middlewares or handler run now."""
        app = self._app
        if app is None:
            raise RuntimeError("The request has no application: it was not routed by one")
        return app

    def enter(self, app: Application | None) -> Application | None:
        """Make ``app`` the current application, and return the one that was."""
        previous = self._app
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

    async def prepare_hook(self, response: StreamResponse) -> None:
        """Send ``on_response_prepare`` of the applications on the way, the outermost first."""
        endpoint = self._endpoint
        if endpoint is not None:
            for signal in endpoint.on_prepare:
                await signal.send(self, response)
        elif "match_info" in self.__dict__:
            for app in self.match_info.apps:
                if app.on_response_prepare:
                    await app.on_response_prepare.send(self, response)

    def _copy_for(self, scope: Scope) -> Request:
        clone = type(self)(scope, self.receive, self.send, self._endpoint, self._values)
        if "match_info" in self.__dict__:
            clone.match_info = self.match_info
        clone._app = self._app
        return clone
