"""Files that are open to be sent: opened in one hop to a thread, and read without keeping the event loop waiting.

Of a file that was not read when it was opened, what is in memory already is read in the event loop, by a call that
never waits for the disk; the rest in threads, while what comes before it is being sent.
"""

# ruff: noqa: PTH100, PTH116
# Paths are strings here: pathlib's objects cost more than what is asked of the file system with them.

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from collections.abc import AsyncIterator
from typing import Final

from framework.sansio.negotiation import choose_coding

__all__ = ("MOST_AT_ONCE", "SMALL", "OpenedFile", "SpecialFileError", "open_file", "pieces")

#: The precompressed siblings that are looked for, the preferred one first.
_SIBLINGS: Final = (("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz"))

#: Files up to so many bytes are read when they are opened, and closed at once.
SMALL: Final = 2**16

#: The most bytes that are read at once in the event loop, and so in memory for each answer.
MOST_AT_ONCE: Final = 2**20

#: Less than this is not worth a message of its own: then a thread waits for the rest.
_LEAST_AT_ONCE: Final = 2**14

# Not to wait for the other end of a FIFO that has taken the place of the file, and to read octets on Windows.
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)
_NO_LINKS: Final[int] = getattr(os, "O_NOFOLLOW", 0)

#: On Linux, the flag of a read that gives what is in memory and never waits for the disk.
_RWF_NOWAIT: Final[int | None] = getattr(os, "RWF_NOWAIT", None) if hasattr(os, "preadv") else None


class SpecialFileError(OSError):
    """Something that is no regular file: a directory, a device, a FIFO, a socket."""


class OpenedFile:
    """A regular file that is open for reading, or was read already. `open_file` makes it.

    It closes itself when it is thrown away; `close` may be called from any thread, and while another one reads.
    """

    def __init__(self, descriptor: int, path: str, status: os.stat_result) -> None:
        #: The file descriptor; -1 once it is closed.
        self.descriptor = descriptor
        #: Where the file is, or its sibling.
        self.path = path
        #: What ``os.fstat`` said when it was opened.
        self.status = status
        #: The content coding, where it is a precompressed sibling.
        self.coding: str | None = None
        #: Whether there is a precompressed sibling, be it this one or not.
        self.negotiated = False
        #: The whole content, where it was read already.
        self.content: bytes | None = None
        #: Whether the system can tell what of it is in memory.
        self.is_cacheable = _RWF_NOWAIT is not None
        self._lock = threading.Lock()
        self._reading = False
        self._closing = False

    @property
    def absolute_path(self) -> str:
        """The path from the root of the file system on."""
        return os.path.abspath(self.path)

    def read(self, size: int, offset: int) -> bytes:
        """Up to ``size`` bytes from ``offset`` on, fewer only at the end of the file. Waits for the disk."""
        with self._lock:
            if self._closing:
                return b""
            self._reading = True
        try:
            pieces = []
            while size > 0 and (piece := _pread(self.descriptor, size, offset)):
                pieces.append(piece)
                offset += len(piece)
                size -= len(piece)
            if _WILLNEED is not None and self.is_cacheable:
                # What comes next is fetched while this is being sent.
                os.posix_fadvise(self.descriptor, offset, MOST_AT_ONCE, _WILLNEED)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            with self._lock:
                self._reading = False
                if self._closing:
                    self._close()

    def close(self) -> None:
        """Close the file, if it is open: at once, or when the thread that is reading has done so.

        A descriptor closed under a reader might be that of another file by the time it is read.
        """
        with self._lock:
            if not self._closing:
                self._closing = True
                if not self._reading:
                    self._close()

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def open_file(path: str, accept_encoding: str | None = None, read_up_to: int = SMALL) -> OpenedFile:
    """Open a file, or the precompressed sibling that the client would rather have. To be called in a thread.

    A sibling is a regular file, and no symbolic link, whose name is the file's with ``.br``, ``.zst`` or ``.gz`` added.

    Args:
        path: of the file.
        accept_encoding: the Accept-Encoding header; siblings are only looked for where it is not None.
        read_up_to: the size in bytes up to which a file is read whole and closed.

    Raises:
        OSError: there is no such file, or it may not be read.
        SpecialFileError: it is no regular file.
        ValueError: no file can have the name.
    """
    # Before it is opened: to open a device or a FIFO may do something by itself.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise SpecialFileError(errno.EACCES, "not a regular file", path)
    siblings = {} if accept_encoding is None else _find_siblings(path)
    opened = None
    if siblings:
        coding = choose_coding(accept_encoding, tuple(siblings))
        if coding is not None:
            try:
                opened = _open(siblings[coding], _FLAGS | _NO_LINKS)
                opened.coding = coding
            except OSError:
                # It may not be read, or is gone already: then there is the file itself.
                opened = None
    if opened is None:
        opened = _open(path, _FLAGS)
    opened.negotiated = bool(siblings)
    size = opened.status.st_size
    if size <= read_up_to:
        content = opened.read(size, 0)
        # One that has become shorter since is found out when it is sent.
        if len(content) == size:
            opened.content = content
            opened.close()
    return opened


