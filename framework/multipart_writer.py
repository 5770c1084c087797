"""`MultipartWriter`: multipart bodies that are sent (RFC 2046, section 5.1), part by part.

What names, file names, content types and other headers of a part are made of is checked when it is set, so that none
can end its line and begin another header or another part.
"""

from __future__ import annotations

import asyncio
import binascii
import io
import os
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import quote, urlencode

from framework import hdrs
from framework.payloads import Payload, as_payload
from framework.sansio import json as sansio_json
from framework.sansio.headers import HeaderMap, parse_content_type
from framework.typedefs import LooseHeaders

__all__ = ("BodyPartWriter", "MultipartWriter")

_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# RFC 2046, section 5.1.1: at most 70 characters of these, no space at the end.
_is_boundary: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]").fullmatch
_is_plain: Final = re.compile(r"[\x20-\x7e]*").fullmatch

#: The most bytes that are encoded in the event loop; more go to a thread.
_ENCODED_IN_LOOP: Final = 4096


#: The most bytes of a piece that are sent in one message with what comes before it.
_JOINED: Final = 2**16


class _Writer(Protocol):
    def write(self, data: bytes, /) -> Awaitable[object]: ...


class BodyPartWriter(Payload):
    """A part of a `MultipartWriter`: its headers and what it holds. `MultipartWriter.append` makes them."""

    def __init__(self, body: bytes | Payload, headers: LooseHeaders) -> None:
        # Everything that works on the body of a Payload is replaced here.
        self._content = body
        self._iterator = None
        self._headers = HeaderMap(headers)
        self._is_sent = False

    @property
    def headers(self) -> HeaderMap:
        """The headers of the part, to read and to change. ValueError for what is no header."""
        return self._headers

    @property
    def content_type(self) -> str:
        """The Content-Type header, with its parameters as in aiohttp."""
        return self._headers.get(hdrs.CONTENT_TYPE, "application/octet-stream")

    @property
    def size(self) -> int | None:
        """The length of the content in bytes before it is encoded, None where it is not known."""
        return self._content.size if isinstance(self._content, Payload) else len(self._content)

    @property
    def consumed(self) -> bool:
        """Whether the part was sent and cannot be sent again: that of a file or an asynchronous iterable."""
        return self._is_sent and isinstance(self._content, Payload)

    def set_content_disposition(
        self, disptype: str, quote_fields: bool = True, _charset: str = "utf-8", **params: str
    ) -> None:
        r"""Set the Content-Disposition header.

        Args:
            disptype: ``form-data``, ``attachment`` and the like.
            quote_fields: percent-encode a ``filename``, and send other parameters that are not printable ASCII as
                extended ones (RFC 8187). Otherwise they are put into quotes as they are, in UTF-8, as browsers do.
            _charset: the charset in which characters are percent-encoded.
            params: the parameters, such as ``name`` and ``filename``.

        Raises ValueError for a type or a parameter's name that is no token (RFC 9110, section 5.6.2), and without
        ``quote_fields`` for control characters.
        """
        if not _is_token(disptype):
            raise ValueError(f"bad content disposition type {disptype!r}: it must be a token such as form-data")
        parts = [disptype]
        for name, value in params.items():
            if not _is_token(name):
                raise ValueError(f"bad content disposition parameter {name!r}: its name must be a token")
            if quote_fields and name.lower() == "filename":
                parts.append(f'{name}="{quote(value, safe="", encoding=_charset)}"')
            elif quote_fields and not _is_plain(value):
                parts.append(f"{name}*={_charset}''{quote(value, safe='', encoding=_charset)}")
            else:
                escaped = value.replace("\\", "\\\\").replace('"', '\\"')
                parts.append(f'{name}="{escaped}"')
        self._headers[hdrs.CONTENT_DISPOSITION] = "; ".join(parts)

    async def close(self) -> None:
        """Close the file or the generator that the part holds."""
        if isinstance(self._content, Payload):
            await self._content.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._iterator = self._pieces()
        return self._iterator

    async def _pieces(self) -> AsyncIterator[bytes]:
        content = self._content
        if not isinstance(content, Payload):
            yield content
            return
        if self.consumed:
            raise RuntimeError(f"{self!r} was sent already: a file or an asynchronous iterable can be sent once")
        self._is_sent = True
        try:
            async for piece in content:
                yield piece
        finally:
            await content.close()

    async def encoded(self) -> AsyncIterator[bytes]:
        """The content as it is sent, in pieces."""
        encodings = _encodings(self)
        if not any(map(_changes, encodings)):
            async for piece in self:
                yield piece
            return
        encoder = _Encoder(*encodings)
        async for piece in self:
            if len(piece) > _ENCODED_IN_LOOP:
                piece = await asyncio.to_thread(encoder.encode, piece)
            else:
                piece = encoder.encode(piece)
            if piece:
                yield piece
        yield encoder.finish()


