"""The body of a request: as bytes, as text, as JSON, as a form, as a stream."""

from __future__ import annotations

import json
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

from multidict import MultiDict, MultiDictProxy

from framework import hdrs
from framework.exceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from framework.request_headers import RequestHeaders
from framework.sansio import json as sansio_json
from framework.sansio.codings import ContentDecoder
from framework.sansio.forms import TooManyFields, parse_form
from framework.sansio.text import decode_text
from framework.streams import ClientConnectionResetError, StreamReader, body_cut_off
from framework.typedefs import JSONDecoder, Message, Receive

if TYPE_CHECKING:
    from framework.multipart import MultipartReader
    from framework.uploads import FormCollector

__all__ = ("RequestBody",)

_UTF8_TYPES: Final = frozenset({None, b"application/json", b"application/json; charset=utf-8"})
_UTF8: Final = frozenset({None, "utf-8", "UTF-8"})
_FORM: Final = b"application/x-www-form-urlencoded"


class RequestBody(RequestHeaders):
    """The part of `BaseRequest` that reads the body."""

    POST_METHODS = frozenset({hdrs.METH_PATCH, hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_TRACE, hdrs.METH_DELETE})

    receive: Receive
    #: The stream, where somebody has begun to read one or watches for the client to leave.
    stream: Any = None
    _read_bytes: bytes | None = None
    #: Whether `read` is waiting for a message without a stream.
    _receiving = False
    _post: MultiDictProxy[Any] | None = None
    #: Forms whose files are to be closed with the request.
    _forms: tuple[FormCollector, ...] = ()
    _client_max_size: int = 1024**2
    _client_max_fields: int = 1000

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
        self._check_framing()
        return self._open_stream()

    def _open_stream(self) -> StreamReader:
        if self.stream is None:
            self.stream = self._new_stream()
            if self._receiving:
                self.stream.lend()
            elif self._read_bytes is not None:
                self.stream.total_bytes = len(self._read_bytes)
                self.stream.feed_eof()
            elif not self._may_have_body():
                self.stream.feed_eof()
        stream: StreamReader = self.stream
        return stream

    def _new_stream(self) -> StreamReader:
        return StreamReader(
            self.receive, decoder=self._decoder(), on_disconnect=self.note_disconnect, length=self._length()
        )

    def _length(self) -> int | None:
        headers = self._header_dict()
        length = headers.get(b"content-length", b"")
        # As `content_length` reads it; where that would refuse, the server's messages tell the end.
        return int(length) if length.isdigit() and len(length) < 20 and b"transfer-encoding" not in headers else None

    def note_disconnect(self) -> None:
        """Called when the client is found to have gone."""

    def _decoder(self) -> ContentDecoder | None:
        coding = self._header_dict().get(b"content-encoding", b"").decode("latin-1").strip().lower()
        return ContentDecoder(coding) if ContentDecoder.supports(coding) else None

    def _may_have_body(self) -> bool:
        if b"transfer-encoding" in self._header_dict():
            return True
        length = self._header_dict().get(b"content-length")
        if length is None:
            # HTTP/2 and 3 frame a body without either header.
            version = str(self.scope.get("http_version", "1.1"))
            return not version.startswith("1") and self.scope["type"] == "http"
        return bool(length.strip(b" \t0"))

    def _check_framing(self) -> None:
        # RFC 9112, sections 6.1 and 6.3: two lengths may be an attempt at smuggling, which the server let through.
        headers = self._header_dict()
        length = headers.get(b"content-length")
        if length is not None:
            # RFC 9110, section 8.6: digits, where other programs on the way may have read a sign or an underscore.
            if not length.strip(b" \t").isdigit():
                raise HTTPBadRequest(text="400: Bad Request: invalid Content-Length")
            if b"transfer-encoding" in headers:
                raise HTTPBadRequest(text="400: Bad Request: both Content-Length and Transfer-Encoding")
            if len(headers) != len(self.scope["headers"]):
                lengths = {value for name, value in self.scope["headers"] if name == b"content-length"}
                if len(lengths) > 1:
                    raise HTTPBadRequest(text="400: Bad Request: more than one Content-Length")

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
            return not bool(content.at_eof())
        return self._may_have_body()

    async def read(self) -> bytes:
        """The whole body. The second call gives the same bytes.

        A content coding (gzip, deflate, br, zstd) is undone, and the limit counts what comes out.

        Raises `HTTPRequestEntityTooLarge` past `client_max_size`, `ClientConnectionResetError` when the client leaves
        before the body is complete, `RequestPayloadError` for a coding that cannot be undone; uncaught, the last is
        answered with a 400.
        """
        body = self._read_bytes
        if body is not None:
            return body
        headers = self._header_dict()
        if self.stream is None and not self._receiving and b"content-encoding" not in headers:
            # PERF: a body that comes in one message needs no stream: 1.2 µs of the 5 µs of a JSON echo.
            if b"transfer-encoding" in headers or len(headers) != len(self.scope["headers"]):
                self._check_framing()
            self._receiving = True
            try:
                message = await self.receive()
            finally:
                self._receiving = False
                if self.stream is not None:
                    self.stream.give_back()
            body = bytes(message.get("body", b""))
            if (
                self.stream is None
                and message["type"] == "http.request"
                # Of a body that was cut off, the last message has nothing: the stream knows what to do.
                and (self._is_whole(len(body)) if message.get("more_body") else body or not self._length())
            ):
                if len(body) > self._client_max_size:
                    # Whoever asks again is to find the body, and not to wait for what has come already.
                    if self._client_max_size:
                        self._open_stream().feed_message(message)
                    self._check_size(len(body))
                self._read_bytes = body
                return body
            if self.stream is None:
                self.stream = self._new_stream()
            self.stream.feed_message(message)
        content = self.content
        pieces = bytearray()
        while chunk := await content.readany():
            pieces += chunk
            self._check_size(len(pieces))
        self._read_bytes = bytes(pieces)
        return self._read_bytes

    def _is_whole(self, size: int) -> bool:
        # PERF: granian follows a body with an empty message; where Content-Length says that it was all, not to wait
        # for that one saves 20 µs of the 67 that a JSON echo took there.
        headers = self._header_dict()
        if b"transfer-encoding" in headers:
            return False
        return headers.get(b"content-length") == b"%d" % size

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
            self.note_decode_error(exc)
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
            if self._header_dict().get(b"content-type") in _UTF8_TYPES or self.charset in _UTF8:
                try:
                    return sansio_json.loads(body)
                except ValueError as exc:
                    self.note_decode_error(exc)
                    raise
        text = await self.text()
        try:
            return loads(text)
        except ValueError as exc:
            self.note_decode_error(exc)
            raise

    async def post(self) -> MultiDictProxy[Any]:
        """The fields of a form, urlencoded or multipart; empty where the body is no form or the method has none.

        The fields of a multipart form are `str`, `bytearray` for those with a content type that is no text, and
        `FileField` for files, whose files are closed when the request has been answered.

        Raises what `text` raises, `HTTPRequestEntityTooLarge` for more than `client_max_fields` fields, and
        `MultipartPayloadError` for a multipart body that is malformed or truncated; uncaught, it is answered with a
        400.
        """
        if self._post is not None:
            return self._post
        charset = "utf-8"
        # PERF: what browsers send for a form needs no parsing: 0.4 µs of the 8 µs of a form of ten fields.
        if self._header_dict().get(b"content-type") != _FORM:
            content_type, parameters = self._parsed_content_type()
            if content_type == "multipart/form-data" and self.scope.get("method") in self.POST_METHODS:
                self._post = MultiDictProxy(await self._collect_form())
                return self._post
            charset = parameters.get("charset", charset)
            if content_type != "application/x-www-form-urlencoded":
                self._post = MultiDictProxy(MultiDict())
                return self._post
        if self.scope.get("method") not in self.POST_METHODS:
            self._post = MultiDictProxy(MultiDict())
            return self._post
        body = await self.read()
        try:
            fields = parse_form(body, charset, self._client_max_fields)
        except TooManyFields:
            raise self._too_many_fields() from None
        except (LookupError, ValueError) as exc:
            self.note_decode_error(exc)
            raise
        self._post = MultiDictProxy(fields)
        return self._post

    def _too_many_fields(self) -> HTTPRequestEntityTooLarge:
        return HTTPRequestEntityTooLarge(
            max_size=self._client_max_fields,
            text=f"Maximum number of form fields {self._client_max_fields} exceeded.",
        )

    async def _collect_form(self) -> MultiDict[Any]:
        # Imported when the first multipart form comes.
        from framework.multipart import boundary_of
        from framework.uploads import MAX_TEXT_SIZE, FormCollector, TooManyParts, TooMuchText

        _, boundary = boundary_of(self.headers.get(hdrs.CONTENT_TYPE, ""))
        form = FormCollector(boundary, max_fields=self._client_max_fields)
        try:
            if self._read_bytes is not None:
                await form.feed(self._read_bytes)
            else:
                await self._feed_form(form)
            fields = form.finish()
        except BaseException as exc:
            form.close()
            if isinstance(exc, TooManyParts):
                raise self._too_many_fields() from None
            if isinstance(exc, TooMuchText):
                raise HTTPRequestEntityTooLarge(
                    max_size=MAX_TEXT_SIZE,
                    text=f"Maximum size {MAX_TEXT_SIZE} of the form fields that are no files exceeded.",
                ) from None
            if isinstance(exc, (LookupError, ValueError)):
                self.note_decode_error(exc)
            raise
        self.note_form(form)
        return fields

    async def _feed_form(self, form: FormCollector) -> None:
        """Receive the body and hand it on, piece by piece."""
        self._check_framing()
        size = 0
        # Without a stream, where nobody has opened one, as in `read`.
        while self.stream is None and not self._receiving and b"content-encoding" not in self._header_dict():
            self._receiving = True
            try:
                message = await self.receive()
            finally:
                self._receiving = False
                if self.stream is not None:
                    self.stream.give_back()
            if self.stream is not None or message["type"] != "http.request":
                self._open_stream().feed_message(message)
                break
            piece = message.get("body", b"")
            size += len(piece)
            if not message.get("more_body") or self._is_whole(size):
                stream = self._open_stream()
                if size < (self._length() or 0):
                    stream.set_exception(body_cut_off())
                else:
                    stream.feed_eof()
            self._check_size(size)
            await form.feed(bytes(piece))
        while piece := await self.content.readany():
            size += len(piece)
            self._check_size(size)
            await form.feed(piece)

    def note_form(self, form: FormCollector) -> None:
        """Close the files of ``form`` when the request has been answered, also where a clone of it was read."""
        self._forms = (*self._forms, form)
        # Whoever ends the request looks for a stream first.
        self._open_stream()
        if isinstance(self._original, RequestBody):
            self._original.note_form(form)

    def close_forms(self) -> None:
        """Close the files that came with the forms of the request."""
        for form in self._forms:
            form.close()

    async def multipart(self) -> MultipartReader:
        """The body as a stream of parts.

        `client_max_size` bounds what the collecting methods of a part take, not the body, as in aiohttp.

        Raises `MultipartPayloadError` for a body that is no multipart body; uncaught, it is answered with a 400.
        """
        # Imported when the first multipart body comes.
        from framework.multipart import MultipartReader

        content = self.content
        if self._read_bytes is not None:
            content = StreamReader()
            content.feed_data(self._read_bytes)
            content.feed_eof()
        return MultipartReader(
            self.headers,
            content,
            client_max_size=self._client_max_size or sys.maxsize,
            max_size_error_cls=HTTPRequestEntityTooLarge,
            note_error=self.note_decode_error,
        )

    def hand_over(self) -> tuple[list[tuple[bytes, bytes]], Receive]:
        """Headers and ``receive`` for another ASGI application, which answers this request.

        What `read` and its companions have read of the body is received again, and what they left; a content coding
        that was undone is taken out of the headers. RuntimeError where the body was read as a stream or a form, which
        keep nothing.
        """
        headers = self.scope["headers"]
        if self.stream is None and self._read_bytes is None and not self._receiving:
            return headers, self.receive
        stream = self._open_stream()
        if self._read_bytes is None and stream.total_bytes and stream.at_eof():
            raise RuntimeError("The body was read already, and not kept: use `await request.read()` to look at it")
        if self._decoder() is not None:
            headers = [pair for pair in headers if pair[0] not in {b"content-encoding", b"content-length"}]
        ended = False

        async def receive() -> Message:
            nonlocal ended
            try:
                if ended:
                    await stream.wait_disconnect()
                    return {"type": "http.disconnect"}
                body = await stream.readany() if self._read_bytes is None else self._read_bytes
            except ClientConnectionResetError:
                return {"type": "http.disconnect"}
            ended = self._read_bytes is not None or stream.at_eof()
            return {"type": "http.request", "body": body, "more_body": not ended}

        return headers, receive

    async def release(self) -> None:
        """Read what is left of the body and forget it."""
        content = self.content
        while await content.readany():
            pass
