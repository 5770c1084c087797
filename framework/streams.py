"""The request body as a stream: the only reader of ``http.request`` and ``http.disconnect``.

The body is pulled: a message is received when somebody reads, so that what the client may send ahead is bounded by the
server. Once the body has been read the same stream waits for ``http.disconnect``, where somebody asked to be told.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NoReturn

from framework.sansio.codings import ContentDecoder, DecodingError
from framework.typedefs import Message, Receive

__all__ = (
    "ClientConnectionResetError",
    "PayloadAccessError",
    "RequestPayloadError",
    "StreamReader",
    "body_cut_off",
)

logger = logging.getLogger("framework.web")

#: The most bytes that are buffered ahead of the reader while waiting for a disconnect.
_AHEAD_LIMIT = 2**16
#: The longest line by default, in bytes, as in aiohttp.
DEFAULT_LIMIT = 2**19


class RequestPayloadError(Exception):
    """The request's body cannot be read: it is malformed, or its framing is."""


class LineTooLong(ValueError, RequestPayloadError):
    """A line, or what comes before a separator, is longer than the reader takes."""


class BodyTooShort(asyncio.IncompleteReadError, RequestPayloadError):
    """The body ends before the number of bytes that was asked for."""


class PayloadAccessError(Exception):
    """A part of the body is asked for after it was read; see aiohttp.web."""


class ClientConnectionResetError(ConnectionResetError):
    """The client has gone: nothing more can be read from it or written to it."""


def body_cut_off() -> RequestPayloadError:
    """What is raised for a body that ends before its Content-Length says so: it is not complete (RFC 9112, section 8).

    granian (2.8) tells the end of the body, and not of the client, when a stream of HTTP/2 is reset.
    """
    return RequestPayloadError("the body is shorter than its Content-Length")