class MultipartWriter(BodyPartWriter):
    """A multipart body: a ``body=`` of a response, a part of another one, or written piece by piece to a response.

    Args:
        subtype: ``mixed``, ``form-data``, ``x-mixed-replace`` and the like. The parts of ``form-data`` have no headers
            that tell of an encoding or a length (RFC 7578, section 4.8).
        boundary: what separates the parts, 1 to 70 ASCII characters. A random one by default; with one of your own,
            make sure that it is in no part.

    Raises ValueError for a subtype that is no token and a boundary that RFC 2046, section 5.1.1, does not allow.
    """

    def __init__(self, subtype: str = "mixed", boundary: str | None = None) -> None:
        if not _is_token(subtype):
            raise ValueError(f"bad multipart subtype {subtype!r}: it must be a token such as mixed")
        if boundary is None:
            boundary = os.urandom(16).hex()
        if not _is_boundary(boundary):
            raise ValueError(
                f"bad boundary {boundary!r}: 1 to 70 ASCII letters, digits and '()+_,-./:=? are allowed, and spaces "
                "except at the end"
            )
        self._boundary = boundary
        self._is_form = subtype.lower() == "form-data"
        self._parts: list[BodyPartWriter] = []
        value = boundary if _is_token(boundary) else f'"{boundary}"'
        super().__init__(b"", {hdrs.CONTENT_TYPE: f"multipart/{subtype}; boundary={value}"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def __iter__(self) -> Iterator[tuple[BodyPartWriter, str, str]]:
        """The parts, each with its Content-Encoding and its Content-Transfer-Encoding, empty where there is none."""
        return iter([(part, *_encodings(part)) for part in self._parts])

    def __len__(self) -> int:
        return len(self._parts)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.content_type} of {len(self)} parts>"

    @property
    def boundary(self) -> str:
        """What separates the parts."""
        return self._boundary

    @property
    def size(self) -> int | None:
        """The length of the whole in bytes, None where a part's is not known before it was sent."""
        total = len(self._boundary) + 6
        for part in self._parts:
            size = part.size
            if size is None or any(map(_changes, _encodings(part))):
                return None
            total += len(self._opening(part)) + size + 2
        return total

    @property
    def consumed(self) -> bool:
        """Whether a part cannot be sent again: that of a file or an asynchronous iterable that was sent."""
        return any(part.consumed for part in self._parts)

    def append(self, obj: Any, headers: LooseHeaders | None = None) -> BodyPartWriter:
        """Add a part, and return it.

        Args:
            obj: text, bytes, a file, an asynchronous iterable of bytes, or another `MultipartWriter`.
            headers: the part's headers. ``Content-Encoding: gzip`` or ``deflate`` and
                ``Content-Transfer-Encoding: base64`` or ``quoted-printable`` have the content encoded.

        Raises TypeError for an object of another type, ValueError for what is no header, for an unknown encoding, and
        in a form for a header that forms do not have.
        """
        return self._append(obj, HeaderMap(() if headers is None else headers))

    def append_payload(self, payload: BodyPartWriter) -> BodyPartWriter:
        """Add a part that was made before, and return it; as `append`."""
        return self._append(payload, HeaderMap())

    def append_json(self, obj: Any, headers: LooseHeaders | None = None) -> BodyPartWriter:
        """Add a part with ``obj`` as JSON; as `append`. TypeError for what JSON cannot say."""
        given = HeaderMap(() if headers is None else headers)
        given.setdefault(hdrs.CONTENT_TYPE, "application/json")
        return self._append(sansio_json.dumps_bytes(obj), given)

    def append_form(
        self, obj: Sequence[tuple[str, str]] | Mapping[str, str], headers: LooseHeaders | None = None
    ) -> BodyPartWriter:
        """Add a part with ``obj`` as an urlencoded form; as `append`. TypeError for what is no list and no mapping."""
        given = HeaderMap(() if headers is None else headers)
        given.setdefault(hdrs.CONTENT_TYPE, "application/x-www-form-urlencoded")
        return self._append(urlencode(obj, doseq=True).encode(), given)

    def _append(self, obj: Any, headers: HeaderMap) -> BodyPartWriter:
        part = _part(obj, headers)
        if part is self:
            raise ValueError("a multipart body cannot be a part of itself")
        if self._is_form:
            _check_form_headers(part.headers)
            if hdrs.CONTENT_DISPOSITION not in part.headers:
                part.set_content_disposition("form-data", name=f"section-{len(self._parts)}")
        else:
            encoding, transfer_encoding = _encodings(part)
            if encoding not in {"", "identity", "gzip", "deflate"}:
                raise ValueError(f"unknown content encoding: {encoding}; use gzip or deflate")
            if transfer_encoding not in {"", "binary", "8bit", "7bit", "base64", "quoted-printable"}:
                raise ValueError(
                    f"unknown content transfer encoding: {transfer_encoding}; use base64 or quoted-printable"
                )
            if part.size is not None and not any(map(_changes, (encoding, transfer_encoding))):
                part.headers[hdrs.CONTENT_LENGTH] = str(part.size)
        self._parts.append(part)
        return part

    async def write(self, writer: _Writer, close_boundary: bool = True) -> None:
        """Write all parts to ``writer``: a prepared `StreamResponse`, or anything else with ``await write(data)``.

        Without ``close_boundary`` more parts can follow, those of another writer with the same boundary.
        """
        pieces = self._encoded(close_boundary)
        try:
            async for piece in pieces:
                await writer.write(piece)
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]

    async def as_bytes(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self._encoded(close_boundary=True)])

    async def close(self) -> None:
        """Close what the parts hold."""
        if self._iterator is not None:
            await self._iterator.aclose()  # type: ignore[attr-defined]
        for part in self._parts:
            await part.close()

    def _pieces(self) -> AsyncIterator[bytes]:
        return self._encoded(close_boundary=True)

    async def _encoded(self, close_boundary: bool) -> AsyncIterator[bytes]:
        lead = b""
        for part in self._parts:
            lead += self._opening(part)
            async for piece in part.encoded():
                # One write for a small part, and no copy of a large one.
                if len(piece) <= _JOINED:
                    yield lead + piece
                else:
                    yield lead
                    yield piece
                lead = b""
            lead += b"\r\n"
        if close_boundary:
            lead += b"--%s--\r\n" % self._boundary.encode("ascii")
        if lead:
            yield lead

    def _opening(self, part: BodyPartWriter) -> bytes:
        """The boundary before a part and the part's headers."""
        lines = [f"--{self._boundary}", *(f"{name}: {value}" for name, value in part.headers.items()), "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape")


