"""The way of a response body to the server: the sender of ``http.response.start`` and ``http.response.body``."""

from __future__ import annotations

from collections.abc import Callable

from framework.streams import ClientConnectionResetError
from framework.typedefs import Send

__all__ = ("ResponseWriter",)


class ResponseWriter:
    """What ``await response.prepare(request)`` gives: the body's way out, once the headers are sent.

    ``length`` is what remains of the declared Content-Length in bytes, None where none is declared; ``empty`` says
    that the response has no body whatever is written (HEAD, 204, 304).
    """

    def __init__(self, send: Send, *, length: int | None, empty: bool, is_disconnected: Callable[[], bool]) -> None:
        self._send = send
        self._length = length
        self._empty = empty
        self._is_disconnected = is_disconnected
        self._eof = False
        #: How many bytes of the body were sent.
        self.output_size = 0

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the status and the headers."""
        await self._send_message({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Send a piece of the body and wait until the server takes more.

        Raises `ClientConnectionResetError` when the client has gone.
        """
        if self._is_disconnected():
            raise ClientConnectionResetError("Cannot write to closing transport")
        data = self._clip(chunk)
        if data:
            await self._send_message({"type": "http.response.body", "body": data, "more_body": True})

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Send the last piece of the body and end the response."""
        if self._eof:
            return
        self._eof = True
        await self._send_message({"type": "http.response.body", "body": self._clip(chunk), "more_body": False})

    async def drain(self) -> None:
        """Nothing to wait for: `write` returns when the server takes more."""

    def _clip(self, chunk: bytes | bytearray | memoryview) -> bytes:
        if self._empty:
            return b""
        data = bytes(chunk)
        # What exceeds the declared length would be read as the next response (RFC 9112, section 6.3).
        if self._length is not None:
            data = data[: self._length]
            self._length -= len(data)
        self.output_size += len(data)
        return data

    async def _send_message(self, message: dict[str, object]) -> None:
        try:
            await self._send(message)
        except OSError as exc:
            # ASGI spec version 2.4: send() raises OSError once the client has gone.
            raise ClientConnectionResetError("Cannot write to closing transport") from exc
