"""The way of a response body to the server: the sender of ``http.response.start`` and what follows it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Final

from framework.sansio.codings import ContentEncoder
from framework.streams import ClientConnectionResetError
from framework.typedefs import Scope, Send

__all__ = ("TURN_SIZE", "FileDescriptor", "ResponseWriter", "direct_send")

#: After how many bytes of a body, at the latest, the event loop turns.
TURN_SIZE: Final = 2**16

#: Versions of the HTTP spec in which `send` does nothing for a client that has gone.
_SILENT_VERSIONS: Final = frozenset({"2.0", "2.1", "2.2", "2.3"})

#: The most bytes that are compressed in the event loop; more go to a thread.
_ENCODED_IN_LOOP: Final = 4096


class FileDescriptor(int):
    """The ``file`` of ``http.response.zerocopysend``.

    The specification wants an object with a file descriptor, which some servers take for the descriptor itself, as
    `os.sendfile` does, and others for something with ``fileno()``.
    """

    __slots__ = ()

    def fileno(self) -> int:
        """The descriptor."""
        return int(self)


def direct_send(scope: Scope, send: Send) -> Send | None:
    """``send``, where what it gives can be handed to a program in place of a coroutine; else None.

    That is where it is a coroutine function, and does not raise what would have to be translated: from spec version
    2.4 on, OSError once the client has gone.
    """
    code = getattr(send, "__code__", None)
    if code is None or not code.co_flags & inspect.CO_COROUTINE:
        return None
    return send if scope["asgi"].get("spec_version", "2.0") in _SILENT_VERSIONS else None


class ResponseWriter:
    """What ``await response.prepare(request)`` gives: the body's way out, once the headers are sent.

    Args:
        send: the ASGI callable.
        is_disconnected: whether the client is known to have gone.
        watch: called now and then while the body is sent, so that somebody finds out whether the client has gone.
        length: what remains of the declared Content-Length in bytes, None where none is declared.
        empty: whether the response has no body whatever is written (HEAD, 204, 304).
        encoder: what compresses the body.
        has_trailers: whether trailers follow the body.
    """

    _encoder: ContentEncoder | None = None
    _eof = False
    #: Whether the body is followed by trailers.
    has_trailers = False
    #: How many bytes of the body were sent.
    output_size = 0
    _until_turn = TURN_SIZE

    def __init__(
        self,
        send: Send,
        *,
        is_disconnected: Callable[[], bool],
        watch: Callable[[], None],
        length: int | None,
        empty: bool,
        encoder: ContentEncoder | None = None,
        has_trailers: bool = False,
    ) -> None:
        self._send = send
        self._is_disconnected = is_disconnected
        self._watch = watch
        self._length = length
        self._empty = empty
        if encoder is not None:
            self._encoder = encoder
        #: Whether the body goes to the server as it is written.
        self.is_plain = length is None and encoder is None and not empty
        if has_trailers:
            self.has_trailers = True

    @property
    def ended(self) -> bool:
        """Whether the last piece of the body was sent, or is being sent."""
        return self._eof

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the status and the headers."""
        message: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
        if self.has_trailers:
            message["trailers"] = True
        try:
            await self._send(message)
        except OSError as exc:
            raise ClientConnectionResetError("Cannot write to closing transport") from exc

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Send a piece of the body and wait until the server takes more.

        Raises `ClientConnectionResetError` when the client has gone.
        """
        if self._is_disconnected():
            raise ClientConnectionResetError("Cannot write to closing transport")
        if chunk.__class__ is not bytes:
            chunk = bytes(chunk)
        if not self.is_plain:
            chunk = await self._prepare(chunk)
        if chunk:
            self.output_size += len(chunk)
            # PERF: not by `_send_message`: where pieces cannot be handed to the server directly, its frame is 0.2 µs.
            try:
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            except OSError as exc:
                raise ClientConnectionResetError("Cannot write to closing transport") from exc
        self._until_turn -= len(chunk)
        if self._until_turn <= 0 or not chunk:
            await self.turn()

    async def turn(self) -> None:
        """Let the event loop turn, and with it learn whether the client has gone.

        The server's `send` need not suspend: for a client that has gone it returns at once, and a program that goes on
        writing would keep the loop to itself for ever.
        """
        self._until_turn = TURN_SIZE
        self._watch()
        await asyncio.sleep(0)

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Send the last piece of the body and end the response."""
        if self._eof:
            return
        self._eof = True
        if not self.is_plain:
            chunk = await self._prepare(bytes(chunk), last=True)
        elif type(chunk) is not bytes:
            chunk = bytes(chunk)
        self.output_size += len(chunk)
        try:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": False})
        except OSError as exc:
            raise ClientConnectionResetError("Cannot write to closing transport") from exc

    async def write_trailers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the trailers that were announced, after the end of the body."""
        await self._send_message({"type": "http.response.trailers", "headers": headers, "more_trailers": False})

    async def send_path(self, path: str, size: int) -> None:
        """Have the server send a file as the whole body and end the response.

        For servers with the extension ``http.response.pathsend``. ``path`` is absolute, ``size`` in bytes.
        """
        self._eof = True
        self.output_size += size
        await self._send_message({"type": "http.response.pathsend", "path": path})

    async def send_file(self, file: int, offset: int, count: int, *, more_body: bool = False) -> None:
        """Have the server send ``count`` bytes of an open file, from ``offset`` on.

        For servers with the extension ``http.response.zerocopysend``. ``file`` is a file descriptor; without
        ``more_body`` the response ends.
        """
        self._eof = not more_body
        self.output_size += count
        await self._send_message(
            {
                "type": "http.response.zerocopysend",
                "file": FileDescriptor(file),
                "offset": offset,
                "count": count,
                "more_body": more_body,
            }
        )

    async def drain(self) -> None:
        """Nothing to wait for: `write` returns when the server takes more."""

    async def _prepare(self, chunk: bytes, *, last: bool = False) -> bytes:
        """What is sent for ``chunk``: compressed, and cut where the declared length ends."""
        if self._empty:
            return b""
        encoder = self._encoder
        if encoder is not None:
            if len(chunk) > _ENCODED_IN_LOOP:
                chunk = await asyncio.to_thread(encoder.encode, chunk)
            elif chunk:
                chunk = encoder.encode(chunk)
            if last:
                chunk += encoder.finish()
        # What exceeds the declared length would be read as the next response (RFC 9112, section 6.3).
        if self._length is not None:
            chunk = chunk[: self._length]
            self._length -= len(chunk)
        return chunk

    async def _send_message(self, message: dict[str, object]) -> None:
        try:
            await self._send(message)
        except OSError as exc:
            # ASGI spec version 2.4: send() raises OSError once the client has gone.
            raise ClientConnectionResetError("Cannot write to closing transport") from exc
