"""Multipart bodies as streams: `MultipartReader` gives the parts one by one, `BodyPartReader` the content of one.

No more than a piece of the body, as the server hands it over, is in memory at a time. `framework.uploads` collects a
whole form instead.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Protocol, Self
from urllib.parse import parse_qsl

from multidict import CIMultiDictProxy

from framework import hdrs
from framework.reify import reify
from framework.sansio.codings import ContentDecoder
from framework.sansio.disposition import disposition_parameter, parse_disposition, parse_form_names, safe_filename
from framework.sansio.headers import parse_content_type
from framework.sansio.multipart import (
    MAX_FIELD_SIZE,
    MAX_HEADERS,
    MultipartError,
    MultipartParser,
    PartHead,
    TransferDecoder,
    align_base64,
    check_boundary,
)
from framework.sansio.text import decode_text, escape_controls
from framework.streams import RequestPayloadError

__all__ = (
    "BadContentDispositionHeader",
    "BadContentDispositionParam",
    "BodyPartReader",
    "MultipartPayloadError",
    "MultipartReader",
    "boundary_of",
    "content_disposition_filename",
    "parse_content_disposition",
)

#: How many multipart bodies may be nested in each other.
MAX_DEPTH: Final = 8
#: The longest line that `BodyPartReader.readline` gives, in bytes.
MAX_LINE_LENGTH: Final = 2**16
#: How much may come before the first part, in bytes, where ``client_max_size`` is less: its head counts too.
MAX_PREAMBLE: Final = 2**21
#: The most bytes that are asked of a stream at once.
_PIECE_SIZE: Final = 2**18
#: RFC 7578, section 4.6; no charset has a longer name.
_LONGEST_CHARSET: Final = 40


class BadContentDispositionHeader(RuntimeWarning):
    """A Content-Disposition cannot be read."""


class BadContentDispositionParam(RuntimeWarning):
    """A parameter of a Content-Disposition cannot be read."""


class MultipartPayloadError(RequestPayloadError, ValueError):
    """The body is no multipart body, is truncated, or is beyond a limit; uncaught, it is answered with a 400."""


def parse_content_disposition(header: str | None) -> tuple[str | None, dict[str, str]]:
    """The type and the parameters of a Content-Disposition, ``(None, {})`` for one that cannot be read.

    Warns of what cannot be read with `BadContentDispositionHeader` and `BadContentDispositionParam`.
    """
    if not header:
        return None, {}
    disposition = parse_disposition(header)
    if disposition.is_malformed:
        warnings.warn(BadContentDispositionHeader(header), stacklevel=2)
    for parameter in disposition.dropped:
        warnings.warn(BadContentDispositionParam(parameter), stacklevel=2)
    return disposition.type, disposition.parameters


def content_disposition_filename(params: Mapping[str, str], name: str = "filename") -> str | None:
    """The file name among the parameters of a Content-Disposition, or another parameter; the extended one first."""
    return disposition_parameter(params, name)


def boundary_of(content_type: str) -> tuple[str, str]:
    """The subtype of a ``multipart`` Content-Type, and its boundary.

    Raises `MultipartPayloadError` where the type is another, and where the boundary is missing or none.
    """
    media_type, parameters = parse_content_type(content_type)
    main, _, subtype = media_type.partition("/")
    if main != "multipart":
        raise MultipartPayloadError("multipart/* content type expected")
    boundary = parameters.get("boundary")
    if boundary is None:
        raise MultipartPayloadError("The Content-Type of the multipart body has no boundary")
    try:
        check_boundary(boundary)
    except MultipartError as exc:
        raise MultipartPayloadError(str(exc)) from None
    return subtype, boundary


class _Readable(Protocol):
    """What a multipart body is read from: a `framework.streams.StreamReader`, for one."""

    def read(self, n: int, /) -> Awaitable[bytes]: ...


class _Parts:
    """The events of one multipart body, pulled from a stream by whichever reader needs the next."""

    def __init__(self, content: _Readable, parser: MultipartParser, *, depth: int, max_size: int) -> None:
        self._content = content
        self._parser = parser
        self._events: Iterator[PartHead | bytes | None] = iter(())
        self._preamble = 0
        self._max_preamble = max(max_size, MAX_PREAMBLE)
        #: How many multipart bodies this one is nested in.
        self.depth = depth
        #: The part that is being read: its number, counted from 1, and whether there is something left of it.
        self.number = 0
        self.in_part = False
        self.at_eof = False

    def open_part(self, boundary: bytes) -> None:
        """Take what follows for the content of a part, whose head was read by somebody else."""
        for _ in self._parser.parse(boundary + b"\r\n\r\n"):
            self.number = 1
            self.in_part = True

    async def next_head(self) -> PartHead | None:
        """The head of the next part, past what is left of the last one; None where there is none."""
        while not self.at_eof:
            event = await self._next_event()
            if isinstance(event, PartHead):
                self.number += 1
                self.in_part = True
                return event
        return None

    async def next_piece(self) -> bytes:
        """The next piece of the part's content, empty at its end."""
        event = await self._next_event() if self.in_part else None
        return event if isinstance(event, bytes) else b""

    def piece_at_hand(self) -> bytes:
        """As `next_piece`, without waiting: empty also where the next piece has not arrived."""
        event = self._event_at_hand() if self.in_part else b""
        return event if isinstance(event, bytes) else b""

    async def _next_event(self) -> PartHead | bytes | None:
        """The next event, None also at the end of the body."""
        while (event := self._event_at_hand()) == b"":
            if not self.in_part and self._parser.is_complete():
                self.at_eof = True
                return None
            data = await self._content.read(_PIECE_SIZE)
            try:
                if not data:
                    self._parser.finish()
                if not self.number:
                    self._count_preamble(len(data))
            except MultipartError as exc:
                raise self._failure(exc) from exc
            self._events = self._parser.parse(data)
        return event

    def _event_at_hand(self) -> PartHead | bytes | None:
        """The next event in what was read, ``b""`` where there is none."""
        try:
            event = next(self._events, b"")
        except MultipartError as exc:
            raise self._failure(exc) from exc
        if event is None:
            self.in_part = False
        return event

    def _failure(self, exc: MultipartError) -> MultipartPayloadError:
        self.at_eof = True
        self.in_part = False
        return MultipartPayloadError(str(exc))

    def _count_preamble(self, size: int) -> None:
        if self._preamble > self._max_preamble:
            raise MultipartError(f"Nothing but a preamble in {self._max_preamble} bytes of multipart body")
        self._preamble += size


