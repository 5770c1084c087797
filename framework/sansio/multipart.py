"""Multipart bodies (RFC 2046, section 5.1; RFC 7578), from octets to parts, in time proportional to the octets.

The parsing is done by the `multipart` package's push parser. Its limits are set here, its errors become ours, and the
header fields of a part are decoded here, as those of a request are: UTF-8, octets that are not kept as surrogates.
"""

from __future__ import annotations

import binascii
import copy
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from multidict import CIMultiDict, CIMultiDictProxy

from framework.sansio.disposition import parse_form_names
from framework.sansio.text import escape_controls

__all__ = (
    "MAX_BOUNDARY_LENGTH",
    "MAX_FIELD_SIZE",
    "MAX_HEADERS",
    "MultipartError",
    "MultipartLimitError",
    "MultipartParser",
    "PartHead",
    "TransferDecoder",
    "align_base64",
    "check_boundary",
)

#: RFC 2046, section 5.1.1.
MAX_BOUNDARY_LENGTH: Final = 70
#: The longest header field of a part, name and value, in bytes (aiohttp's).
MAX_FIELD_SIZE: Final = 8190
#: The most header fields of a part (aiohttp's).
MAX_HEADERS: Final = 128

# RFC 9110, section 5.5: what no field value has. A lone CR or LF may stand in what the parser takes for a line.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


class MultipartError(ValueError):
    """The body is no multipart body, or ends before its last boundary."""


class MultipartLimitError(MultipartError):
    """A part of the body has more or longer header fields than are taken."""


class _Ignored:
    """The Content-Length of a part, where the parser counts what it has received."""

    def __get__(self, head: PartHead, owner: object = None) -> int:
        return head.declared_length

    def __set__(self, head: PartHead, value: int) -> None:
        pass


