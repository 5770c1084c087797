"""Forms with files: the parts of a ``multipart/form-data`` body collected, large files in temporary ones.

A file begins in memory. Once the files of a form take more than `MEMORY_SIZE` together, the one that is being received
goes to disk if it is not small. Everything that touches the disk runs in a thread, so that the event loop goes on.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import IO, Any, Final, cast

from multidict import MultiDict

from framework.file_field import FileField
from framework.multipart import MultipartPayloadError
from framework.sansio.headers import parse_content_type
from framework.sansio.multipart import MultipartError, MultipartParser, PartHead, TransferDecoder
from framework.sansio.text import decode_text

__all__ = ("FormCollector", "TooManyParts", "TooMuchText")

#: How much of a form's files is kept in memory, in bytes.
MEMORY_SIZE: Final = 2**20
#: Files up to this size stay in memory also past that, in bytes: a form of a thousand of them would open a thousand
#: temporary files.
SMALL_FILE: Final = 2**16
#: The most bytes that the fields of a form which are no files may have together.
MAX_TEXT_SIZE: Final = 2**24

#: How much is gathered for one write to the disk, in bytes: a thread costs tens of microseconds.
_WRITE_SIZE: Final = 2**18
#: Past this number of pieces they are joined as they come: tiny ones would take more memory than what is in them.
_MANY_PIECES: Final = 64


class TooManyParts(ValueError):
    """A form has more fields than the application takes."""


class TooMuchText(ValueError):
    """The fields of a form that are no files take more memory than they may."""


class _Content:
    """What was received of a part, in memory."""

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] | io.BytesIO = []
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        pieces = self._pieces
        if isinstance(pieces, io.BytesIO):
            pieces.write(data)
            return
        pieces.append(data)
        if len(pieces) > _MANY_PIECES:
            self._pieces = io.BytesIO()
            self._pieces.write(b"".join(pieces))

    def getvalue(self) -> bytes:
        # PERF: bytes that came in one piece are copied nowhere, also not by the BytesIO made from them.
        pieces = self._pieces
        if isinstance(pieces, io.BytesIO):
            return pieces.getvalue()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _TemporaryFile:
    """A file without a name that is written in threads, one write at a time."""

    def __init__(self) -> None:
        self.file: IO[bytes] | None = None
        self._writing: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Append ``data``, and leave the file at its start."""
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._write, data)
        # A thread cannot be cancelled: `close` waits for it instead.
        await asyncio.shield(self._writing)

    def _write(self, data: bytes) -> None:
        if self.file is None:
            # Imported when the first large file comes.
            import tempfile

            self.file = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 - `close` closes it
        self.file.seek(0, io.SEEK_END)
        self.file.write(data)
        self.file.seek(0)

    def close(self) -> None:
        """Give the disk space back, as soon as the last write has ended."""
        if self._writing is not None and not self._writing.done():
            self._writing.add_done_callback(self._on_written)
        elif self.file is not None and not self.file.closed:
            # To free the space of a large file takes long.
            try:
                asyncio.get_running_loop().run_in_executor(None, self.file.close)
            except RuntimeError:  # the loop, or its threads, are on their way out
                self.file.close()

    def _on_written(self, writing: asyncio.Future[None]) -> None:
        if not writing.cancelled():
            writing.exception()  # nobody else asks for it
        self.close()