class _Encoder:
    """Makes the Content-Encoding and the Content-Transfer-Encoding of a part."""

    def __init__(self, encoding: str, transfer_encoding: str) -> None:
        self._compressor = _compressor(encoding)
        self._transfer_encoding = transfer_encoding
        self._rest = b""
        self._begun = False

    def encode(self, data: bytes) -> bytes:
        """What can be sent of ``data`` already; the rest is kept for the next call."""
        if self._compressor is not None:
            data = self._compressor.compress(data)
        return self._encode_transfer(data)

    def finish(self) -> bytes:
        """The end of the part."""
        data = b"" if self._compressor is None else self._compressor.flush()
        return self._encode_transfer(data, last=True)

    def _encode_transfer(self, data: bytes, *, last: bool = False) -> bytes:
        if self._transfer_encoding == "base64":
            data = self._rest + data
            # Three bytes are four letters; padding ends the text.
            size = len(data) if last else len(data) - len(data) % 3
            data, self._rest = data[:size], data[size:]
            return binascii.b2a_base64(data, newline=False)
        if self._transfer_encoding == "quoted-printable" and data:
            # RFC 2045, section 6.7: a line has at most 76 characters, and a soft break may end any.
            lines = binascii.b2a_qp(data, istext=False).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            if self._begun:
                return b"=\r\n" + lines
            self._begun = True
            return lines
        return data


def _compressor(encoding: str) -> Any:
    if encoding == "gzip":
        return zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    if encoding == "deflate":
        # The bare format (RFC 1951), as in aiohttp, whose reader knows no other in a part.
        return zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return None


def _encodings(part: BodyPartWriter) -> tuple[str, str]:
    headers = part.headers
    return headers.get(hdrs.CONTENT_ENCODING, "").lower(), headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").lower()


def _changes(*encodings: str) -> bool:
    return not {"gzip", "deflate", "base64", "quoted-printable"}.isdisjoint(encodings)


def _part(obj: Any, headers: HeaderMap) -> BodyPartWriter:
    if isinstance(obj, BodyPartWriter):
        obj.headers.update(headers)
        return obj
    if isinstance(obj, (bytes, bytearray)):
        content: bytes | Payload = bytes(obj)
        brought: dict[str, str] = {hdrs.CONTENT_TYPE: "application/octet-stream"}
    elif isinstance(obj, (str, io.StringIO)):
        text = obj if isinstance(obj, str) else obj.read()
        charset = parse_content_type(headers.get(hdrs.CONTENT_TYPE, ""))[1].get("charset", "utf-8")
        content = text.encode(charset)
        brought = {hdrs.CONTENT_TYPE: "text/plain; charset=utf-8"}
    else:
        try:
            content, brought = as_payload(obj)
        except ValueError as exc:
            raise TypeError(f"Cannot make a part of a {type(obj).__name__}: {exc}") from None
    all_headers = HeaderMap(brought)
    all_headers.update(headers)
    return BodyPartWriter(content, all_headers)


def _check_form_headers(headers: HeaderMap) -> None:
    for name in (hdrs.CONTENT_ENCODING, hdrs.CONTENT_LENGTH, hdrs.CONTENT_TRANSFER_ENCODING):
        if name in headers:
            raise ValueError(f"a part of multipart/form-data has no {name} (RFC 7578, section 4.8): leave it out")
