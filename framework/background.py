"""Work that goes on after the response: what `Request.add_background_task` collects and an application waits for."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ("BackgroundTasks",)

#: Seconds that tasks have to end when they are cancelled.
_CANCELLED_GRACE = 1.0


class BackgroundTasks:
    """The background tasks of an application that still run.

    Args:
        logger: where what they raise is logged.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        # asyncio itself keeps only weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, calls: Iterable[Callable[[], Any]]) -> None:
        """Run each of ``calls`` in a task of its own."""
        for call in calls:
            task = asyncio.ensure_future(self._run(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Callable[[], Any]) -> None:
        try:
            # A partial of a coroutine function counts as one, an instance with `async def __call__` does not.
            if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(_called(call)):
                await call()
            else:
                result = await asyncio.to_thread(call)
                if inspect.isawaitable(result):
                    await result
        except Exception:
            # Without the arguments: they may be large, and secret.
            self._logger.exception("Error in background task %r", getattr(call, "func", call))

    async def wait(self, timeout: float) -> None:
        """Wait until all have ended, also those that were started meanwhile.

        After ``timeout`` seconds those that still run are cancelled.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self._tasks and loop.time() < deadline:
            await asyncio.wait(self._tasks, timeout=deadline - loop.time())
            # Tasks leave the set in a callback of their own.
            await asyncio.sleep(0)
        if self._tasks:
            self._logger.error("%d background tasks did not end within %g s: they are cancelled", len(self), timeout)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=_CANCELLED_GRACE)


def _called(call: Callable[[], Any]) -> Any:
    return getattr(getattr(call, "func", call), "__call__", None)  # noqa: B004 - whether it is a coroutine function