class _Nested:
    """The content of a part as the stream of a nested body."""

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts
        self._number = parts.number
        self.depth = parts.depth + 1

    async def read(self, _n: int = -1, /) -> bytes:
        """The next piece; empty at the end, and once the outer body was read on."""
        return await self._parts.next_piece() if self._parts.number == self._number else b""


_NoteError = Callable[[Exception], None]


class BodyPartReader:
    """The content of one part.

    Made by `MultipartReader`. Every reading method raises `MultipartPayloadError` for a body that is malformed or
    truncated, and what the stream raises. Once the next part was asked for there is nothing left to read here.

    Args:
        boundary: what separates the parts, with two dashes in front.
        headers: of the part.
        content: where the body comes from; it stands at the start of the part's content.
        subtype: of the multipart body; in a ``form-data`` the headers Content-Encoding and Content-Length of a part
            mean nothing (RFC 7578, section 4.8).
        default_charset: of texts that name none.
        max_decompress_size: taken for aiohttp's sake; what is decompressed counts towards ``client_max_size``.
        client_max_size: the most bytes that the collecting methods take.
        max_size_error_cls: what they raise past that, called with the limit.
        note_error: told of the exceptions that are the client's fault.
    """

    chunk_size = 8192

    def __init__(
        self,
        boundary: bytes,
        headers: CIMultiDictProxy[str],
        content: Any,
        *,
        subtype: str = "mixed",
        default_charset: str | None = None,
        max_decompress_size: int = _PIECE_SIZE,
        client_max_size: int = sys.maxsize,
        max_size_error_cls: type[Exception] = ValueError,
        note_error: _NoteError | None = None,
    ) -> None:
        self.headers = headers
        if not isinstance(content, _Parts):
            parser = MultipartParser(boundary.removeprefix(b"--").decode("utf-8", "surrogateescape"))
            content = _Parts(content, parser, depth=0, max_size=client_max_size)
            content.open_part(boundary)
        self._parts: _Parts = content
        self._number = self._parts.number
        self._is_form_data = subtype == "form-data"
        self._default_charset = default_charset
        self._client_max_size = client_max_size
        self._max_size_error_cls = max_size_error_cls
        self._note_error = note_error
        self._piece = b""
        self._offset = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self.next()
        if data is None:
            raise StopAsyncIteration
        return data

    # What the headers say

    @reify
    def name(self) -> str | None:
        """The name of the form's field, None where the part has none."""
        return parse_form_names(self.headers.get(hdrs.CONTENT_DISPOSITION, ""))[0]

    @reify
    def filename(self) -> str | None:
        """The file's name as the client calls it, perhaps with directories; None where the part has none."""
        return parse_form_names(self.headers.get(hdrs.CONTENT_DISPOSITION, ""))[1]

    @property
    def safe_filename(self) -> str | None:
        """``filename`` as a name for a file in a folder of yours: without directories, device names and the like."""
        return None if self.filename is None else safe_filename(self.filename)

    def get_charset(self, default: str) -> str:
        """The charset of the content: the part's own, else that of the form, else ``default``."""
        parameters = parse_content_type(self.headers.get(hdrs.CONTENT_TYPE, ""))[1]
        return parameters.get("charset", self._default_charset or default)

    # Reading

    def at_eof(self) -> bool:
        """Whether all of the content was read, or the part left behind."""
        if self._parts.number != self._number:
            return True
        return self._offset >= len(self._piece) and not self._parts.in_part

    async def next(self) -> bytes | None:
        """All of the content, then None."""
        return await self.read() or None

    async def read(self, *, decode: bool = False) -> bytes:
        """What was not read yet of the content; with ``decode`` as `decode` gives it.

        Raises ``max_size_error_cls`` past ``client_max_size``: in a request, `HTTPRequestEntityTooLarge`.
        """
        collected = bytearray()
        while await self._fill():
            collected += self._take(len(self._piece))
            self._check_size(len(collected))
        data = bytes(collected)
        return b"".join([piece async for piece in self.decode_iter(data)]) if decode and data else data

    async def read_chunk(self, size: int = chunk_size) -> bytes:
        """At most ``size`` bytes of the content as soon as there are any, ``b""`` at its end.

        Of base64 only whole groups of four are given, so that each chunk can be decoded by itself. Raises ValueError
        for a ``size`` below 1.
        """
        if size < 1:
            raise ValueError(f"The size of a chunk must be 1 at least, not {size}")
        if not await self._fill():
            return b""
        if self.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").lower() == "base64":
            size = await self._group_base64(size)
        return self._take(self._offset + size)

    async def _group_base64(self, size: int) -> int:
        """How many of the bytes at hand, and of ``size``, make whole groups; where there is none, all of them."""
        while True:
            window = self._piece[self._offset : self._offset + size]
            end = align_base64(window)
            if end or len(window) >= size:
                return end or len(window)
            more = await self._parts.next_piece()
            if not more:
                return len(window)
            self._piece, self._offset = window + more, 0

    async def readline(self) -> bytes:
        r"""A line of the content with its ``\n``, the rest at its end.

        Raises ValueError for a line of more than 64 KiB.
        """
        pieces: list[bytes] = []
        size = 0
        while await self._fill():
            end = self._piece.find(b"\n", self._offset) + 1
            piece = self._take(end or len(self._piece))
            size += len(piece)
            if size > MAX_LINE_LENGTH:
                raise self._noted(ValueError(f"A line of the part is longer than {MAX_LINE_LENGTH} bytes"))
            pieces.append(piece)
            if end:
                break
        return b"".join(pieces)

    async def release(self) -> None:
        """Read what is left of the content and forget it."""
        while await self._fill():
            self._offset = len(self._piece)

    async def _fill(self) -> bool:
        """Wait for something to be at hand; False at the end."""
        if self._parts.number != self._number:
            self._piece = b""
        elif self._offset >= len(self._piece):
            self._piece, self._offset = await self._parts.next_piece(), 0
        return bool(self._piece)

    def _take(self, end: int) -> bytes:
        """What is at hand up to ``end``."""
        piece, start = self._piece, self._offset
        self._offset = end
        if end >= len(piece):
            # So that `at_eof` tells the end as soon as it is known.
            self._piece, self._offset = self._parts.piece_at_hand(), 0
        return piece[start:end] if start or end < len(piece) else piece

    def _check_size(self, size: int) -> None:
        if size > self._client_max_size:
            raise self._noted(self._max_size_error_cls(self._client_max_size))

    # Decoding

    def decode(self, data: bytes) -> bytes:
        """``data`` without its Content-Transfer-Encoding and Content-Encoding.

        Raises RuntimeError for an encoding that does not exist, ValueError for what cannot be decoded, and
        ``max_size_error_cls`` for more than ``client_max_size`` bytes; uncaught, they are answered with a 4xx.
        """
        try:
            if hdrs.CONTENT_TRANSFER_ENCODING in self.headers:
                decoder = TransferDecoder(self.headers[hdrs.CONTENT_TRANSFER_ENCODING])
                data = decoder.decode(data) + decoder.finish()
            coding = "" if self._is_form_data else self.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
            return data if coding in {"", "identity"} else self._decode_content(data, coding)
        except (ValueError, RuntimeError) as exc:
            raise self._noted(exc)  # noqa: B904 - it is the same exception

    def _decode_content(self, data: bytes, coding: str) -> bytes:
        if not ContentDecoder.supports(coding):
            raise RuntimeError(f"unknown content encoding: {escape_controls(coding[:40])}")
        decoder = ContentDecoder(coding)
        decoded = bytearray()
        for piece in decoder.decode(data):
            decoded += piece
            self._check_size(len(decoded))
        decoder.finish()
        return bytes(decoded)

    async def decode_iter(self, data: bytes) -> AsyncIterator[bytes]:
        """As `decode`, in a thread where it may take long."""
        has_coding = not self._is_form_data and hdrs.CONTENT_ENCODING in self.headers
        yield await asyncio.to_thread(self.decode, data) if has_coding else self.decode(data)

    async def text(self, *, encoding: str | None = None) -> str:
        """The content, decoded, as a text in ``encoding``, by default in its charset or UTF-8.

        Raises LookupError for an unknown charset and UnicodeDecodeError for a content that is not in it; uncaught,
        they are answered with a 415 and a 400.
        """
        data = await self.read(decode=True)
        try:
            return data.decode(encoding) if encoding else decode_text(data, self.get_charset("utf-8"))
        except UnicodeDecodeError as exc:
            raise self._noted(exc)  # noqa: B904 - it is the same exception
        except LookupError as exc:
            raise exc if encoding else self._noted(exc)  # noqa: B904 - it is the same exception

    async def json(self, *, encoding: str | None = None) -> Any:
        """The content as JSON, None where it is empty.

        Raises what `text` raises, and `json.JSONDecodeError`; uncaught, it is answered with a 400.
        """
        text = await self.text(encoding=encoding)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError) as exc:
            raise self._noted(exc)  # noqa: B904 - it is the same exception

    async def form(self, *, encoding: str | None = None) -> list[tuple[str, str]]:
        """The content as the fields of an urlencoded form. Raises what `text` raises."""
        text = await self.text(encoding=encoding)
        charset = encoding or self.get_charset("utf-8")
        return parse_qsl(text.rstrip(), keep_blank_values=True, encoding=charset)

    def _noted(self, exc: Exception) -> Exception:
        if self._note_error is not None:
            self._note_error(exc)
        return exc


