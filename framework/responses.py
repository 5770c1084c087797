"""Responses that are sent at once: `Response` and the functions that make JSON ones.

A `Response` is lazy: until somebody asks for its ``headers`` it keeps its content type as a ready-made `ContentLine`,
and is sent in two messages that `one_shot` makes. Whatever needs more (cookies, other headers, a body in pieces)
takes the way that `StreamResponse` shows: `prepare`, `write`, `write_eof`.
"""

from __future__ import annotations

import enum
import json
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, cast

from framework import hdrs
from framework.compression import encode_whole
from framework.content_lines import BINARY, JSON, TEXT, body_line, check_content_type, text_line
from framework.payloads import Payload, as_payload
from framework.sansio import json as sansio_json
from framework.sansio.headers import HeaderMap, decode_headers
from framework.stream_responses import StreamResponse
from framework.typedefs import JSONBytesEncoder, JSONEncoder, LooseHeaders, Message
from framework.writers import ResponseWriter

if TYPE_CHECKING:
    from framework.requests import BaseRequest

__all__ = ("Response", "StreamResponse", "as_sent", "json_bytes_response", "json_response", "one_shot")


class _Missing(enum.Enum):
    MISSING = enum.auto()


_MISSING: Final = _Missing.MISSING

#: Bodies of more bytes are compressed in a thread, as in aiohttp.
_EXECUTOR_SIZE: Final = 4096

#: PERF: raw Content-Length headers for the common sizes; formatting one took 0.12 µs of the 2.9 µs of a plain answer.
_LENGTHS: Final = tuple((b"content-length", b"%d" % size) for size in range(1024))