class FormCollector:
    """The fields of a form, as they are received.

    Args:
        boundary: what separates the parts.
        max_fields: the most fields; 0 for any number.

    `feed` and `finish` raise `MultipartPayloadError` for a body that is no form, `TooManyParts`, `TooMuchText`, and
    what decoding a text raises: LookupError for an unknown charset, UnicodeDecodeError. After any of them, after a
    cancellation, and when the fields are needed no longer, `close` is to be called.
    """

    def __init__(self, boundary: str, *, max_fields: int = 0) -> None:
        self._parser = MultipartParser(boundary)
        self._charset = "utf-8"
        self._max_fields = max_fields
        self._count = 0
        self._fields: MultiDict[Any] = MultiDict()
        self._files: list[io.BytesIO | _TemporaryFile] = []
        self._file_memory = 0
        self._text_size = 0
        # The part that is being received.
        self._name = ""
        self._filename: str | None = None
        self._head = PartHead([])
        self._decoder: TransferDecoder | None = None
        self._content = _Content()
        self._temporary: _TemporaryFile | None = None

    async def feed(self, data: bytes) -> None:
        """Take in the next piece of the body."""
        try:
            for event in self._parser.parse(data):
                if isinstance(event, bytes):
                    piece = event if self._decoder is None else self._undo_transfer(self._decoder.decode, event)
                    self._content.write(piece)
                    if not self._filename:
                        self._count_text(len(piece))
                    elif self._is_for_disk(len(piece)):
                        await self._write_out()
                elif event is None:
                    await self._end_part()
                else:
                    self._begin_part(event)
        except MultipartError as exc:
            raise MultipartPayloadError(str(exc)) from exc

    def finish(self) -> MultiDict[Any]:
        """The fields: `str`, `bytearray`, or `FileField`."""
        try:
            self._parser.finish()
        except MultipartError as exc:
            raise MultipartPayloadError(str(exc)) from exc
        return self._fields

    def close(self) -> None:
        """Close the files, those on disk in a thread."""
        files, self._files = self._files, []
        for file in files:
            file.close()

    def _begin_part(self, head: PartHead) -> None:
        self._count += 1
        if self._max_fields and self._count > self._max_fields:
            raise TooManyParts
        name, self._filename = head.names()
        if name is None:
            raise MultipartPayloadError("Multipart field missing name.")
        self._name, self._head = name, head
        self._decoder = None
        if (head.content_type or "").lower().startswith("multipart/"):
            raise MultipartPayloadError("To decode nested multipart you need to use custom reader")
        encoding = head.transfer_encoding
        if encoding is not None:
            try:
                self._decoder = TransferDecoder(encoding)
            except RuntimeError as exc:
                raise MultipartPayloadError(str(exc)) from None

    def _count_text(self, size: int) -> None:
        self._text_size += size
        if self._text_size > MAX_TEXT_SIZE:
            raise TooMuchText

    def _is_for_disk(self, size: int) -> bool:
        """Count ``size`` more bytes of a file, and tell whether to write out what is in memory of it."""
        if self._temporary is not None:
            return self._content.size >= _WRITE_SIZE
        self._file_memory += size
        if self._file_memory <= MEMORY_SIZE or self._content.size <= SMALL_FILE:
            return False
        self._file_memory -= self._content.size
        self._temporary = _TemporaryFile()
        self._files.append(self._temporary)
        return True

    async def _write_out(self) -> None:
        if self._temporary is not None:
            content, self._content = self._content, _Content()
            await self._temporary.write(content.getvalue())

    @staticmethod
    def _undo_transfer(step: Callable[..., bytes], *data: bytes) -> bytes:
        try:
            return step(*data)
        except ValueError as exc:
            raise MultipartPayloadError(f"Can not decode a part's content-transfer-encoding: {exc}") from exc

    async def _end_part(self) -> None:
        if self._decoder is not None:
            self._content.write(self._undo_transfer(self._decoder.finish))
        if not self._filename:
            self._add_text()
        else:
            await self._add_file(self._filename)
        self._content = _Content()

    def _add_text(self) -> None:
        value = self._content.getvalue()
        content_type = self._head.content_type
        if content_type is not None and not content_type.startswith("text/"):
            self._fields.add(self._name, bytearray(value))
            return
        charset = self._charset
        if content_type is not None:
            charset = parse_content_type(content_type)[1].get("charset", charset)
        text = decode_text(value, charset)
        if self._name == "_charset_":
            # RFC 7578, section 4.6: it says how the fields behind it are encoded, and is none of them.
            self._charset = text.strip() or "utf-8"
        else:
            self._fields.add(self._name, text)

    async def _add_file(self, filename: str) -> None:
        temporary, self._temporary = self._temporary, None
        file: IO[bytes]
        if temporary is None:
            file = io.BytesIO(self._content.getvalue())
            self._files.append(file)
        else:
            if self._content.size:
                await temporary.write(self._content.getvalue())
            file = cast("IO[bytes]", temporary.file)
        content_type = self._head.content_type or "application/octet-stream"
        self._fields.add(self._name, FileField(self._name, filename, file, content_type, self._head.headers))
