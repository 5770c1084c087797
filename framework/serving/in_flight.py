"""The requests that are being answered, for servers that do not tell of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from framework.request_ids import forget_request_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

__all__ = ["InFlight", "StoppedInOrder"]

logger = logging.getLogger("framework.server")

# How long cancelled handlers may take to clean up after themselves, in seconds; and in a hurry.
_CANCELLED_GRACE = 5.0
_HURRIED_GRACE = 1.0

# How long a connection that waits for a request is kept when the end has begun, in seconds.
_IDLE_PATIENCE = 0.1


class InFlight:
    """An ASGI application around another one, which knows what runs in it.

    Args:
        app: answers the requests.
        access_log: writes a line for each request; None for none.
    """

    def __init__(self, app: ASGIApp, access_log: Any) -> None:
        #: What a handler raised to end the process: SystemExit or KeyboardInterrupt.
        self.exit_reason: BaseException | None = None
        #: Set with `exit_reason`.
        self.exit_asked = asyncio.Event()
        #: Set it to have `run` and `finish` wait no more.
        self.hurry = asyncio.Event()
        #: Have responses of HTTP/1.1 say that they are the last of their connection (RFC 9112, section 9.6).
        self.closing = False
        self._app = app
        self._access_log = access_log
        self._tasks: set[asyncio.Task[Any]] = set()
        self._cancelled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Only ``http`` and ``websocket`` scopes."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (for the type checker: this runs in a coroutine)
        self._tasks.add(task)
        forget_request_id()
        started = False

        async def observed(message: Message) -> None:
            nonlocal started
            started = True
            if self.closing and message["type"] == "http.response.start" and scope["http_version"] != "2":
                headers = [(name, value) for name, value in message.get("headers", ()) if name != b"connection"]
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
            await send(message)

        try:
            if self._access_log is not None and self._access_log.enabled:
                await self._access_log.run(self._app, scope, receive, observed)
            else:
                await self._app(scope, receive, observed)
        except asyncio.CancelledError:
            # By `finish`: nobody is left to answer, nothing is to be logged.
            if not self._cancelled:
                raise
        except (SystemExit, KeyboardInterrupt) as exc:
            self.exit_reason = exc
            self.exit_asked.set()
            if not started:
                await _answer_unavailable(scope, send)
        finally:
            self._tasks.discard(task)

    async def let_connections_end(self) -> None:
        """Give connections that are in use the time for a last response.

        The next request may be on its way already when a server closes a connection that waits for it.
        """
        self.closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_PATIENCE):
                await self.hurry.wait()

    async def run(self, on_shutdown: Awaitable[None]) -> None:
        """Run ``on_shutdown``, and cancel it when `hurry` is set."""
        task = asyncio.ensure_future(on_shutdown)
        hurry = asyncio.ensure_future(self.hurry.wait())
        try:
            await asyncio.wait([task, hurry], return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
            task.cancel()
        if not task.done():
            logger.error("on_shutdown was cancelled: it was told to hurry")
            await asyncio.wait([task], timeout=_HURRIED_GRACE)
        if task.done() and not task.cancelled():
            task.result()

    async def finish(self, seconds: float) -> None:
        """Wait until no request is left, for ``seconds`` or until `hurry` is set; then cancel those that are."""
        hurry = asyncio.ensure_future(self.hurry.wait())
        try:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + seconds
            while self._tasks and not self.hurry.is_set() and (left := deadline - loop.time()) > 0:
                # An hour at a time: loops differ in how long a timer may be.
                waiting = {hurry, *self._tasks}
                await asyncio.wait(waiting, timeout=min(left, 3600), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
        if not self._tasks:
            return
        self._cancelled = True
        for task in self._tasks:
            task.cancel()
        patience = _HURRIED_GRACE if self.hurry.is_set() else _CANCELLED_GRACE
        await asyncio.wait(set(self._tasks), timeout=patience)
        if self._tasks:
            logger.error("%d request handlers did not end when they were cancelled", len(self._tasks))


class StoppedInOrder:
    """The part of a server that `run_app` asks while it stops.

    Args:
        requests: those that are being answered.
    """

    def __init__(self, requests: InFlight) -> None:
        self._requests = requests

    @property
    def exit_reason(self) -> BaseException | None:
        """What a handler raised to end the process: SystemExit or KeyboardInterrupt."""
        return self._requests.exit_reason

    @property
    def force_exit(self) -> bool:
        """Whether `shutdown` waits no more; can be set at any time."""
        return self._requests.hurry.is_set()

    @force_exit.setter
    def force_exit(self, value: bool) -> None:
        if value:
            self._requests.hurry.set()


async def _answer_unavailable(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1012})
        return
    await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
