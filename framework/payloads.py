"""Response bodies that are more than bytes: text, files, asynchronous iterables."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import os
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import IO, Any, cast
from urllib.parse import quote

from framework import hdrs

__all__ = ("Payload", "as_payload")

CHUNK_SIZE = 2**16
_BINARY = "application/octet-stream"


class Payload:
    """A body that is sent in pieces."""

    def __init__(self, body: AsyncIterable[bytes], size: int | None = None) -> None:
        self._body = body
        self._iterator: AsyncIterator[bytes] | None = None
        self._size = size

    @property
    def size(self) -> int | None:
        """The length in bytes, None where it is not known before the end."""
        return self._size

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that the body brings."""
        return {hdrs.CONTENT_TYPE: _BINARY}

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._iterator = aiter(self._body)
        return self._iterator

    async def close(self) -> None:
        """Give back what the body holds; called when all was sent, and when nothing will be."""
        # An iterable that is no iterator may hold something in the generator that it makes.
        for each in (self._iterator, self._body):
            close = getattr(each, "aclose", None)
            if close is not None:
                await close()


class FilePayload(Payload):
    """An open file, read in a thread and closed afterwards; text is encoded in ``encoding``."""

    def __init__(self, file: IO[Any], encoding: str | None = None) -> None:
        super().__init__(self._read(), _file_size(file))
        self._file = file
        self._encoding = encoding

    async def _read(self) -> AsyncIterator[bytes]:
        while data := await asyncio.to_thread(self._file.read, CHUNK_SIZE):
            yield data if self._encoding is None else data.encode(self._encoding)

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)


def as_payload(body: Any) -> tuple[bytes | Payload, dict[str, str]]:
    """What to send for ``body``, as bytes where it is all in memory, and the headers it brings.

    The headers count where the response has none of that name. A file brings ``Content-Disposition`` with its name
    and the content type that its name suggests, as in aiohttp. Raises ValueError for a type that is no body.
    """
    if isinstance(body, str):
        return body.encode(), {hdrs.CONTENT_TYPE: "text/plain; charset=utf-8"}
    if isinstance(body, memoryview):
        return body.tobytes(), {hdrs.CONTENT_TYPE: _BINARY}
    if isinstance(body, io.BytesIO):
        return body.read(), {hdrs.CONTENT_TYPE: _guess_type(body), **_disposition(body)}
    if isinstance(body, io.StringIO):
        return body.read().encode(), {hdrs.CONTENT_TYPE: "text/plain; charset=utf-8"}
    if isinstance(body, io.TextIOBase):
        text = cast("IO[str]", body)
        encoding = getattr(body, "encoding", None) or "utf-8"
        content_type = f"text/plain; charset={encoding.lower()}"
        return FilePayload(text, encoding), {hdrs.CONTENT_TYPE: content_type, **_disposition(text)}
    if isinstance(body, io.IOBase):
        file = cast("IO[bytes]", body)
        return FilePayload(file), {hdrs.CONTENT_TYPE: _guess_type(file), **_disposition(file)}
    if isinstance(body, Payload):
        return body, dict(body.headers)
    if isinstance(body, AsyncIterable):
        return Payload(body), {hdrs.CONTENT_TYPE: _BINARY}
    raise ValueError(
        f"Unsupported body type {type(body)}: give bytes, str, a file or an asynchronous iterable of bytes"
    )


def _file_size(file: IO[Any]) -> int | None:
    # Text may change its length with line endings and encoding: what is on the disk says nothing of it unless it is
    # read as it is.
    if isinstance(file, io.TextIOBase):
        return None
    try:
        return os.fstat(file.fileno()).st_size - file.tell()
    except (OSError, ValueError):
        return None


def _file_name(file: IO[Any]) -> str | None:
    name = getattr(file, "name", None)
    if isinstance(name, str) and name and name[0] != "<" and name[-1] != ">":
        return os.path.basename(name)  # noqa: PTH119 - pathlib would be imported for this alone
    return None


def _guess_type(file: IO[Any]) -> str:
    name = _file_name(file)
    guessed = mimetypes.guess_type(name)[0] if name is not None else None
    return guessed or _BINARY


def _disposition(file: IO[Any]) -> dict[str, str]:
    name = _file_name(file)
    if name is None:
        return {}
    if name.isascii() and name.isprintable() and '"' not in name and "\\" not in name:
        return {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'}
    # RFC 6266, section 4.3: names beyond ASCII go as an extended parameter.
    return {hdrs.CONTENT_DISPOSITION: f"attachment; filename*=utf-8''{quote(name, safe='')}"}
