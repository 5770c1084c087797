"""Cancelling a handler whose client has left: aiohttp's ``handler_cancellation=True``, for an application or one route.

What is cancelled is the task that the server answers the request in, as in aiohttp: the handler, its middlewares, and
what is done to send the response get `asyncio.CancelledError` from what they await. Others cancel that task as well
(a server that goes down) or inside of it (`asyncio.timeout`, `asyncio.TaskGroup`); `Task.cancelling` counts them, and
tells at the end whether nobody did but the client.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Generator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.responses import StreamResponse
    from framework.typedefs import Handler

__all__ = ("HandlerCancellation", "cancel_with_client")

#: Seconds that a handler has waited for something before its client is watched.
#: PERF: a timer that never goes off costs 4 µs, a task that waits for the server's message 14.
_DELAY: Final = 0.01


class HandlerCancellation:
    """Watches the client of a request, and cancels the task that answers it when the client leaves.

    The request has it, and calls `cancel` when it finds its client gone.
    """

    # PERF: not the request as well. What is thrown away in a circle waits for the garbage collector: 0.9 µs.
    __slots__ = ("_cancelled", "_cancelling", "_left", "_soon", "_task", "_watching", "ended")

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        #: How often others had asked the task to cancel.
        self._cancelling = 0
        self._watching = False
        self._left = False
        self._cancelled = False
        #: The next step, of watching or of cancelling.
        self._soon: asyncio.Handle | None = None
        #: Whether `end` was called: nothing is cancelled any more.
        self.ended = False

    def watch(self, request: Request) -> None:
        """Watch the client of the current task, once it has waited for a while."""
        if self._watching or self._soon is not None:
            return
        self._find_task()
        if self._left:
            self._watching = True
            self._soon = asyncio.get_running_loop().call_soon(self._cancel)
        else:
            self._soon = asyncio.get_running_loop().call_later(_DELAY, self._begin, request)

    def rest(self) -> None:
        """The task waits no more: do not begin to watch, unless that was done."""
        if not self._watching and self._soon is not None:
            self._soon.cancel()
            self._soon = None

    def _begin(self, request: Request) -> None:
        self._watching = True
        request.watch_client()

    def _find_task(self) -> None:
        if self._task is None:
            self._task = asyncio.current_task()
            if self._task is None:
                raise RuntimeError("handler_cancellation=True needs a server that answers requests in asyncio tasks")
            self._cancelling = self._task.cancelling()

    def cancel(self) -> None:
        """Cancel the task, unless that was done."""
        if self._left or self.ended:
            return
        self._left = True
        if self._task is None:
            # Its first step, in which it awaits nothing that could be cancelled.
            return
        self.rest()
        self._watching = True
        if self._task is asyncio.current_task():
            # Not from inside: a task that cancels itself ends as cancelled even where it just returns.
            self._soon = asyncio.get_running_loop().call_soon(self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._cancelled = self._task.cancel()

    def end(self) -> bool:
        """Take the cancellation back, and tell whether it was the only one that the task got.

        A second call gives False.
        """
        self.ended = True
        if self._soon is not None:
            self._soon.cancel()
        if not self._cancelled or self._task is None:
            return False
        self._cancelled = False
        return self._task.uncancel() <= self._cancelling


def cancel_with_client(chain: Handler) -> Handler:
    """``chain``, a handler inside its middlewares, to be cancelled when the client leaves before it is answered."""

    # PERF: the first step is made by hand. Where it is the last one, as in most handlers that wait for nothing, there
    # is nothing to cancel, and this costs 0.5 µs; 2.6 µs where the event loop is asked to begin with the watching.
    @types.coroutine
    def call(request: Request) -> Generator[Any, None, StreamResponse]:
        cancellation = request.cancellation = HandlerCancellation()
        answer: Any = chain(request)
        # A coroutine as it is, so that one can see from outside what it waits for; a View is an awaitable.
        steps: Any = answer if isinstance(answer, types.CoroutineType) else answer.__await__()
        try:
            awaited = steps.send(None)
        except StopIteration as end:
            response: StreamResponse = end.value
            return response
        cancellation.watch(request)
        try:
            return (yield from _resume(steps, awaited))
        except asyncio.CancelledError:
            # What was to follow the handler's success has nothing to follow.
            request.background = None
            raise
        finally:
            cancellation.rest()

    return update_wrapper(call, chain)


@types.coroutine
def _resume(steps: Generator[Any, None, StreamResponse], awaited: Any) -> Generator[Any, None, StreamResponse]:
    """The rest of ``steps``, whose first one has ended in waiting for ``awaited``."""
    while True:
        try:
            yield awaited
        except BaseException as exc:
            try:
                awaited = steps.throw(exc)
            except StopIteration as end:
                response: StreamResponse = end.value
                return response
        else:
            return (yield from steps)