class Response(StreamResponse):
    """A response that is sent at once.

    ``text`` is encoded in ``charset`` (UTF-8 by default) and makes the content type ``text/plain`` unless
    ``content_type`` says otherwise. ``body`` is bytes, or what aiohttp takes beside: str, a file, an asynchronous
    iterable of bytes. Where `enable_compression` is called, a body of more than ``zlib_executor_size`` bytes is
    compressed in ``zlib_executor``, which is the event loop's default executor when it is None.

    Raises ValueError where arguments contradict each other or a header has control characters, TypeError for a text
    that is no str.
    """

    _body: bytes | bytearray | Payload | None = None
    _encoded_body: bytes | None = None
    _zlib_executor_size: int | None = _EXECUTOR_SIZE
    _zlib_executor: Executor | None = None
    _late_headers: dict[bytes, bytes] | None = None

    def __init__(
        self,
        *,
        body: Any = None,
        status: int = 200,
        reason: str | None = None,
        text: str | None = None,
        headers: LooseHeaders | None = None,
        content_type: str | None = None,
        charset: str | None = None,
        zlib_executor_size: int = _EXECUTOR_SIZE,
        zlib_executor: Executor | None = None,
    ) -> None:
        # PERF: what `one_shot` reads is set here rather than found on the class: 0.08 µs of 2.2.
        self._writer = None
        self._headers = None
        if status.__class__ is int and reason is None:
            self._status = status
        else:
            self._set_status(status, reason)
        if headers is not None:
            self._init_with_headers(body, text, HeaderMap(headers), content_type, charset)
        elif text is not None:
            if body is not None:
                raise ValueError("body and text are not allowed together")
            if not isinstance(text, str):
                raise TypeError(f"text argument must be str ({type(text)!r})")
            if content_type is None and charset is None:
                self._content = TEXT
                self._body = text.encode()
            else:
                line = self._content = text_line(content_type, charset)
                self._body = text.encode(line.charset or "utf-8")
        else:
            if content_type is not None:
                self._content = body_line(content_type, charset)
            if body.__class__ is bytes:
                self._body = body
            elif body is not None:
                self.body = body
        if zlib_executor_size != _EXECUTOR_SIZE or zlib_executor is not None:
            self._zlib_executor_size = zlib_executor_size
            self._zlib_executor = zlib_executor

    def _init_with_headers(
        self, body: Any, text: str | None, headers: HeaderMap, content_type: str | None, charset: str | None
    ) -> None:
        if body is not None and text is not None:
            raise ValueError("body and text are not allowed together")
        self._headers = headers
        check_content_type(content_type)
        if hdrs.CONTENT_TYPE in headers:
            if content_type is not None or charset is not None:
                params = "content_type or charset params" + (" with text" if text is not None else "")
                raise ValueError(f"passing both Content-Type header and {params} is forbidden")
            if text is not None:
                self.text = text
        elif text is not None:
            if not isinstance(text, str):
                raise TypeError(f"text argument must be str ({type(text)!r})")
            line = text_line(content_type, charset)
            headers[hdrs.CONTENT_TYPE] = line.value
            self._body = text.encode(line.charset or "utf-8")
        elif content_type is not None:
            headers[hdrs.CONTENT_TYPE] = content_type if charset is None else f"{content_type}; charset={charset}"
        if body is not None:
            self.body = body

    @property
    def body(self) -> bytes | bytearray | Payload | None:
        """The body: bytes, or a `Payload` that is sent in pieces. Set it to anything ``body=`` takes."""
        return self._body

    @body.setter
    def body(self, body: Any) -> None:
        if body is None or isinstance(body, (bytes, bytearray)):
            self._body = body
            return
        data, brought = as_payload(body)
        headers = self._materialize()
        for name, value in brought.items():
            headers.setdefault(name, value)
        self._body = data

    @property
    def text(self) -> str | None:
        """The body as text, in the response's charset; set it to replace the body."""
        body = self._body
        if body is None:
            return None
        if isinstance(body, Payload):
            raise TypeError("The body is sent in pieces: it has no text")
        return body.decode(self.charset or "utf-8")

    @text.setter
    def text(self, text: str | None) -> None:
        if text is not None and not isinstance(text, str):
            raise TypeError(f"text argument must be str ({type(text)!r})")
        if self.content_type == "application/octet-stream":
            self.content_type = "text/plain"
        if self.charset is None:
            self.charset = "utf-8"
        self._body = None if text is None else text.encode(self.charset or "utf-8")

    @property
    def content_length(self) -> int | None:
        """The length of the body in bytes; None where it is not known before the end. It cannot be set."""
        if self._chunked:
            return None
        if self._headers is not None and hdrs.CONTENT_LENGTH in self._headers:
            return super().content_length
        if isinstance(self._body, Payload):
            return None
        return len(self._body) if self._body is not None else 0

    @content_length.setter
    def content_length(self, value: int | None) -> None:
        raise RuntimeError("Content length is set automatically")

    def _prepare_headers(self, request: BaseRequest) -> None:
        headers = self._materialize()
        body = self._body if self._encoded_body is None else self._encoded_body
        if not self._chunked and hdrs.CONTENT_LENGTH not in headers:
            size = body.size if isinstance(body, Payload) else len(body or b"")
            # RFC 9110, section 9.3.2: a HEAD without a body says nothing about what a GET would have.
            if self._encoder is None and size is not None and (size or request.method != hdrs.METH_HEAD):
                headers[hdrs.CONTENT_LENGTH] = str(size)
        elif (
            not self._chunked
            and isinstance(body, (bytes, bytearray))
            and not self._must_be_empty(request)
            and headers[hdrs.CONTENT_LENGTH] != str(len(body))
        ):
            raise RuntimeError(
                f"The Content-Length header says {headers[hdrs.CONTENT_LENGTH]}, the body has {len(body)} bytes: "
                "leave the header out, it is set automatically"
            )
        super()._prepare_headers(request)

    def add_late_header(self, name: bytes, value: bytes) -> None:
        """Have `one_shot` send a header, the name in lower case, that a prepare signal sets on every other way.

        PERF: `headers` would send the response on the ordinary way: 10 µs.
        """
        if self._late_headers is None:
            self._late_headers = {}
        self._late_headers[name] = value

    def _has_no_body(self) -> bool:
        return self._body is None

    async def _start_compression(self, request: BaseRequest) -> None:
        await super()._start_compression(request)
        body = self._body
        if self._encoder is not None and self._encoded_body is None and not isinstance(body, Payload):
            self._encoded_body = await encode_whole(
                self._encoder,
                bytes(body or b""),
                executor_size=self._zlib_executor_size,
                executor=self._zlib_executor,
            )
            self._encoder = None  # it has done its work
            if not self._chunked:
                self._materialize()[hdrs.CONTENT_LENGTH] = str(len(self._encoded_body))

    async def prepare(self, request: BaseRequest) -> ResponseWriter | None:
        """Send the headers; as `StreamResponse.prepare`."""
        try:
            return await super().prepare(request)
        except BaseException:
            # Nobody will send the body any more.
            if isinstance(self._body, Payload):
                await self._body.close()
            raise

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body and end the response; RuntimeError for ``data`` beside it."""
        if data:
            raise RuntimeError("A Response has its body already: use web.StreamResponse to write more")
        body = self._body if self._encoded_body is None else self._encoded_body
        if self._eof_sent or body is None or self._request is None:
            await super().write_eof()
        elif not isinstance(body, Payload):
            await super().write_eof(bytes(body))
        else:
            try:
                if not self._must_be_empty(self._request):
                    async for chunk in body:
                        await self.write(chunk)
            finally:
                await body.close()
            await super().write_eof()


def one_shot(response: Response) -> tuple[Message, Message] | None:
    """The two messages of a response with nothing but a content type and a body in memory, else None.

    PERF: the way around `prepare` and `write_eof` that nearly every answer takes; they cost 4.1 µs, this 0.5.
    """
    if response._headers is not None or response._status != 200:  # noqa: SLF001 - the module's own class
        return None
    body: Any = response._body  # noqa: SLF001
    if body.__class__ is not bytes or response._writer is not None:  # noqa: SLF001
        return None
    size = len(body)
    length = _LENGTHS[size] if size < 1024 else (b"content-length", b"%d" % size)
    content = response._content  # noqa: SLF001
    # As in aiohttp, an empty body has no content type but the one that it was given.
    headers = [length] if content is None and not size else [(content or BINARY).raw, length]
    if response._late_headers is not None:  # noqa: SLF001
        headers.extend(response._late_headers.items())  # noqa: SLF001
    return (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def as_sent(response: Response, size: int) -> Response:
    """A copy of what `one_shot` has sent, with what the ordinary way leaves: its headers, and ``size`` bytes of body.

    The response itself stays as it was: whoever returns one object for many requests need not know.
    """
    sent = object.__new__(type(response))
    vars(sent).update(vars(response), _body_length=size, _eof_sent=True)
    headers = sent._materialize()
    headers[hdrs.CONTENT_LENGTH] = str(size)
    if size:
        headers.setdefault(hdrs.CONTENT_TYPE, "application/octet-stream")
    headers.update(decode_headers((sent._late_headers or {}).items()))
    return sent


def json_response(
    data: Any = _MISSING,
    *,
    text: str | None = None,
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    content_type: str = "application/json",
    dumps: JSONEncoder = json.dumps,
) -> Response:
    """A response with ``data`` as JSON; ``text`` or ``body`` instead of it are taken for JSON already.

    The standard encoder is replaced by a faster one that gives the same values; a ``dumps`` of your own is used as it
    is. Raises ValueError when more than one of the three is given, TypeError for what JSON cannot say.
    """
    if data is not _MISSING:
        if text is not None or body is not None:
            raise ValueError("only one of data, text, or body should be specified")
        if dumps is json.dumps:
            encoded = sansio_json.dumps_bytes(data)
            if headers is None:
                response = Response(body=encoded, status=status, reason=reason)
                response.set_content_line(JSON if content_type == "application/json" else text_line(content_type, None))
                return response
            text = encoded.decode()
        else:
            text = dumps(data)
    return Response(text=text, body=body, status=status, reason=reason, headers=headers, content_type=content_type)


def json_bytes_response(
    data: Any = _MISSING,
    *,
    dumps: JSONBytesEncoder,
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    content_type: str = "application/json",
) -> Response:
    """As `json_response`, with an encoder that gives bytes, such as ``orjson.dumps`` or ``msgspec.json.encode``."""
    if data is not _MISSING:
        if body is not None:
            raise ValueError("only one of data or body should be specified")
        body = dumps(cast(Any, data))
    return Response(body=body, status=status, reason=reason, headers=headers, content_type=content_type)
