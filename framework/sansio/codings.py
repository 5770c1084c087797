"""Content codings (RFC 9110, section 8.4.1): request bodies undone in pieces of bounded size, response bodies made.

``gzip`` and ``deflate`` are always there, ``br`` and ``zstd`` where their libraries are installed.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

__all__ = ("ContentDecoder", "ContentEncoder", "DecodingError", "available_codings", "check_coding")

#: The most bytes that one step of decoding gives, whatever it was fed: 1 KiB of gzip can stand for 1 MiB.
PIECE_SIZE: Final = 2**16

# zlib copies what follows a member: of a large body with very many members that would take quadratic time.
_BLOCK_SIZE: Final = 2**12

#: The most bytes that may be decoded to nothing: empty members of a gzip file cost time and reach no other limit.
MAX_FRUITLESS: Final = 2**20

_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS

#: What a decoder may keep to look back at, as a power of two: 8 MiB, which RFC 9659 allows for zstd.
_ZSTD_WINDOW_LOG: Final = 23

_BROTLI_QUALITY: Final = 4

_LIBRARIES: Final = {"br": "Brotli", "zstd": "backports.zstd"}


@lru_cache(maxsize=1)
def brotli_module() -> Any:
    """The module for ``br``, None where none is installed."""
    for name in ("brotli", "brotlicffi"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


@lru_cache(maxsize=1)
def zstd_module() -> Any:
    """The module for ``zstd``, None where none is installed."""
    try:
        return importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError:
        return None


def available_codings() -> tuple[str, ...]:
    """The codings that can be made, the one that packs best in its time first."""
    extra = (("zstd", zstd_module), ("br", brotli_module))
    return (*(coding for coding, module in extra if module() is not None), "deflate", "gzip")


def check_coding(coding: str) -> None:
    """Raise ValueError for a coding that cannot be made, naming the library that is missing."""
    available = available_codings()
    if coding in available:
        return
    if coding in _LIBRARIES:
        raise ValueError(f"Content coding {coding!r} needs a library: pip install {_LIBRARIES[coding]}")
    raise ValueError(f"Unknown content coding {coding!r}: there are {', '.join(available)}")


class DecodingError(ValueError):
    """The body is not what its Content-Encoding says."""


class _Member(ABC):
    """One stream of a coding on its way to being undone."""

    @abstractmethod
    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """About `PIECE_SIZE` bytes at most, and what of ``data`` is still to be decoded."""

    @abstractmethod
    def has_more(self) -> bool:
        """Whether decoding nothing gives more."""

    @abstractmethod
    def is_complete(self) -> bool:
        """Whether the stream has ended."""


class _ZlibMember(_Member):
    def __init__(self, wbits: int) -> None:
        self._decompressor = zlib.decompressobj(wbits)
        self._has_more = False

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            piece = self._decompressor.decompress(data, PIECE_SIZE)
        except zlib.error as exc:
            raise DecodingError from exc
        # A full piece may leave something behind though all input was taken.
        self._has_more = len(piece) == PIECE_SIZE
        return piece, self._decompressor.unconsumed_tail or self._decompressor.unused_data

    def has_more(self) -> bool:
        return self._has_more and not self._decompressor.eof

    def is_complete(self) -> bool:
        return self._decompressor.eof


class _BrotliMember(_Member):
    def __init__(self, brotli: Any) -> None:
        self._decompressor = brotli.Decompressor()
        self._error = brotli.error
        self._has_more = False

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            # The limit is exceeded by what the library decodes in one go, half as much again at most.
            piece = self._decompressor.process(data, output_buffer_limit=PIECE_SIZE)
        except self._error as exc:
            raise DecodingError from exc
        # `can_accept_more_data` is true already where all was read and not all was given (1.2.1).
        self._has_more = bool(piece) and not self.is_complete()
        return piece, b""

    def has_more(self) -> bool:
        return self._has_more

    def is_complete(self) -> bool:
        return bool(self._decompressor.is_finished())


class _ZstdMember(_Member):
    def __init__(self, zstd: Any) -> None:
        options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._decompressor = zstd.ZstdDecompressor(options=options)
        self._error = zstd.ZstdError

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            piece = self._decompressor.decompress(data, PIECE_SIZE)
        except self._error as exc:
            raise DecodingError from exc
        return piece, self._decompressor.unused_data

    def has_more(self) -> bool:
        return not self._decompressor.eof and not self._decompressor.needs_input

    def is_complete(self) -> bool:
        return bool(self._decompressor.eof)


class ContentDecoder:
    """Undoes ``gzip``, ``deflate``, ``br`` or ``zstd``.

    ``deflate`` is zlib's format (RFC 1950); the bare format (RFC 1951), which some clients send, is recognised by its
    first octet. A gzip body may have several members, and a zstd body several frames.

    Raises `DecodingError` from `decode` and `finish`: for a body that is malformed or truncated, has something behind
    its end, or has a coding whose library is not installed.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._member: _Member | None = None
        self._fruitless = 0

    @staticmethod
    def supports(coding: str) -> bool:
        """Whether ``coding``, in lower case, is one of those that are undone."""
        return coding in {"gzip", "deflate", "br", "zstd"}

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` stands for, in pieces of about 64 KiB at most."""
        for start in range(0, len(data), _BLOCK_SIZE):
            yield from self._decode_block(data[start : start + _BLOCK_SIZE])

    def _decode_block(self, data: bytes) -> Iterator[bytes]:
        while data or (self._member is not None and self._member.has_more()):
            member = self._member
            if member is None or (member.is_complete() and self._coding in {"gzip", "zstd"}):
                member = self._member = self._new_member(data)
            if member.is_complete():
                raise self._error("data after its end")
            try:
                piece, rest = member.decode(data)
            except DecodingError as exc:
                raise self._error() from exc.__cause__
            self._fruitless += len(data) - len(rest)
            data = rest
            if piece:
                self._fruitless = 0
                yield piece
            elif self._fruitless > MAX_FRUITLESS:
                raise self._error("nothing in it")

    def finish(self) -> None:
        """Check that nothing is missing."""
        if self._member is not None and not self._member.is_complete():
            raise self._error("truncated")

    def _new_member(self, data: bytes) -> _Member:
        if self._coding in _LIBRARIES:
            module = brotli_module() if self._coding == "br" else zstd_module()
            if module is None:
                raise self._error(f"the server lacks {_LIBRARIES[self._coding]}")
            return _BrotliMember(module) if self._coding == "br" else _ZstdMember(module)
        if self._coding == "gzip":
            return _ZlibMember(_GZIP_WBITS)
        # RFC 1950, section 2.2: the method in the low bits of the first octet is 8.
        return _ZlibMember(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)

    def _error(self, reason: str = "") -> DecodingError:
        return DecodingError(f"Can not decode content-encoding: {self._coding}" + (f" ({reason})" if reason else ""))


class ContentEncoder:
    """Makes ``gzip``, ``deflate`` (zlib's format), ``br`` or ``zstd``.

    Args:
        coding: one of `available_codings`.
        strategy: zlib's, for gzip and deflate.

    Raises ValueError for a coding that cannot be made.
    """

    def __init__(self, coding: str, *, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> None:
        check_coding(coding)
        if coding == "br":
            # Quality 11, the default, is for what is packed once and sent often.
            compressor = brotli_module().Compressor(quality=_BROTLI_QUALITY)
            self._compress, self._flush = compressor.process, compressor.finish
            return
        if coding == "zstd":
            compressor = zstd_module().ZstdCompressor()
        else:
            wbits = _GZIP_WBITS if coding == "gzip" else zlib.MAX_WBITS
            compressor = zlib.compressobj(wbits=wbits, strategy=strategy)
        self._compress, self._flush = compressor.compress, compressor.flush

    def encode(self, data: bytes) -> bytes:
        """What can be sent of ``data`` already; the rest is kept for the next call."""
        return bytes(self._compress(data))

    def finish(self) -> bytes:
        """The end of the body."""
        return bytes(self._flush())
