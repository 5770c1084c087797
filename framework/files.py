"""`FileResponse`: a file as the answer to a request, whole or in ranges.

All that asks the file system happens in one hop to a thread: looking the file and its compressed siblings up, opening,
and reading one that is small. Where the server can send files by itself, the rest is left to it.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
from typing import TYPE_CHECKING, Any, Final

from framework import hdrs
from framework.opened_files import SMALL, OpenedFile, SpecialFileError, open_file, pieces
from framework.sansio.conditions import failed_precondition, format_http_date, range_still_holds
from framework.sansio.negotiation import vary_by_accept_encoding
from framework.sansio.ranges import (
    ByteRange,
    RangeNotSatisfiableError,
    content_range,
    multipart_ranges,
    select_ranges,
)
from framework.stream_responses import StreamResponse

if TYPE_CHECKING:
    from mimetypes import MimeTypes

    from framework.requests import BaseRequest
    from framework.typedefs import LooseHeaders, PathLike
    from framework.writers import ResponseWriter

    #: The table of content types by extension; what a program adds to it counts from then on.
    CONTENT_TYPES: MimeTypes

__all__ = ("CONTENT_TYPES", "FileResponse")

_BINARY: Final = "application/octet-stream"

_CHUNK_SIZE: Final = 256 * 1024

#: RFC 9110, section 14.2, defines it for GET; download programs ask with HEAD what they would get.
_METHODS_WITH_RANGES: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})

#: What the file system says where there is no such file, or there can be none of the name.
_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ})


def __getattr__(name: str) -> Any:
    if name != "CONTENT_TYPES":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Imported when the first file is served.
    from mimetypes import MimeTypes

    types = MimeTypes()
    # A compressed file that is asked for by its own name is what it is, not its content with a coding.
    types.encodings_map.clear()
    for extension, content_type in (
        (".br", "application/x-brotli"),
        (".bz2", "application/x-bzip2"),
        (".gz", "application/gzip"),
        (".xz", "application/x-xz"),
        (".Z", "application/x-compress"),
    ):
        types.add_type(content_type, extension)
    globals()["CONTENT_TYPES"] = types
    return types


def _guess_type(path: str) -> str:
    types = globals().get("CONTENT_TYPES") or __getattr__("CONTENT_TYPES")
    # The slash keeps a name with a colon from being taken for a URL.
    guessed: str | None = types.guess_type("/" + path.rpartition(os.sep)[2])[0]
    return guessed or _BINARY


class FileResponse(StreamResponse):
    """A file, whole or in the ranges that the client asks for (RFC 9110, section 14).

    `prepare` sends it all. Conditions are answered with 304 or 412 (section 13), a missing file with 404, what may not
    be read or is no regular file with 403. Where there is a sibling ``<path>.br``, ``.zst`` or ``.gz`` that the client
    takes, that is sent. The file's ``ETag`` and ``Last-Modified`` are set, and ``Content-Type`` by its extension where
    the program set none. For a ``status`` other than 200 there are no ranges, for one beyond 2xx no conditions.

    Args:
        path: of the file.
        chunk_size: the most bytes that are read at once from a file that is not in the system's memory.
        status: the status code.
        reason: the reason phrase.
        headers: headers to add.
        opened: the file, where it was opened already; not needed by programs.

    Raises from `prepare` what `StreamResponse.prepare` does, and RuntimeError when the file becomes shorter while it is
    sent, upon which the connection is broken off.
    """

    _compressible = True

    def __init__(
        self,
        path: PathLike,
        chunk_size: int = _CHUNK_SIZE,
        status: int = 200,
        reason: str | None = None,
        headers: LooseHeaders | None = None,
        *,
        opened: OpenedFile | None = None,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        name = os.fspath(path)
        if not isinstance(name, str):
            raise TypeError(f"path must be a str or a path of text, got {path!r}")
        if chunk_size <= 0:
            raise ValueError(f"chunk_size must be at least 1, got {chunk_size!r}")
        self._path = name
        self._chunk_size = chunk_size
        self._opened = opened

    async def prepare(self, request: BaseRequest) -> ResponseWriter | None:
        """Send the response, its body included; as `StreamResponse.prepare`."""
        if self._eof_sent:
            return None
        if self._writer is not None:
            return self._writer
        opened, self._opened = self._opened, None
        try:
            if opened is None:
                opened = await self._open(request)
            if opened is None:
                return await self._send_bare(request)
            return await self._send_file(request, opened)
        finally:
            if opened is not None:
                opened.close()

    async def _open(self, request: BaseRequest) -> OpenedFile | None:
        accept_encoding = None
        # What has a coding already has no sibling with another one.
        if hdrs.CONTENT_ENCODING not in self.headers:
            accept_encoding = ", ".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
        # RFC 9110, section 9.3.2: HEAD reads nothing.
        read_up_to = -1 if request.method == hdrs.METH_HEAD else SMALL
        loop = asyncio.get_running_loop()
        try:
            # PERF: `asyncio.to_thread` copies the context for it: 14 µs of 100.
            return await loop.run_in_executor(None, open_file, self._path, accept_encoding, read_up_to)
        except (SpecialFileError, PermissionError):
            self._set_status(403, None)
        except ValueError:  # NUL in it, or nothing that the file system has octets for
            self._set_status(404, None)
        except OSError as exc:
            if exc.errno not in _MISSING:
                raise
            self._set_status(404, None)
        return None

    async def _send_bare(self, request: BaseRequest) -> ResponseWriter | None:
        """Send a status and headers without any body."""
        self._compressible = False
        if not self._chunked:
            self.headers[hdrs.CONTENT_LENGTH] = "0"
        writer = await super().prepare(request)
        await self.write_eof()
        return writer

    async def _send_file(self, request: BaseRequest, opened: OpenedFile) -> ResponseWriter | None:
        status = opened.status
        size = status.st_size
        etag = f"{status.st_mtime_ns:x}-{size:x}"
        modified = math.ceil(status.st_mtime)
        headers = self.headers
        if opened.negotiated:
            vary_by_accept_encoding(headers)
        ranges = None
        if 200 <= self._status < 300:
            asked = request.headers
            failed = failed_precondition(asked, method=request.method, etag=etag, modified=modified)
            if failed is not None:
                return await self._send_failed(request, failed, etag, modified)
            if self._status == 200 and hdrs.RANGE in asked and request.method in _METHODS_WITH_RANGES:
                try:
                    ranges = self._select(request, etag, modified, size)
                except RangeNotSatisfiableError:
                    self._set_status(416, None)
                    headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
                    return await self._send_bare(request)
            headers[hdrs.ACCEPT_RANGES] = "bytes"

        headers[hdrs.ETAG] = f'"{etag}"'
        headers[hdrs.LAST_MODIFIED] = format_http_date(modified)
        if opened.coding is not None:
            headers[hdrs.CONTENT_ENCODING] = opened.coding
        if hdrs.CONTENT_TYPE not in headers:
            headers[hdrs.CONTENT_TYPE] = _guess_type(self._path)
        between = [b"", b""]
        length = size
        if ranges is None:
            selected = [(0, size)]
        else:
            selected = ranges
            self._set_status(206, None)
            # The ranges are those of the octets that the tag names.
            self._compressible = False
            if len(ranges) == 1:
                headers[hdrs.CONTENT_RANGE] = content_range(ranges[0], size)
                length = ranges[0][1] - ranges[0][0]
            else:
                boundary = os.urandom(16).hex()
                between, length = multipart_ranges(
                    ranges, size, content_type=headers[hdrs.CONTENT_TYPE], boundary=boundary
                )
                headers[hdrs.CONTENT_TYPE] = f"multipart/byteranges; boundary={boundary}"
        if not self._chunked:
            headers[hdrs.CONTENT_LENGTH] = str(length)

        writer = await super().prepare(request)
        if writer is None or self._must_be_empty(request):
            await self.write_eof()
            return writer
        await self._send_body(request, writer, opened, selected, between, length)
        return writer

    async def _send_failed(self, request: BaseRequest, status: int, etag: str, modified: int) -> ResponseWriter | None:
        self._set_status(status, None)
        if status == 304:
            # RFC 9110, section 15.4.5: what the whole answer would have had.
            self.headers[hdrs.ETAG] = f'"{etag}"'
            self.headers[hdrs.LAST_MODIFIED] = format_http_date(modified)
            writer = await super().prepare(request)
            await self.write_eof()
            return writer
        return await self._send_bare(request)

    def _select(self, request: BaseRequest, etag: str, modified: int, size: int) -> list[ByteRange] | None:
        values = request.headers.getall(hdrs.RANGE)
        if not range_still_holds(request.headers, etag=etag, modified=modified):
            return None
        return select_ranges(", ".join(values), size)

    async def _start_compression(self, request: BaseRequest) -> None:
        if self._compressible:
            await super()._start_compression(request)

    # The body

    async def _send_body(
        self,
        request: BaseRequest,
        writer: ResponseWriter,
        opened: OpenedFile,
        ranges: list[ByteRange],
        between: list[bytes],
        length: int,
    ) -> None:
        """Send ``ranges`` of the file, each after its piece of ``between``, the last piece of which ends it all."""
        content = opened.content
        if content is not None:
            parts = [part for head, (start, stop) in zip(between, ranges) for part in (head, content[start:stop])]  # noqa: B905
            await self.write_eof(parts[1] if len(parts) == 2 and not parts[0] else b"".join([*parts, between[-1]]))
            return
        # What a receiver of on_response_prepare has changed is not for the server to send as it is.
        is_plain = self._encoder is None and self.headers.get(hdrs.CONTENT_LENGTH) == str(length)
        extensions = (request.scope.get("extensions") or ()) if is_plain else ()
        # PERF: granian serves a file of 1 MiB 2.3 times as often by its path as from messages.
        if "http.response.pathsend" in extensions and SMALL < length == opened.status.st_size:
            await writer.send_path(opened.absolute_path, length)
            await self.write_eof()
            return
        zero_copy = "http.response.zerocopysend" in extensions
        # One piece is held back, so that the last one ends the response.
        waiting = b""
        for head, (start, stop) in zip(between, ranges):  # noqa: B905 - one more for the end
            waiting += head
            if zero_copy:
                await writer.write(waiting)
                waiting = b""
                more_body = len(ranges) > 1
                await writer.send_file(opened.descriptor, start, stop - start, more_body=more_body)
                continue
            async for piece in pieces(opened, start, stop, self._chunk_size):
                await writer.write(waiting)
                waiting = piece
        await self.write_eof(waiting + between[-1])
