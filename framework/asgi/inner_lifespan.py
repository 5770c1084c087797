"""The other side of the ``lifespan`` scope: an application inside this one, started and stopped as a server would."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from framework.typedefs import ASGIApp, Message, Scope

__all__ = ("INNER", "Lifespan", "LifespanError")

logger = logging.getLogger("framework.web")

#: The extension that says so in the scope: an application that is started in this way leaves signals to the outer one.
INNER: Final = "framework.inner_lifespan"

#: Seconds that an application has to return after it has answered the last message of its lifespan.
_LAST_STEPS: Final = 5.0


class LifespanError(RuntimeError):
    """An application says that its startup or its shutdown has failed."""


class Lifespan:
    """The lifespan of an ASGI application, as a server runs it.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._name = "The application"
        #: What the application leaves for its requests.
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._asked = ""
        self._answer: asyncio.Future[Message] | None = None

    async def start(self, name: str = "The application") -> None:
        """Have the application start; ``name`` is what errors call it.

        One that knows nothing of lifespans, and raises or returns without an answer, is left alone, as servers do.
        `LifespanError` where it says that its startup has failed.
        """
        self._name = name
        self.state.clear()
        self._to_app = asyncio.Queue()
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
            "extensions": {INNER: {}},
        }
        self._task = asyncio.create_task(self._run(scope))
        try:
            answer = await self._ask("lifespan.startup")
        except BaseException:
            await self._end(cancel=True)
            raise
        if answer is None or answer["type"] != "lifespan.startup.complete":
            cause = await self._end()
            if answer is not None:
                raise LifespanError(f"{self._name} failed to start: {_last_line(answer)}") from cause
            logger.info("%s does not take part in the lifespan", self._name, exc_info=cause)

    async def stop(self) -> None:
        """Have the application shut down, where it was started; `LifespanError` where it says that this has failed."""
        if self._task is None:
            return
        try:
            answer = await self._ask("lifespan.shutdown")
        except BaseException:
            await self._end(cancel=True)
            raise
        cause = await self._end()
        if answer is not None and answer["type"] != "lifespan.shutdown.complete":
            raise LifespanError(f"{self._name} failed to shut down: {_last_line(answer)}") from cause
        if answer is None and cause is not None:
            raise LifespanError(f"{self._name} failed to shut down: {cause!r}") from cause

    async def _run(self, scope: Scope) -> None:
        await self._app(scope, self._to_app.get, self._take)

    async def _take(self, message: Message) -> None:
        kind = message["type"]
        if (
            self._answer is None
            or self._answer.done()
            or kind not in {f"{self._asked}.complete", f"{self._asked}.failed"}
        ):
            # Some answer whatever they are called for, as if it were a request.
            raise RuntimeError(f"{self._name} sent {kind!r} in its lifespan")
        self._answer.set_result(message)

    async def _ask(self, kind: str) -> Message | None:
        """What the application answers to a message; None where it ends without an answer."""
        task = self._task
        if task is None or task.done():
            return None
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._asked = kind
        self._to_app.put_nowait({"type": kind})
        await asyncio.wait({task, answer}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None

    async def _end(self, *, cancel: bool = False) -> BaseException | None:
        """Wait until the application has returned, and give what it raised."""
        task, self._task = self._task, None
        if task is None:
            return None
        if not cancel:
            # It has said its last word; what is left is to return.
            await asyncio.wait({task}, timeout=_LAST_STEPS)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        return None if task.cancelled() else task.exception()


def _last_line(message: Message) -> str:
    # Starlette sends a whole traceback.
    lines = str(message.get("message", "")).strip().splitlines()
    return lines[-1].strip() if lines else "it does not say why"