class StreamReader:
    """``request.content``: the body, read in the pieces that suit the reader.

    ``receive`` is the ASGI callable of the request; without one the stream is fed by `feed_data` and `feed_eof`, as
    tests do. ``limit`` is the length in bytes of the longest line that `readline` gives; ``decoder`` undoes a content
    coding; ``on_disconnect`` is called when the client is found to have gone; ``length`` is the number of bytes that
    the body has before it is decoded, None where that is not known.

    Every reading method raises `ClientConnectionResetError` when the client leaves before the body is complete,
    `RequestPayloadError` for a content coding that cannot be undone, and RuntimeError when another task is reading
    already.
    """

    _watch_ended = False

    def __init__(
        self,
        receive: Receive | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        decoder: ContentDecoder | None = None,
        on_disconnect: Callable[[], None] | None = None,
        length: int | None = None,
    ) -> None:
        self._receive = receive
        self._missing = length
        self._on_disconnect = on_disconnect
        self._decoder = decoder
        self._decoded: Iterator[bytes] | None = None
        self._received_all = False
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # of what is unread in the first chunk
        self._size = 0
        self._eof = False
        self._exception: BaseException | None = None
        self._reading = False
        self._fed: asyncio.Future[None] | None = None
        self._pending: asyncio.Task[Message] | None = None
        #: Whether the client is known to have gone.
        self.disconnected = False
        self._disconnect_waiters: set[asyncio.Future[None]] = set()
        self._eof_callbacks: list[Callable[[], None]] = []
        #: How many bytes of the body have arrived.
        self.total_bytes = 0

    def __repr__(self) -> str:
        state = [f"{self._size} bytes"]
        if self._eof:
            state.append("eof")
        if self._exception is not None:
            state.append(f"e={self._exception!r}")
        return f"<StreamReader {' '.join(state)}>"

    # What has arrived

    def at_eof(self) -> bool:
        """Whether the whole body has been read."""
        return self._eof and not self._chunks

    def is_eof(self) -> bool:
        """Whether the whole body has arrived, read or not."""
        return self._eof

    def exception(self) -> BaseException | None:
        """The exception that every further read raises."""
        return self._exception

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Raise ``exc`` from every further read."""
        if exc_cause is not None:
            exc.__cause__ = exc_cause
        self._exception = exc
        self._wake()

    def on_eof(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the whole body has arrived, at once if it has."""
        if self._eof:
            callback()
        else:
            self._eof_callbacks.append(callback)

    def feed_data(self, data: bytes) -> None:
        """Add ``data`` to what can be read."""
        if data:
            self._chunks.append(data)
            self._size += len(data)
            self.total_bytes += len(data)
            self._wake()

    def feed_eof(self) -> None:
        """Mark the body as complete."""
        self._eof = True
        self._wake()
        callbacks, self._eof_callbacks = self._eof_callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                logger.exception("Exception in eof callback")

    def feed_message(self, message: Message) -> None:
        """Take in a message that was received outside of the stream."""
        if self._disconnect_waiters:
            self._wake_disconnect_waiters()
        if message["type"] == "http.request":
            data = message.get("body", b"")
            self._received_all = not message.get("more_body", False)
            if self._missing is not None:
                # Some servers tell the end in a message of its own, which the client may be long in causing.
                self._missing -= len(data)
                if self._received_all and self._missing > 0:
                    self.set_exception(body_cut_off())
                    return
                self._received_all = self._received_all or self._missing <= 0
            if self._decoder is not None:
                self._decoded = self._decoder.decode(data)
                self._feed_decoded()
                return
            self.feed_data(data)
            if self._received_all:
                self.feed_eof()
        elif message["type"] == "http.disconnect":
            self.disconnected = True
            if self._on_disconnect is not None:
                self._on_disconnect()
            if not self._eof and self._exception is None:
                self.set_exception(ClientConnectionResetError("The client disconnected before the body was complete"))

    def _feed_decoded(self) -> None:
        """Add the next decoded piece, and no more than that, to what can be read."""
        if self._decoder is None or self._decoded is None:
            return
        try:
            piece = next(self._decoded, None)
            if piece is not None:
                self.feed_data(piece)
                return
            self._decoded = None
            if self._received_all:
                self._decoder.finish()
                self.feed_eof()
        except DecodingError as exc:
            self.set_exception(RequestPayloadError(str(exc)), exc)

    def lend(self) -> None:
        """Receive nothing until `give_back`: whoever does it instead hands over the message by `feed_message`."""
        self._reading = True

    def give_back(self) -> None:
        """End what `lend` began."""
        self._reading = False
        if self._disconnect_waiters:
            self._wake_disconnect_waiters()

    def unread_data(self, data: bytes) -> None:
        """Put ``data`` back before what can be read; deprecated, as in aiohttp."""
        warnings.warn("unread_data() is deprecated", DeprecationWarning, stacklevel=2)
        if data:
            if self._offset:
                self._chunks[0] = self._chunks[0][self._offset :]
                self._offset = 0
            self._chunks.appendleft(data)
            self._size += len(data)

    # Reading

    async def read(self, n: int = -1) -> bytes:
        """Up to ``n`` bytes as soon as there are any, or all of the body for ``-1``; ``b""`` at its end."""
        if n == 0:
            self._raise_exception()
            return b""
        if n < 0:
            while not self._eof:
                await self._pull()
            self._raise_exception()
            return self._take_all()
        while not self._chunks and not self._eof:
            await self._pull()
        self._raise_exception()
        return self._take(n)

    async def readany(self) -> bytes:
        """What is buffered, or what arrives next; ``b""`` at the end of the body."""
        while not self._chunks and not self._eof:
            await self._pull()
        self._raise_exception()
        return self._take_all()

    async def readchunk(self) -> tuple[bytes, bool]:
        """The next piece as it arrived, and True; ``(b"", False)`` at the end of the body.

        ASGI does not tell the boundaries of HTTP chunks: every piece the server hands over counts as one.
        """
        while not self._chunks and not self._eof:
            await self._pull()
        self._raise_exception()
        if not self._chunks:
            return b"", False
        return self._take(len(self._chunks[0]) - self._offset), True

    async def readexactly(self, n: int) -> bytes:
        """Exactly ``n`` bytes; `asyncio.IncompleteReadError` where the body ends before."""
        while self._size < n and not self._eof:
            await self._pull()
        self._raise_exception()
        if self._size < n:
            raise BodyTooShort(self._take_all(), n)
        return self._take(n)

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        r"""A line with its ``\n``, the rest at the end of the body; ValueError for one that is too long."""
        return await self.readuntil(max_size=max_line_length)

    async def readuntil(self, separator: bytes = b"\n", *, max_size: int | None = None) -> bytes:
        """What comes before the next ``separator``, and it; the rest of the body where there is none.

        ValueError for an empty separator, and for more than ``max_size`` bytes (the stream's limit by default).
        """
        if not separator:
            raise ValueError("Separator should be at least one-byte string")
        limit = self._limit if max_size is None else max_size
        pieces: list[bytes] = []
        size = 0
        overlap = b""  # what was searched already and could begin a separator that ends in the next chunk
        while True:
            while self._chunks:
                chunk, start = self._chunks[0], self._offset
                end = _end_of(separator, overlap, chunk, start)
                piece = self._take((end or len(chunk)) - start)
                size += len(piece)
                if size > limit:
                    raise LineTooLong("Chunk too big")
                pieces.append(piece)
                if end is not None:
                    return b"".join(pieces)
                if len(separator) > 1:
                    overlap = (overlap + piece)[1 - len(separator) :]
            if self._eof:
                self._raise_exception()
                return b"".join(pieces)
            await self._pull()

    def read_nowait(self, n: int = -1) -> bytes:
        """What is buffered, at most ``n`` bytes."""
        self._raise_exception()
        return self._take_all() if n < 0 else self._take(n)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterate(self.readline)

    def iter_any(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which it arrives."""
        return self._iterate(self.readany)

    def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        """The body in pieces of at most ``n`` bytes."""
        return self._iterate(lambda: self.read(n))

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """The body as `readchunk` gives it."""
        while True:
            data, end = await self.readchunk()
            if not data and not end:
                return
            yield data, end

    async def wait_eof(self) -> None:
        """Wait until the whole body has arrived, and keep it for the readers."""
        while not self._eof:
            await self._pull()

    # Waiting for the client to leave

    def watch_disconnect(self) -> None:
        """Learn of a disconnect as soon as it happens, without anybody reading.

        What the client sends of its body meanwhile is kept, up to the limit; past it, nothing more is received until
        somebody reads.
        """
        if self._receive is None or self._pending is not None or self.disconnected or self._reading:
            return
        if self._watch_ended:
            return
        if self._size >= _AHEAD_LIMIT or self._decoded is not None:
            return
        self._pending = asyncio.ensure_future(self._next_message(self._receive))
        self._pending.add_done_callback(self._on_watched)

    def keep_watching(self, *, at_once: bool) -> None:
        """Do what `watch_disconnect` does whenever nobody reads; not before somebody has, unless ``at_once``."""
        if at_once:
            self.watch_disconnect()
        again = asyncio.get_running_loop().create_future()
        self._disconnect_waiters.add(again)
        again.add_done_callback(self._watch_again)

    def _watch_again(self, again: asyncio.Future[None]) -> None:
        self._disconnect_waiters.discard(again)
        if not self._watch_ended and not self.disconnected and self._exception is None:
            self.keep_watching(at_once=True)

    def stop_watching(self) -> None:
        """Stop what the other methods for it began, for good; called at the end of the request."""
        # A message that has come in this very turn of the loop would begin to wait for the next one.
        self._watch_ended = True
        if self._pending is not None:
            self._pending.cancel()
        for waiter in self._disconnect_waiters:
            waiter.cancel()

    async def poll_disconnect(self) -> bool:
        """Whether the client has gone, without waiting."""
        while not self.disconnected and self._exception is None:
            self.watch_disconnect()
            pending = self._pending
            if pending is None:
                break
            # One turn of the loop starts the task, which ends in the same turn if the server has news, and the next
            # one takes the news in: perhaps a piece of the body, behind which there may be more news.
            await asyncio.sleep(0)
            if not pending.done():
                break
            await asyncio.sleep(0)
        return self.disconnected

    async def wait_disconnect(self) -> None:
        """Wait until the client has gone, while others read or nobody does.

        Cancelled by `stop_watching`. Raises what receiving raises.
        """
        while not self.disconnected:
            if not self._received_all:
                self._raise_exception()
            self.watch_disconnect()
            waiter = asyncio.get_running_loop().create_future()
            self._disconnect_waiters.add(waiter)
            try:
                await waiter
            finally:
                self._disconnect_waiters.discard(waiter)

    def _wake_disconnect_waiters(self) -> None:
        for waiter in self._disconnect_waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _next_message(self, receive: Receive) -> Message:
        message = await receive()
        if self._eof and message["type"] == "http.request":
            # PERF: the empty body of a request that is known to have none; a task for the next message cost 7 µs more.
            message = await receive()
        return message

    def _on_watched(self, task: asyncio.Task[Message]) -> None:
        if self._pending is not task:
            return
        self._pending = None
        if task.cancelled():
            return
        # Asked for in any case: asyncio complains of exceptions that nobody has seen.
        exc = task.exception()
        if self._watch_ended:
            return
        if exc is not None:
            self.set_exception(exc)
            self._wake_disconnect_waiters()
            return
        self.feed_message(task.result())
        self.watch_disconnect()

    # The buffer

    def _raise_exception(self) -> None:
        if self._exception is not None:
            raise self._exception

    def _wake(self) -> None:
        fed = self._fed
        if fed is not None and not fed.done():
            fed.set_result(None)

    async def _pull(self) -> None:
        """Wait until something more has arrived."""
        if self._exception is not None:
            await self._fail(self._exception)
        if self._reading:
            raise RuntimeError("Another task is reading the request's body already; read it in one task")
        self._reading = True
        try:
            if self._decoded is not None:
                self._feed_decoded()
            elif self._receive is None or self._pending is not None:
                self._fed = asyncio.get_running_loop().create_future()
                await self._fed
            else:
                self.feed_message(await self._receive())
        finally:
            self._reading = False
            if self._disconnect_waiters:
                self._wake_disconnect_waiters()
        if self._exception is not None:
            await self._fail(self._exception)

    async def _fail(self, exc: BaseException) -> NoReturn:
        if self.disconnected:
            # A handler that is cancelled when the client leaves is, before it sees anything else.
            await asyncio.sleep(0)
        raise exc

    def _take(self, n: int) -> bytes:
        """At most ``n`` bytes of what is buffered, in time proportional to them."""
        chunks = self._chunks
        taken: list[bytes] = []
        missing = n
        while chunks and missing:
            chunk, start = chunks[0], self._offset
            if len(chunk) - start > missing:
                self._offset = start + missing
                taken.append(chunk[start : self._offset])
                missing = 0
            else:
                chunks.popleft()
                self._offset = 0
                taken.append(chunk[start:] if start else chunk)
                missing -= len(chunk) - start
        self._size -= n - missing
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _take_all(self) -> bytes:
        return self._take(self._size)

    @staticmethod
    async def _iterate(read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
        while data := await read():
            yield data


def _end_of(separator: bytes, overlap: bytes, chunk: bytes, start: int) -> int | None:
    """Where in ``chunk`` the first separator ends, which may have begun in ``overlap``."""
    if overlap:
        seam = overlap + chunk[start : start + len(separator) - 1]
        position = seam.find(separator)
        if position >= 0:
            return start + position + len(separator) - len(overlap)
    position = chunk.find(separator, start)
    return None if position < 0 else position + len(separator)
