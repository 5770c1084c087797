"""The lifespan of an application under test: started before the first request, stopped after the last."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from framework.testing.messages import MessageChecker
from framework.testing.stacks import stack_of
from framework.typedefs import ASGIApp, Message

__all__ = ("Lifespan", "lifespan")

#: Seconds after which a startup or a shutdown fails its test.
_TIMEOUT: Final = 10.0


class Lifespan:
    """The ``lifespan`` scope of one application, in a task of its own.

    Args:
        app: the application, this framework's or a foreign one.
        state: what is shared with requests as ``scope["state"]``.
        timeout: seconds that startup and shutdown may take; None for any time.
    """

    def __init__(self, app: ASGIApp, state: dict[str, Any], *, timeout: float | None = _TIMEOUT) -> None:
        self.state = state
        self._app = app
        self._timeout = timeout
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._received = False
        self._task: asyncio.Task[None] | None = None
        self._raised: BaseException | None = None

    async def startup(self) -> None:
        """Start the application.

        Does nothing where it does not know lifespans: where it raises or returns before it has received anything.
        Raises what its startup raised, RuntimeError where only a message is known, and TimeoutError.
        """
        scope: dict[str, Any] = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        checker = MessageChecker(scope)

        async def send(message: Message) -> None:
            checker.check(message)
            if message["type"].endswith(".failed"):
                # ASGI has only a message for it; but whoever sends this is handling the exception.
                self._raised = sys.exception()
            self._from_app.put_nowait(message)

        async def call() -> None:
            await self._app(scope, self._receive, send)

        self._task = asyncio.create_task(call(), name="lifespan")
        self._to_app.put_nowait({"type": "lifespan.startup"})
        await self._expect("startup")

    async def shutdown(self) -> None:
        """Stop the application; raises as `startup` does."""
        if self._task is None:
            return
        if not self._task.done():
            self._to_app.put_nowait({"type": "lifespan.shutdown"})
        await self._expect("shutdown")

    async def _receive(self) -> Message:
        self._received = True
        return await self._to_app.get()

    async def _expect(self, part: str) -> None:
        """Wait for the end of ``part``, and raise what went wrong in it."""
        task = self._task
        assert task is not None  # noqa: S101 - for the type checker: both callers have set it
        answer = asyncio.ensure_future(self._from_app.get())
        try:
            await asyncio.wait({answer, task}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            message = answer.result() if answer.done() else None
        finally:
            answer.cancel()
        if message is None and not task.done():
            stack = stack_of(task)
            await self._abandon()
            raise TimeoutError(f"The application's {part} did not end within {self._timeout:g} seconds:\n{stack}")
        if message is not None and message["type"] == f"lifespan.{part}.complete":
            if part == "shutdown" and (raised := await self._finish()) is not None:
                raise raised
            return
        # It has failed: the task ends, by itself or with the exception.
        raised = await self._finish()
        if self._raised is not None:
            raise self._raised
        if raised is not None and self._received:
            raise raised
        if message is not None:
            raise RuntimeError(f"The application's {part} failed: {message.get('message') or message['type']}")
        # Else it does not know lifespans, or has ended early, which ASGI allows.

    async def _finish(self) -> BaseException | None:
        """Wait until the application returns; what it raised."""
        task, self._task = self._task, None
        if task is None:
            return None
        await asyncio.wait({task}, timeout=self._timeout)
        if not task.done():
            stack = stack_of(task)
            self._task = task
            await self._abandon()
            raise TimeoutError(f"The application's lifespan did not return within {self._timeout:g} seconds:\n{stack}")
        return None if task.cancelled() else task.exception()

    async def _abandon(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=1)


@asynccontextmanager
async def lifespan(
    app: ASGIApp, *, state: dict[str, Any] | None = None, timeout: float | None = _TIMEOUT
) -> AsyncIterator[dict[str, Any]]:
    """Start an application, and stop it on the way out; `client` and `server` do so by themselves.

        async with testing.lifespan(app) as state:
            ...

    Args:
        app: the application, this framework's or a foreign one; one that does not know lifespans is left alone.
        state: what requests shall find in ``scope["state"]``, where the application adds to it.
        timeout: seconds that startup and shutdown may take; None for any time.

    Gives the state. Raises what the application's startup raised, or its shutdown; TimeoutError.
    """
    running = Lifespan(app, {} if state is None else state, timeout=timeout)
    await running.startup()
    try:
        yield running.state
    finally:
        await running.shutdown()
