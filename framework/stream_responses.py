"""`StreamResponse`: status, headers, cookies, and a body that is written piece by piece."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable
from datetime import datetime
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, overload

from framework import hdrs
from framework.compression import Compression, ContentCoding
from framework.content import HeadersMixin
from framework.content_lines import ContentLine
from framework.keys import ResponseKey
from framework.sansio.codings import ContentEncoder
from framework.sansio.conditions import ETag, format_etag, format_http_date, parse_etag, parse_http_date
from framework.sansio.cookies import del_cookie, set_cookie, set_cookie_headers
from framework.sansio.headers import HeaderMap, check_reason, encode_headers, parse_content_type
from framework.sansio.text import escape_controls
from framework.storage import Storage
from framework.typedefs import LooseHeaders, Send
from framework.writers import TURN_SIZE, ResponseWriter, direct_send

if TYPE_CHECKING:
    from framework.requests import BaseRequest

__all__ = ("StreamResponse",)

_T = TypeVar("_T")

_REASONS: Final[dict[int, str]] = {status.value: status.phrase for status in HTTPStatus}

#: RFC 9110, sections 15.3.5 and 15.4.5: no content, whatever the handler gives.
_EMPTY_STATUSES: Final = frozenset({204, 304})

#: RFC 9110, sections 15.2, 15.3.5 and 15.3.6: no content that could have had a coding.
_NOTHING_STATUSES: Final = frozenset({*range(100, 200), 204, 205})

_HTTP_1: Final = frozenset({"1.0", "1.1"})

#: RFC 9113, section 8.2.2, and RFC 9114, section 4.2: what speaks of a connection makes a message malformed.
_CONNECTION_HEADERS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)


_TRAILERS: Final = "http.response.trailers"


class StreamResponse(Storage, HeadersMixin):
    """A response whose body is written piece by piece.

    ``await response.prepare(request)`` sends the headers, ``await response.write(data)`` a piece of the body. It is
    also a mapping, for what middlewares and handlers want to tell each other.

    Raises ValueError for a reason or a header with control characters.
    """

    key_class = ResponseKey

    # PERF: defaults live on the class, so that a plain response sets only what it uses: 0.25 µs for each response.
    _headers: HeaderMap | None = None
    _content: ContentLine | None = None
    _cookies: SimpleCookie | None = None
    _reason: str | None = None
    _writer: ResponseWriter | None = None
    _request: BaseRequest | None = None
    _eof_sent = False
    _keep_alive: bool | None = None
    _chunked = False
    _body_length = 0
    _compression: Compression | None = None
    _encoder: ContentEncoder | None = None
    #: The server's `send`, while what is written can be handed to it as it is.
    _direct: Send | None = None
    #: How many bytes may be handed to it until the event loop turns.
    _until_turn = TURN_SIZE
    _trailers: HeaderMap | None = None

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: ResponseKey[_T]) -> _T: ...
        @overload
        def __getitem__(self, key: str) -> Any: ...
        def __getitem__(self, key: Any) -> Any: ...
        @overload
        def __setitem__(self, key: ResponseKey[_T], value: _T) -> None: ...
        @overload
        def __setitem__(self, key: str, value: Any) -> None: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...

    def __init__(self, *, status: int = 200, reason: str | None = None, headers: LooseHeaders | None = None) -> None:
        if headers is not None:
            self._headers = HeaderMap(headers)
        self._set_status(status, reason)

    # Status

    @property
    def prepared(self) -> bool:
        """Whether the headers were sent."""
        return self._eof_sent or self._writer is not None

    @property
    def eof_sent(self) -> bool:
        """Whether the whole response was sent."""
        return self._eof_sent

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of the request that the response answers; None before `prepare`."""
        return None if self._request is None else self._request.task

    @property
    def status(self) -> int:
        """The status code."""
        return self._status

    @property
    def reason(self) -> str:
        """The reason phrase. ASGI has no place for it: servers send the one of the status, or none (HTTP/2)."""
        if self._reason is None:
            return _REASONS.get(self._status, "")
        return self._reason

    def set_status(self, status: int, reason: str | None = None) -> None:
        """Set the status and the reason; RuntimeError once the headers were sent."""
        if self.prepared:
            raise RuntimeError("Cannot change the response status code after the headers have been sent")
        self._set_status(status, reason)

    def _set_status(self, status: int, reason: str | None) -> None:
        self._status = int(status)
        if reason is not None:
            check_reason(reason)
        self._reason = reason

    # Connection

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open; None before `prepare` unless `force_close` was called."""
        return self._keep_alive

    def force_close(self) -> None:
        """Ask the server to close the connection after the response; HTTP/1 only."""
        self._materialize()
        self._keep_alive = False

    @property
    def chunked(self) -> bool:
        """Whether `enable_chunked_encoding` was called."""
        return self._chunked

    @property
    def compression(self) -> bool:
        """Whether `enable_compression` was called."""
        return self._compression is not None

    def enable_compression(self, force: bool | ContentCoding | None = None, strategy: int | None = None) -> None:
        """Compress the body.

        The coding is negotiated (RFC 9110, section 12.5.3): of those that the client gives the greatest weight, the
        first of zstd and br, where they are installed, deflate and gzip; none where it accepts none. ``Vary`` is set.
        A response that has a ``Content-Encoding`` already, or is a part of a file, is sent as it is.

        Args:
            force: the coding to use whatever the client accepts. A bool is deprecated, as in aiohttp: True means
                deflate, False identity.
            strategy: zlib's, for gzip and deflate: ``zlib.Z_DEFAULT_STRATEGY`` and so on.

        Raises ValueError for a coding whose library is not installed and for an unknown strategy, TypeError for what is
        no `ContentCoding`.
        """
        if self.prepared:
            warnings.warn("enable_compression() has no effect after prepare()", RuntimeWarning, stacklevel=2)
        if isinstance(force, bool):
            warnings.warn(
                "Using boolean for force is deprecated, use ContentCoding.deflate or None",
                DeprecationWarning,
                stacklevel=2,
            )
            force = ContentCoding.deflate if force else ContentCoding.identity
        if force is not None and not isinstance(force, ContentCoding):
            raise TypeError(f"force must be a web.ContentCoding or None, got {force!r}")
        self._materialize()
        self._compression = Compression(force, strategy)

    @property
    def trailers(self) -> HeaderMap:
        """Headers that are sent after the body (RFC 9110, section 6.5), where the server offers to.

        Ask for them before `prepare`, which announces them, and fill them in until `write_eof`. They are dropped where
        the server's ASGI scope has no ``http.response.trailers``. RuntimeError when they are first asked for after
        `prepare`.
        """
        if self._trailers is None:
            if self.prepared:
                raise RuntimeError("Trailers are announced with the headers: use response.trailers before prepare()")
            self._materialize()
            self._trailers = HeaderMap()
        return self._trailers

    def enable_chunked_encoding(self, chunk_size: int | None = None) -> None:
        """Send the body without a Content-Length, so that the server frames it."""
        if hdrs.CONTENT_LENGTH in self.headers:
            raise RuntimeError("You can't enable chunked encoding when a content length is set")
        if chunk_size is not None:
            warnings.warn("Chunk size is deprecated #1615", DeprecationWarning, stacklevel=2)
        self._chunked = True

    @property
    def body_length(self) -> int:
        """How many bytes of the body were sent."""
        length = self._body_length + TURN_SIZE - self._until_turn
        return length if self._writer is None else length + self._writer.output_size

    @property
    def output_length(self) -> int:
        """As `body_length`; deprecated, as in aiohttp."""
        warnings.warn("output_length is deprecated, use body_length", DeprecationWarning, stacklevel=2)
        return self.body_length

    # Headers

    def _materialize(self) -> HeaderMap:
        headers = self._headers
        if headers is None:
            headers = self._headers = HeaderMap()
            if self._content is not None:
                headers[hdrs.CONTENT_TYPE] = self._content.value
        self._content = None
        return headers

    @property
    def headers(self) -> HeaderMap:
        """The headers, to read and to change until they are sent."""
        headers = self._headers
        return self._materialize() if headers is None else headers

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies to set, as `http.cookies` has them."""
        if self._cookies is None:
            self._materialize()
            self._cookies = SimpleCookie()
        return self._cookies

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        expires: str | None = None,
        domain: str | None = None,
        max_age: int | str | None = None,
        path: str = "/",
        secure: bool | None = None,
        httponly: bool | None = None,
        version: str | None = None,
        samesite: str | None = None,
        partitioned: bool | None = None,
    ) -> None:
        """Set a cookie (RFC 6265).

        ``max_age`` is in seconds, ``expires`` a date as HTTP writes it. Raises ValueError for a name, a value or an
        attribute that would break out of its place.
        """
        set_cookie(
            self.cookies,
            name,
            value,
            expires=expires,
            domain=domain,
            max_age=max_age,
            path=path,
            secure=secure,
            httponly=httponly,
            version=version,
            samesite=samesite,
            partitioned=partitioned,
        )

    def del_cookie(
        self,
        name: str,
        *,
        domain: str | None = None,
        path: str = "/",
        secure: bool | None = None,
        httponly: bool | None = None,
        samesite: str | None = None,
    ) -> None:
        """Have the client forget a cookie; ``domain`` and ``path`` must be those it was set with."""
        del_cookie(self.cookies, name, domain=domain, path=path, secure=secure, httponly=httponly, samesite=samesite)

    @property
    def content_length(self) -> int | None:
        """The Content-Length in bytes, None where none is set."""
        return super().content_length

    @content_length.setter
    def content_length(self, value: int | None) -> None:
        if value is None:
            self.headers.pop(hdrs.CONTENT_LENGTH, None)
            return
        value = int(value)
        if self._chunked:
            raise RuntimeError("You can't set content length when chunked encoding is enable")
        self.headers[hdrs.CONTENT_LENGTH] = str(value)

    @property
    def content_type(self) -> str:
        """The media type without its parameters."""
        if self._content is not None:
            return self._content.content_type
        return super().content_type

    @content_type.setter
    def content_type(self, value: str) -> None:
        _, parameters = parse_content_type(self.headers.get(hdrs.CONTENT_TYPE, ""))
        self._set_content_type(str(value), dict(parameters))

    @property
    def charset(self) -> str | None:
        """The charset of a text; RuntimeError when set on a response without a content type of its own."""
        if self._content is not None:
            return self._content.charset
        return super().charset

    @charset.setter
    def charset(self, value: str | None) -> None:
        content_type = self.content_type
        if content_type == "application/octet-stream":
            raise RuntimeError(
                "Setting charset for application/octet-stream doesn't make sense, setup content_type first"
            )
        parameters = dict(parse_content_type(self.headers.get(hdrs.CONTENT_TYPE, ""))[1])
        parameters.pop("charset", None)
        if value is not None:
            parameters["charset"] = str(value).lower()
        self._set_content_type(content_type, parameters)

    def _set_content_type(self, content_type: str, parameters: dict[str, str]) -> None:
        self.headers[hdrs.CONTENT_TYPE] = "; ".join(
            [content_type, *(f"{name}={value}" for name, value in parameters.items())]
        )

    def set_content_line(self, line: ContentLine) -> None:
        """Set a ready-made content type on a response that has no headers yet."""
        self._content = line

    @property
    def last_modified(self) -> datetime | None:
        """The Last-Modified date as an aware datetime; set it as a datetime, a POSIX time, a string or None."""
        return parse_http_date(self.headers.get(hdrs.LAST_MODIFIED))

    @last_modified.setter
    def last_modified(self, value: datetime | float | str | None) -> None:
        if value is None:
            self.headers.pop(hdrs.LAST_MODIFIED, None)
        elif isinstance(value, str):
            self.headers[hdrs.LAST_MODIFIED] = value
        elif isinstance(value, (int, float, datetime)):
            self.headers[hdrs.LAST_MODIFIED] = format_http_date(value)
        else:
            raise TypeError(f"Unsupported type for last_modified: {type(value).__name__}")

    @property
    def etag(self) -> ETag | None:
        """The entity tag; set it as a string without quotes, an `ETag` or None."""
        value = self.headers.get(hdrs.ETAG)
        if not value:
            return None
        return parse_etag(value)

    @etag.setter
    def etag(self, value: ETag | str | None) -> None:
        if value is None:
            self.headers.pop(hdrs.ETAG, None)
        elif isinstance(value, (str, ETag)):
            self.headers[hdrs.ETAG] = format_etag(value)
        else:
            raise ValueError(f"Unsupported etag type: {type(value)}. etag must be str, ETag or None")

    # Sending

    async def prepare(self, request: BaseRequest) -> ResponseWriter | None:
        """Send the headers, after the receivers of ``on_response_prepare`` saw them.

        Does nothing when they were sent already. Raises what a receiver raises, and `ClientConnectionResetError`
        where the server says that the client has gone.
        """
        if self._eof_sent:
            return None
        if self._writer is not None:
            return self._writer
        self._request = request
        if self._compression is not None:
            await self._start_compression(request)
        self._prepare_headers(request)
        for signal in request.prepare_signals():
            await signal.send(request, self)
        if self._compression is not None:
            # Where a receiver of on_response_prepare asked for it.
            await self._start_compression(request)
        headers = self.headers
        empty = self._must_be_empty(request)
        raw_headers = encode_headers(headers)
        if request.scope.get("http_version", "1.1") not in _HTTP_1:
            raw_headers = [header for header in raw_headers if header[0] not in _CONNECTION_HEADERS]
        if self._cookies:
            raw_headers.extend(set_cookie_headers(self._cookies))
        length = None
        if not empty and (value := headers.get(hdrs.CONTENT_LENGTH)) is not None:
            length = int(value)
        writer = request.open_response(
            self,
            length=length,
            empty=empty,
            encoder=self._encoder,
            has_trailers=self._trailers is not None and _TRAILERS in (request.scope.get("extensions") or ()),
        )
        self._writer = writer
        await writer.start(self._status, raw_headers)
        if writer.is_plain and (request.stream is None or not request.is_known_disconnected()):
            self._direct = direct_send(request.scope, request.send)
        return writer

    def is_over(self) -> bool:
        """Whether all has been said that the client was to hear."""
        return self._eof_sent or (self._writer is not None and self._writer.ended)

    def note_disconnect(self) -> None:
        """Raise from `write` from now on: the client has gone."""
        self._direct = None

    async def _start_compression(self, request: BaseRequest) -> None:
        if self._compression is not None and self._encoder is None and self._status not in _NOTHING_STATUSES:
            empty = self._status == 304 or self._has_no_body()
            self._encoder = self._compression.start(self.headers, request.headers, empty=empty)

    def _has_no_body(self) -> bool:
        return False

    def _must_be_empty(self, request: BaseRequest) -> bool:
        status = self._status
        return status in _EMPTY_STATUSES or status < 200 or request.method == hdrs.METH_HEAD

    def _prepare_headers(self, request: BaseRequest) -> None:
        headers = self.headers
        version = request.version
        keep_alive = self._keep_alive
        if keep_alive is None:
            keep_alive = self._keep_alive = request.keep_alive
        if self._chunked and version < (1, 1):
            raise RuntimeError(f"Using chunked encoding is forbidden for HTTP/{version.major}.{version.minor}")
        # The framing is the server's (RFC 9112, section 6.1).
        headers.pop(hdrs.TRANSFER_ENCODING, None)
        # RFC 9110, section 8.6: a response without a body has no Content-Length, unless it answers HEAD.
        if self._chunked or self._status in _EMPTY_STATUSES or self._status < 200:
            headers.pop(hdrs.CONTENT_LENGTH, None)
        if (
            hdrs.CONTENT_TYPE not in headers
            and headers.get(hdrs.CONTENT_LENGTH) != "0"
            and not self._must_be_empty(request)
        ):
            headers[hdrs.CONTENT_TYPE] = "application/octet-stream"
        if not keep_alive and (1, 1) <= version < (2, 0) and hdrs.CONNECTION not in headers:
            headers[hdrs.CONNECTION] = "close"

    def write(self, data: bytes | bytearray | memoryview) -> Awaitable[None]:
        """Send a piece of the body, and wait until the server takes more: ``await response.write(data)``.

        Awaiting it raises RuntimeError before `prepare` and after `write_eof`, TypeError for what is no bytes,
        `ClientConnectionResetError` when the client has gone.
        """
        # PERF: the server's own awaitable is handed on wherever nothing remains to be done with the piece: 0.25 µs for
        # each, 0.54 with a coroutine here and one in the writer; a stream of 100 pieces takes 36 µs instead of 72.
        direct = self._direct
        if direct is not None and type(data) is bytes and data:
            # One number is both what was written and how much may follow until the event loop has to turn.
            left = self._until_turn = self._until_turn - len(data)
            if left > 0:
                return direct({"type": "http.response.body", "body": data, "more_body": True})
            return self._write_and_turn(direct, data)
        writer = self._writer
        if writer is not None and isinstance(data, (bytes, bytearray, memoryview)):
            return writer.write(data)
        return self._refuse_to_write(data)

    async def _write_and_turn(self, direct: Send, data: bytes) -> None:
        self._body_length += TURN_SIZE - self._until_turn
        self._until_turn = TURN_SIZE
        await direct({"type": "http.response.body", "body": data, "more_body": True})
        if self._writer is not None:
            await self._writer.turn()

    async def _refuse_to_write(self, data: object) -> NoReturn:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be byte-ish ({type(data)}): encode text first")
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        raise RuntimeError("Cannot call write() before prepare()")

    async def drain(self) -> None:
        """Nothing to wait for: `write` returns when the server takes more. Deprecated, as in aiohttp."""
        if self._eof_sent:
            raise RuntimeError("Response has already been sent")
        if self._writer is None:
            raise RuntimeError("Response has not been started")
        warnings.warn("drain method is deprecated, use await resp.write()", DeprecationWarning, stacklevel=2)

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the last piece of the body and end the response; does nothing the second time."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be byte-ish ({type(data)}): encode text first")
        if self._eof_sent:
            return
        if self._writer is None:
            raise RuntimeError("Response has not been started")
        self._direct = None
        await self._writer.write_eof(data)
        if self._writer.has_trailers and self._trailers is not None:
            await self._writer.write_trailers(encode_headers(self._trailers))
        self._eof_sent = True
        self._body_length = self.body_length
        self._until_turn = TURN_SIZE
        self._request = None
        self._writer = None

    async def fail(self) -> bool:
        """Break the response off in its own way, after its handler has failed; False where it has none."""
        return False

    def __repr__(self) -> str:
        if self._eof_sent:
            info = "eof"
        elif self._request is not None:
            info = f"{escape_controls(self._request.method)} {escape_controls(self._request.path)} "
        else:
            info = "not prepared"
        return f"<{type(self).__name__} {self.reason} {info}>"

    # Two responses are the same only if they are one: the storage says nothing of what is sent.
    def __hash__(self) -> int:  # type: ignore[override]
        return object.__hash__(self)
