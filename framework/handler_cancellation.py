"""Cancelling a handler whose client has left: aiohttp's ``handler_cancellation=True``, for an application or one route.

What is cancelled is the task that the server answers the request in, as in aiohttp: the handler, its middlewares, and
what is done to send the response get `asyncio.CancelledError` from what they await. Others cancel that task as well
(a server that goes down) or inside of it (`asyncio.timeout`, `asyncio.TaskGroup`); `Task.cancelling` counts them, and
tells at the end whether nobody did but the client.
"""

from __future__ import annotations

import asyncio
from functools import update_wrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.responses import StreamResponse
    from framework.typedefs import Handler

__all__ = ("HandlerCancellation", "cancel_with_client")


class HandlerCancellation:
    """Watches the client of a request, and cancels the task that answers it when the client leaves.

    Args:
        request: the request, which calls `cancel` when it finds its client gone.
        task: the task, which runs now.
    """

    __slots__ = ("_cancelled", "_cancelling", "_request", "_soon", "_task", "_watching", "ended")

    def __init__(self, request: Request, task: asyncio.Task[object]) -> None:
        self._request = request
        self._task = task
        #: How often others had asked the task to cancel.
        self._cancelling = task.cancelling()
        self._cancelled = False
        self._watching = False
        #: The next step, of watching or of cancelling.
        self._soon: asyncio.Handle | None = None
        #: Whether `end` was called: nothing is cancelled any more.
        self.ended = False

    def watch(self) -> None:
        """Watch the client from the event loop's next turn on.

        PERF: handlers that are done before it turns, and with it the client could be found gone, go without the task
        that watches: 7 µs.
        """
        if not self._watching:
            self._soon = asyncio.get_running_loop().call_soon(self._begin_watching)

    def rest(self) -> None:
        """Do not begin to watch before `watch` is called again."""
        if not self._watching and self._soon is not None:
            self._soon.cancel()

    def _begin_watching(self) -> None:
        self._watching = True
        self._request.watch_client()

    def cancel(self) -> None:
        """Cancel the task, unless that was done."""
        if self.ended or self._cancelled:
            return
        if asyncio.current_task() is self._task:
            # Not from inside: a task that cancels itself ends as cancelled even where it returns and awaits nothing.
            self._watching = True
            if self._soon is not None:
                self._soon.cancel()
            self._soon = asyncio.get_running_loop().call_soon(self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = self._task.cancel()

    def end(self) -> bool:
        """Take the cancellation back, and tell whether it was the only one that the task got.

        A second call gives False.
        """
        self.ended = True
        if self._soon is not None:
            self._soon.cancel()
        if not self._cancelled:
            return False
        self._cancelled = False
        return self._task.uncancel() <= self._cancelling


def cancel_with_client(chain: Handler) -> Handler:
    """``chain``, a handler inside its middlewares, to be cancelled when the client leaves before it is answered."""

    async def call(request: Request) -> StreamResponse:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("handler_cancellation=True needs a server that runs requests in asyncio tasks")
        cancellation = request.cancellation = HandlerCancellation(request, task)
        cancellation.watch()
        try:
            return await chain(request)
        except asyncio.CancelledError:
            # What was to follow the handler's success has nothing to follow.
            request.background = None
            raise
        finally:
            # Sending the response watches again where it takes more than two messages.
            cancellation.rest()

    return update_wrapper(call, chain)