class MultipartReader:
    """The parts of a multipart body, one after the other: `BodyPartReader`, or `MultipartReader` for a nested body.

    What is left of a part is skipped when the next one is asked for. A field ``_charset_`` of a form gives the charset
    of the texts behind it that name none (RFC 7578, section 4.6), and is no part. There is no limit to the number of
    parts, as nothing is kept of them.

    Args:
        headers: of the body, with a Content-Type.
        content: where the body comes from: anything with the ``read(n)`` of a stream.
        client_max_size: the most bytes of a part that its collecting methods take.
        max_field_size: the longest header field of a part, in bytes.
        max_headers: the most header fields of a part.
        max_size_error_cls: what is raised past ``client_max_size``, called with the limit.
        note_error: told of the exceptions that are the client's fault.

    Raises `MultipartPayloadError` for a body that is no multipart body, also from every reading method, and for one
    that is nested more than eight times.
    """

    #: What nested bodies are read with: None for the class of this reader.
    multipart_reader_cls: type[MultipartReader] | None = None
    #: What other parts are read with.
    part_reader_cls: type[BodyPartReader] = BodyPartReader

    def __init__(
        self,
        headers: Mapping[str, str],
        content: Any,
        *,
        client_max_size: int = sys.maxsize,
        max_field_size: int = MAX_FIELD_SIZE,
        max_headers: int = MAX_HEADERS,
        max_size_error_cls: type[Exception] = ValueError,
        note_error: _NoteError | None = None,
    ) -> None:
        self.headers = headers
        self._subtype, boundary = boundary_of(headers.get(hdrs.CONTENT_TYPE, ""))
        self._boundary = b"--" + boundary.encode("utf-8", "surrogateescape")
        depth = content.depth if isinstance(content, _Nested) else 0
        if depth > MAX_DEPTH:
            raise MultipartPayloadError(f"More than {MAX_DEPTH} multipart bodies are nested in each other")
        parser = MultipartParser(boundary, max_field_size=max_field_size, max_headers=max_headers)
        self._parts = _Parts(content, parser, depth=depth, max_size=client_max_size)
        self._limits: dict[str, Any] = {"client_max_size": client_max_size, "max_size_error_cls": max_size_error_cls}
        if note_error is not None:
            self._limits["note_error"] = note_error
        self._header_limits: dict[str, Any] = {"max_field_size": max_field_size, "max_headers": max_headers}
        self._default_charset: str | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MultipartReader | BodyPartReader:
        part = await self.next()
        if part is None:
            raise StopAsyncIteration
        return part

    def at_eof(self) -> bool:
        """Whether the last boundary was read."""
        return self._parts.at_eof

    async def next(self) -> MultipartReader | BodyPartReader | None:
        """The next part, None behind the last one."""
        part = await self.fetch_next_part()
        while (
            self._subtype == "form-data"
            and isinstance(part, BodyPartReader)
            and part.name == "_charset_"
            and not part.filename
        ):
            self._default_charset = await self._read_charset(part)
            part = await self.fetch_next_part()
        return part

    async def fetch_next_part(self) -> MultipartReader | BodyPartReader | None:
        """As `next`, and fields called ``_charset_`` are parts as any other."""
        head = await self._parts.next_head()
        if head is None:
            return None
        media_type = parse_content_type(head.headers.get(hdrs.CONTENT_TYPE, ""))[0]
        if media_type.startswith("multipart/"):
            reader_cls = self.multipart_reader_cls or type(self)
            return reader_cls(head.headers, _Nested(self._parts), **self._limits, **self._header_limits)
        return self.part_reader_cls(
            self._boundary,
            head.headers,
            self._parts,
            subtype=self._subtype,
            default_charset=self._default_charset,
            **self._limits,
        )

    async def release(self) -> None:
        """Read what is left of the body and forget it."""
        while await self._parts.next_head() is not None:
            pass

    async def _read_charset(self, part: BodyPartReader) -> str:
        name = bytearray()
        while chunk := await part.read_chunk():
            name += chunk
            if len(name) > _LONGEST_CHARSET:
                raise MultipartPayloadError("Invalid default charset")
        return name.strip().decode("ascii", "replace")
