"""One request to an application in the caller's own loop, and its response while it is sent.

The application runs in a task of its own, as under a server, and this is the server: it pulls the request's body when
the application receives, holds the application back when the client does not read, and tells it when the client has
gone. Nothing here knows the client's library.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections import deque
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import Final

from framework.testing.messages import MessageChecker
from framework.testing.stacks import stack_of
from framework.typedefs import ASGIApp, Message, Scope

__all__ = ("Exchange", "ResponseCut", "Silence")

#: Bytes that the client has not read from which on `send` waits, as under uvicorn.
_HIGH_WATER: Final = 65536

#: What a piece of the body counts beside its bytes, so that empty pieces do not run away.
_OVERHEAD: Final = 64

#: Rounds of the event loop that an application has to return after its last message, or after the client has left.
#: Middlewares with tasks of their own need some; an application that waits for something longer goes on by itself.
_ROUNDS: Final = 50

_FILE_MESSAGES: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})

#: Bytes that are read from a file at a time.
_FILE_PIECE: Final = 65536


class ResponseCut(Exception):
    """The application has ended without ending its response."""


class Silence(Exception):
    """The application has sent nothing for too long."""


class Exchange:
    """One request and its response.

    Args:
        app: the application.
        scope: what it is called with.
        body: the pieces of the request's body; bytes for one in a single message.
        reported: exceptions that the application has answered by itself with a 500, filled while it runs.
    """

    def __init__(
        self, app: ASGIApp, scope: Scope, body: bytes | AsyncIterable[bytes], reported: list[BaseException]
    ) -> None:
        self.scope = scope
        #: What ``http.response.start`` said, once it was sent.
        self.start: Message | None = None
        #: Whether the response tells of a failure: a 500 that the application has made of an exception.
        self.failed_first = False
        #: The trailers, as they come.
        self.trailers: list[tuple[bytes, bytes]] = []
        #: Messages of the extensions that the scope offers, by their type.
        self.side_messages: dict[str, list[Message]] = {}
        self._app = app
        self._body = body
        self._reported = reported
        self._checker = MessageChecker(scope, strict=False)
        self._raises = scope["asgi"].get("spec_version", "2.0") not in {"2.0", "2.1", "2.2", "2.3"}
        self._empty = scope["method"] == "HEAD"
        self._missing: int | None = None
        # Towards the client
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._violation: BaseException | None = None
        self._body_error: BaseException | None = None
        self._news = asyncio.Event()
        self._read = asyncio.Event()
        # Towards the application
        self._request_ended = False
        self._over = asyncio.Event()
        #: Whether the client has gone before the response was complete.
        self.client_left = False
        self._asked = asyncio.Event()
        self._pulled: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._unwanted = False
        self._context = contextvars.copy_context()
        self.task = asyncio.create_task(self._call(), name=f"{scope['method']} {scope['path']}")
        self.task.add_done_callback(self._note_return)

    async def _call(self) -> None:
        await self._app(self.scope, self._receive, self._send)

    def _note_return(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            # What asyncio would else complain of, wherever another failure comes first.
            task.exception()
        self._news.set()
        self._stop_pump()

    # What the application calls

    async def _receive(self) -> Message:
        if self._over.is_set():
            return {"type": "http.disconnect"}
        if not self._request_ended:
            if isinstance(self._body, bytes):
                self._request_ended = True
                return {"type": "http.request", "body": self._body, "more_body": False}
            message = await self._next_piece(self._body)
            if message is not None:
                return message
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _next_piece(self, body: AsyncIterable[bytes]) -> Message | None:
        """The next piece of the request's body, None for a client that has left."""
        if self._pump is None:
            # One task for all of the body, in the client's context, as the program that sends it would have.
            self._pump = asyncio.get_running_loop().create_task(self._upload(body), context=self._context)
        self._asked.set()
        while not self._pulled:
            if self._over.is_set():
                return None
            self._arrived.clear()
            await self._arrived.wait()
        message = self._pulled.popleft()
        self._request_ended = not message["more_body"]
        return message

    async def _upload(self, body: AsyncIterable[bytes]) -> None:
        """Hand over the pieces of the request's body, each when the application asks for it."""
        pieces = aiter(body)
        try:
            await self._asked.wait()
            async for piece in pieces:
                if not piece:
                    continue
                self._asked.clear()
                self._hand_over(piece, more_body=True)
                await self._asked.wait()
        except BaseException as exc:
            if self._unwanted and isinstance(exc, asyncio.CancelledError):
                return
            self._body_error = exc
            self.leave()
            if not isinstance(exc, Exception | asyncio.CancelledError):
                raise
        else:
            self._hand_over(b"", more_body=False)
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    def _hand_over(self, piece: bytes, *, more_body: bool) -> None:
        self._pulled.append({"type": "http.request", "body": piece, "more_body": more_body})
        self._arrived.set()

    async def _send(self, message: Message) -> None:
        # Before the message counts: whoever reads meanwhile would find the end of the body, and nothing before it.
        pieces = await _read_file(message)
        while self._unread > _HIGH_WATER and not self.client_left:
            self._read.clear()
            await self._read.wait()
        if self.client_left:
            if self._raises:
                # From spec version 2.4 on; servers of earlier ones say nothing.
                raise OSError("The client has left")
            return
        try:
            self._checker.check(message)
            kind = message["type"]
            if kind == "http.response.start":
                self._begin(message)
            elif kind == "http.response.body":
                self._add(message.get("body", b""))
            elif kind == "http.response.trailers":
                self.trailers.extend(message.get("headers", ()))
            elif kind in _FILE_MESSAGES:
                for piece in pieces:
                    self._add(piece)
            else:
                self.side_messages.setdefault(kind, []).append(message)
            if self._checker.body_ended and self._missing and not self._empty:
                raise AssertionError(f"ASGI: the body is {self._missing} bytes shorter than its Content-Length")
        except AssertionError as exc:
            # Remembered, as the application may well answer it with a 500 of its own.
            self._violation = self._violation or exc
            raise
        finally:
            self._news.set()
        if self._checker.ended:
            # As under uvicorn, also where the request was not read to its end.
            self._end()

    def _begin(self, message: Message) -> None:
        self.start = message
        self.failed_first = bool(self._reported) or self._violation is not None
        status = message["status"]
        # RFC 9110, section 6.4.1: what has no content whatever its headers say.
        self._empty = self._empty or status in {204, 304} or 100 <= status < 200
        for name, value in message.get("headers", ()):
            if name.lower() == b"content-length":
                self._missing = int(value)

    def _add(self, piece: bytes) -> None:
        if self._empty:
            return
        if self._missing is not None:
            self._missing -= len(piece)
            if self._missing < 0:
                raise AssertionError(f"ASGI: the body is {-self._missing} bytes longer than its Content-Length")
        self._pieces.append(piece)
        self._unread += len(piece) + _OVERHEAD

    # What the client calls

    async def until_started(self, timeout: float | None) -> None:
        """Wait for the head of the response, or for the end of an application that sends none.

        Raises `Silence` after ``timeout`` seconds, and what the request's own body has raised.
        """
        try:
            await self._until(lambda: self.start is not None or self.task.done(), timeout)
        except BaseException:
            # The client was cancelled, or has lost its patience.
            self.leave()
            raise
        if self.failed_first:
            await self.settle()

    async def next_piece(self, timeout: float | None) -> bytes | None:
        """The next piece of the response's body, as it was sent; None where there are no more. Raises as above."""
        await self._until(lambda: bool(self._pieces) or self._checker.ended or self.task.done(), timeout)
        if self._pieces:
            piece = self._pieces.popleft()
            self._unread -= len(piece) + _OVERHEAD
            self._read.set()
            return piece
        await self.settle()
        return None

    async def _until(self, ready: Callable[[], bool], timeout: float | None) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not ready() and self._body_error is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise Silence(
                f"The application sent nothing for {timeout:g} seconds. It stands here:\n{stack_of(self.task)}"
            ) from None
        if self._body_error is not None:
            await self.settle()
            raise self._body_error

    @property
    def complete(self) -> bool:
        """Whether the response was sent to its end."""
        return self._checker.ended

    @property
    def failure(self) -> BaseException | None:
        """What the application has raised, has answered with a 500 of its own, or has sent against the rules."""
        if self._reported:
            return self._reported[0]
        if self._violation is not None:
            return self._violation
        if not self.task.done():
            return None
        if self.task.cancelled():
            return RuntimeError("The application's task was cancelled")
        raised = self.task.exception()
        if raised is None and not self._checker.ended and not self.client_left:
            sent = "without a response" if self.start is None else "without ending its response"
            return ResponseCut(f"The application has returned {sent}")
        return raised

    def leave(self) -> None:
        """The client goes: the application is told so."""
        if not self._over.is_set():
            self.client_left = True
            self._end()

    async def settle(self) -> None:
        """Give the application some rounds of the loop to return, without waiting for what takes longer."""
        for _ in range(_ROUNDS):
            if self.task.done() and (self._pump is None or self._pump.done()):
                break
            await asyncio.sleep(0)

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """What still runs."""
        return {task for task in (self.task, self._pump) if task is not None and not task.done()}

    def _end(self) -> None:
        """From now on the application receives ``http.disconnect``."""
        self._over.set()
        self._arrived.set()
        self._read.set()
        self._news.set()
        self._stop_pump()
        # An asynchronous generator that nobody refers to any more is closed.
        self._body = b""

    def _stop_pump(self) -> None:
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._unwanted = True
            self._pump.cancel()


async def _read_file(message: Message) -> list[bytes]:
    """What a message has a server send of a file; nothing of one that the checker will complain of."""
    kind = message.get("type")
    if kind == "http.response.pathsend" and "path" in message:
        return [await asyncio.to_thread(Path(message["path"]).read_bytes)]
    if kind != "http.response.zerocopysend" or "file" not in message:
        return []
    file, offset, count = message["file"], message.get("offset"), message.get("count")
    if not isinstance(file, int):
        file = file.fileno()
    position = os.lseek(file, 0, os.SEEK_CUR) if offset is None else offset
    left = os.fstat(file).st_size - position if count is None else count
    pieces = []
    while left > 0 and (piece := await asyncio.to_thread(os.pread, file, min(left, _FILE_PIECE), position)):
        pieces.append(piece)
        position += len(piece)
        left -= len(piece)
    return pieces
