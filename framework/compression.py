"""Compression of responses: which coding, and the work of it out of the event loop's way."""

from __future__ import annotations

import asyncio
import enum
import zlib
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

from framework import hdrs
from framework.sansio.codings import ContentEncoder, available_codings, check_coding
from framework.sansio.negotiation import choose_coding, vary_by_accept_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

    from framework.sansio.headers import HeaderMap

__all__ = ("Compression", "ContentCoding", "encode_whole")


_STRATEGIES: Final = {
    getattr(zlib, name): name
    for name in ("Z_DEFAULT_STRATEGY", "Z_FILTERED", "Z_HUFFMAN_ONLY", "Z_RLE", "Z_FIXED")
    if hasattr(zlib, name)
}


class ContentCoding(enum.Enum):
    """The codings that a response can be sent in. ``br`` and ``zstd`` need their libraries (see the extras)."""

    deflate = "deflate"
    gzip = "gzip"
    identity = "identity"
    br = "br"
    zstd = "zstd"


class Compression:
    """How a response is to be compressed: by what the client accepts, or as ``force`` says.

    ``strategy`` is zlib's. Raises ValueError for a coding whose library is not installed, and a strategy that zlib
    does not know.
    """

    def __init__(self, force: ContentCoding | None, strategy: int | None) -> None:
        if force is not None and force is not ContentCoding.identity:
            check_coding(force.value)
        if strategy is not None and strategy not in _STRATEGIES:
            raise ValueError(f"Unknown strategy {strategy!r}: zlib has {', '.join(_STRATEGIES.values())}")
        self._force = force
        self._strategy = zlib.Z_DEFAULT_STRATEGY if strategy is None else strategy

    def start(
        self, headers: HeaderMap, request_headers: MultiMapping[str] | Mapping[str, str], *, empty: bool = False
    ) -> ContentEncoder | None:
        """The encoder to use, None for none; sets ``Content-Encoding`` and what belongs to it.

        Nothing that has a coding already is given another one, and no part of a file one of its own. An ``empty``
        response is given none either, and the headers that the full one would have (RFC 9110, section 15.4.5).
        """
        if headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity" or hdrs.CONTENT_RANGE in headers:
            return None
        coding: str | None
        if self._force is not None:
            coding = self._force.value
        else:
            # The answer would have been another one with another header, also where it is not compressed.
            vary_by_accept_encoding(headers)
            coding = choose_coding(_accepted(request_headers), available_codings())
        if coding is None or coding == "identity":
            return None
        # RFC 9110, section 8.8.3.3: a strong tag belongs to these octets alone, and they are about to change.
        etag = headers.get(hdrs.ETAG)
        if etag is not None and etag.startswith('"'):
            headers[hdrs.ETAG] = f"W/{etag}"
        if empty:
            return None
        headers[hdrs.CONTENT_ENCODING] = coding
        headers.pop(hdrs.CONTENT_LENGTH, None)
        return ContentEncoder(coding, strategy=self._strategy)


def _accepted(request_headers: MultiMapping[str] | Mapping[str, str]) -> str:
    getall = getattr(request_headers, "getall", None)
    if getall is None:
        return request_headers.get(hdrs.ACCEPT_ENCODING, "")
    return ", ".join(getall(hdrs.ACCEPT_ENCODING, ()))


async def encode_whole(
    encoder: ContentEncoder, body: bytes, *, executor_size: int | None, executor: Executor | None
) -> bytes:
    """The whole of ``body`` encoded, in ``executor`` where it has more than ``executor_size`` bytes.

    ``executor`` None is the event loop's own, ``executor_size`` None is never.
    """
    if executor_size is None or len(body) <= executor_size:
        return encoder.encode(body) + encoder.finish()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(executor, lambda: encoder.encode(body) + encoder.finish())