class PartHead:
    """What stands before the content of a part.

    An event of `MultipartParser.parse`.
    """

    __slots__ = (
        "_headers",
        "complete",
        "content_type",
        "declared_length",
        "disposition",
        "fields",
        "transfer_encoding",
    )

    #: What the parser compares with a Content-Length of the part, which is to be ignored (RFC 7578, section 4.8).
    bytes_received = _Ignored()

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields
        self.complete = False
        self.declared_length = 0
        self.disposition: str | None = None
        self.content_type: str | None = None
        self.transfer_encoding: str | None = None
        self._headers: CIMultiDictProxy[str] | None = None
        # PERF: one walk over the fields for everybody who asks: 0.4 µs of the 5.7 that a part takes.
        for index, (name, value) in enumerate(fields):
            if not (value.isascii() and value.isprintable() and value[-1:] != " "):
                value = _decode_value(value)
                fields[index] = (name, value)
            if name == "Content-Disposition":
                if self.disposition is None:
                    self.disposition = value
            elif name == "Content-Type":
                if self.content_type is not None:
                    # Of two, one program would take the first and another the last.
                    raise MultipartError("Malformed multipart body: a part has more than one Content-Type")
                self.content_type = value
            elif name == "Content-Transfer-Encoding":
                if self.transfer_encoding is None:
                    self.transfer_encoding = value
            elif name == "Content-Length":
                # The parser has refused what is no number, and a second one.
                self.declared_length = int(value)

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields."""
        if self._headers is None:
            self._headers = CIMultiDictProxy(CIMultiDict(self.fields))
        return self._headers

    def names(self) -> tuple[str | None, str | None]:
        """The name and the file name of the part, None where it has none."""
        return (None, None) if self.disposition is None else parse_form_names(self.disposition)


def _decode_value(value: str) -> str:
    if _FORBIDDEN.search(value):
        raise MultipartError("Malformed multipart body: control character in a header field of a part")
    return value.encode("latin-1").decode("utf-8", "surrogateescape").strip(" \t")


class MultipartParser:
    """From the octets of a body to the parts in it.

    Args:
        boundary: what separates the parts, without dashes.
        max_field_size: the longest header field of a part, in bytes.
        max_headers: the most header fields of a part.

    Raises `MultipartError` for a boundary that is empty, too long or has a line end.
    """

    def __init__(self, boundary: str, *, max_field_size: int = MAX_FIELD_SIZE, max_headers: int = MAX_HEADERS) -> None:
        check_boundary(boundary)
        self._limits = f"{max_field_size} bytes a field, {max_headers} fields"
        self._parser: Any
        octets = boundary.encode("utf-8", "surrogateescape")
        self._parser, self._error, self._limit_error = _push_parser(octets, max_field_size, max_headers)
        self._delimiter = b"\r\n--" + octets
        # What could begin the first boundary, None behind it: it begins a line, as the body does.
        self._preamble: bytes | None = b"\r\n"

    def parse(self, data: bytes) -> Iterator[PartHead | bytes | None]:
        """What ``data`` completes: for each part its head, its content in pieces, and None at its end.

        What it gives is to be taken completely before the next call. What stands before the first and behind the last
        boundary is skipped. Raises `MultipartError`.
        """
        if self._preamble is not None:
            data = self._skip_preamble(self._preamble, data)
        if not data:
            return
        try:
            yield from self._parser.parse(data)
        except self._limit_error as exc:
            raise MultipartLimitError(f"{exc.args[0]} ({self._limits})") from None
        except self._error as exc:
            raise MultipartError(f"Malformed multipart body: {exc.args[0]}") from None

    def _skip_preamble(self, before: bytes, data: bytes) -> bytes:
        """What there is of ``data`` from the first boundary on.

        The parser would skip it too, and take a boundary in the middle of a line for one or not, depending on where
        the pieces end.
        """
        if before == b"\r\n" and data.startswith(self._delimiter[2:]):
            self._preamble = None
            return data
        data = before + data
        start = data.find(self._delimiter)
        if start >= 0:
            self._preamble = None
            return data[start + 2 :]
        end = data.rfind(b"\r", max(0, len(data) - len(self._delimiter)))
        self._preamble = data[end:] if end >= 0 else b""
        return b""

    def is_complete(self) -> bool:
        """Whether the last boundary has been seen, so that no part can follow."""
        # The parser tells when it is closed, and cannot be used any more then.
        probe = copy.copy(self._parser)
        try:
            probe.close()
        except self._error:
            return False
        return True

    def finish(self) -> None:
        """Raise `MultipartError` where the last boundary is missing."""
        if not self.is_complete():
            raise MultipartError("Malformed multipart body: it ends before its last boundary")


def check_boundary(boundary: str) -> None:
    """Raise `MultipartError` for a boundary that is none."""
    if not boundary:
        raise MultipartError("The boundary of the multipart body is empty")
    if len(boundary) > MAX_BOUNDARY_LENGTH:
        raise MultipartError(
            f"The boundary of the multipart body is longer than {MAX_BOUNDARY_LENGTH} characters (RFC 2046)"
        )
    if not boundary.isprintable() and _FORBIDDEN.search(boundary):
        raise MultipartError("The boundary of the multipart body has control characters")


def _push_parser(boundary: bytes, max_field_size: int, max_headers: int) -> tuple[Any, Any, Any]:
    """A parser, the class of its errors, and that of those which tell of a limit."""
    parser_class, error, limit_error = _parser_classes()
    parser = parser_class(
        boundary,
        max_header_size=max_field_size,
        max_header_count=max_headers,
        # Every octet is a character: what they mean is decided in `PartHead`.
        header_charset="latin-1",
        strict=False,
    )
    return parser, error, limit_error


@lru_cache(maxsize=1)
def _parser_classes() -> tuple[Any, Any, Any]:
    # Imported when the first multipart body comes.
    import multipart  # type: ignore[import-untyped]

    class Parser(multipart.PushMultipartParser):  # type: ignore[misc]
        # The hook that the package has for bodies other than multipart/form-data.
        def _create_segment(self, headerlist: list[tuple[str, str]]) -> PartHead:
            return PartHead(headerlist)

    return Parser, multipart.MultipartError, multipart.ParserLimitReached


# The alphabet of base64 and the padding (RFC 4648, section 4); anything else is skipped (RFC 2045, section 6.8).
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64))


def align_base64(data: bytes) -> int:
    """How much of the beginning of ``data`` can be decoded by itself: the length of its whole groups of four."""
    surplus = len(data.translate(None, _NOT_BASE64)) % 4
    end = len(data)
    while surplus:
        end -= 1
        if data[end] not in _NOT_BASE64:
            surplus -= 1
    return end


class TransferDecoder:
    """Undoes a Content-Transfer-Encoding (RFC 2045, section 6), which RFC 7578 deprecates, piece by piece.

    Raises RuntimeError for an encoding that does not exist (as aiohttp), and ValueError from `decode` and `finish` for
    what cannot be decoded.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in {"base64", "quoted-printable", "binary", "8bit", "7bit"}:
            raise RuntimeError(f"unknown content transfer encoding: {escape_controls(self._encoding[:40])}")
        self._rest = b""
        self._is_padded = False

    def decode(self, data: bytes) -> bytes:
        """What ``data`` stands for, as far as that can be told yet."""
        if self._encoding == "base64":
            return self._decode_base64(data)
        if self._encoding == "quoted-printable":
            data = self._rest + data
            end = data.find(b"=", max(len(data) - 2, 0))
            self._rest = data[end:] if end >= 0 else b""
            return binascii.a2b_qp(data[:end] if end >= 0 else data)
        return data

    def _decode_base64(self, data: bytes) -> bytes:
        data = self._rest + data.translate(None, _NOT_BASE64)
        end = len(data) & ~3
        groups, self._rest = data[:end], data[end:]
        # What follows the padding would count or not, depending on where the pieces end.
        padding = 0 if self._is_padded else data.find(b"=")
        if padding >= 0 and data[padding:].strip(b"="):
            raise ValueError("base64 goes on behind its padding")
        self._is_padded = self._is_padded or b"=" in groups
        return binascii.a2b_base64(groups)

    def finish(self) -> bytes:
        """What is left at the end."""
        rest, self._rest = self._rest, b""
        return binascii.a2b_base64(rest) if self._encoding == "base64" else binascii.a2b_qp(rest)