def _open(path: str, flags: int) -> OpenedFile:
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SpecialFileError(errno.EACCES, "not a regular file", path)
        return OpenedFile(descriptor, path, status)
    except BaseException:
        os.close(descriptor)
        raise


def _find_siblings(path: str) -> dict[str, str]:
    siblings = {}
    for coding, extension in _SIBLINGS:
        try:
            mode = os.lstat(path + extension).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode):
            siblings[coding] = path + extension
    return siblings


if hasattr(os, "pread"):
    _pread = os.pread
else:  # Windows

    def _pread(descriptor: int, size: int, offset: int, /) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)


_WILLNEED: Final[int | None] = getattr(os, "POSIX_FADV_WILLNEED", None)


class _Scratch(threading.local):
    """Memory to read into; one for each thread, as each may have an event loop of its own."""

    view: memoryview | None = None


_scratch: Final = _Scratch()


def _read_cached(opened: OpenedFile, size: int, offset: int) -> bytes | None:
    """What of ``size`` bytes from ``offset`` on is in memory, None for too little. Never waits for the disk."""
    if not opened.is_cacheable or _RWF_NOWAIT is None:
        return None
    # PERF: read into memory that is there already and copied from it: 74 µs for 1 MiB, where a new buffer for each
    # read, whose pages the system must first provide, takes 950.
    view = _scratch.view
    if view is None:
        view = _scratch.view = memoryview(bytearray(MOST_AT_ONCE))
    try:
        count = os.preadv(opened.descriptor, [view[:size]], offset, _RWF_NOWAIT)
    except BlockingIOError:
        return None
    except OSError:  # a file system that cannot tell
        opened.is_cacheable = False
        return None
    return bytes(view[:count]) if count == size or count >= _LEAST_AT_ONCE else None


async def pieces(opened: OpenedFile, start: int, stop: int, chunk_size: int) -> AsyncIterator[bytes]:
    """The bytes of a file from ``start`` to before ``stop``, at most ``chunk_size`` of them at once from the disk.

    Raises RuntimeError where the file has become shorter, OSError where it cannot be read.
    """
    loop = asyncio.get_running_loop()
    ahead: asyncio.Future[bytes] | None = None
    while start < stop:
        data = None
        if ahead is None:
            data = _read_cached(opened, min(MOST_AT_ONCE, stop - start), start)
        if data is None:
            size = min(chunk_size, stop - start)
            data = await (ahead or loop.run_in_executor(None, opened.read, size, start))
            ahead = None
            if len(data) < size:
                raise RuntimeError(f"{opened.path} became shorter while it was sent")
            after = start + size
            if not opened.is_cacheable and after < stop:
                ahead = loop.run_in_executor(None, opened.read, min(chunk_size, stop - after), after)
                # Nobody may be left to ask for its exception.
                ahead.add_done_callback(_take_exception)
        start += len(data)
        yield data


def _take_exception(future: asyncio.Future[bytes]) -> None:
    if not future.cancelled():
        future.exception()
