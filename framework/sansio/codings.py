"""Content codings of request bodies (RFC 9110, section 8.4.1), undone in pieces of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ("ContentDecoder", "DecodingError")

#: The most bytes that one step of decoding gives, whatever it was fed: 1 KiB of gzip can stand for 1 MiB.
PIECE_SIZE: Final = 2**16

# zlib copies what follows a member: of a large body with very many members that would take quadratic time.
_BLOCK_SIZE: Final = 2**12

_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS


#: The most bytes that may be decoded to nothing: empty members of a gzip file cost time and reach no other limit.
MAX_FRUITLESS: Final = 2**20


class DecodingError(ValueError):
    """The body is not what its Content-Encoding says."""


class ContentDecoder:
    """Undoes ``gzip`` or ``deflate``.

    ``deflate`` is zlib's format (RFC 1950); the bare format (RFC 1951), which some clients send, is recognised by its
    first octet. A gzip body may have several members.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._decompressor: zlib._Decompress | None = None
        self._fruitless = 0

    @staticmethod
    def supports(coding: str) -> bool:
        """Whether ``coding``, in lower case, can be undone."""
        return coding in {"gzip", "deflate"}

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` stands for, in pieces of at most 64 KiB. Raises `DecodingError`."""
        for start in range(0, len(data), _BLOCK_SIZE):
            yield from self._decode_block(data[start : start + _BLOCK_SIZE])

    def _decode_block(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._decompressor is None or (self._decompressor.eof and self._coding == "gzip"):
                self._decompressor = zlib.decompressobj(self._wbits(data))
            if self._decompressor.eof:
                raise DecodingError(f"Can not decode content-encoding: {self._coding} (data after its end)")
            try:
                piece = self._decompressor.decompress(data, PIECE_SIZE)
            except zlib.error as exc:
                raise DecodingError(f"Can not decode content-encoding: {self._coding}") from exc
            rest = self._decompressor.unconsumed_tail or self._decompressor.unused_data
            self._fruitless += len(data) - len(rest)
            data = rest
            if piece:
                self._fruitless = 0
                yield piece
            elif self._fruitless > MAX_FRUITLESS:
                raise DecodingError(f"Can not decode content-encoding: {self._coding} (nothing in it)")

    def finish(self) -> None:
        """Check that nothing is missing. Raises `DecodingError`."""
        if self._decompressor is not None and not self._decompressor.eof:
            raise DecodingError(f"Can not decode content-encoding: {self._coding} (truncated)")

    def _wbits(self, data: bytes) -> int:
        if self._coding == "gzip":
            return _GZIP_WBITS
        # RFC 1950, section 2.2: the method in the low bits of the first octet is 8.
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS
