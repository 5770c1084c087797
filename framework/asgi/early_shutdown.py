"""Hearing early that a server stops: before it waits for its connections, and not after.

ASGI has one word for the end, ``lifespan.shutdown``, and servers say it when every connection has gone. An
application that is to close its WebSockets and end its event streams in time has to learn of it otherwise:

- by the signal. uvicorn, gunicorn's workers, granian and `hypercorn --workers 0` have a handler for SIGTERM and
  SIGINT in the process that serves. It is called as ever, and the application hears of the signal besides. A signal
  without a handler of Python's (SIG_DFL, SIG_IGN) stays as it is, and where SIGTERM has none nothing is touched: a
  program that only has Ctrl+C is no server that ends by signals.
- by the server's own event. hypercorn's worker processes get no signal. The ``send`` of their requests is a method of
  an object that has the worker's context, and its event for the end.

Where neither is there, ``lifespan.shutdown`` it remains.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.typedefs import Send

__all__ = ("ServerEnd",)

logger = logging.getLogger("framework.web")

#: What servers stop for; SIGBREAK is Ctrl+Break of Windows.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))


class ServerEnd:
    """Calls back, in the running loop, when the server that runs it begins to stop.

    Args:
        begin: called then, once.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin: Callable[[], None] | None = begin
        self._loop = asyncio.get_running_loop()
        # Not that of the code which a signal happens to interrupt.
        self._context = contextvars.copy_context()
        #: What was installed here, and what it calls, by signal.
        self._handlers: dict[int, tuple[Callable[[int, FrameType | None], None], Callable[..., Any]]] = {}
        self._watch: asyncio.Task[None] | None = None

    def listen_to_signals(self) -> bool:
        """Hear of the signals that the server has a handler for; whether it has any."""
        if threading.current_thread() is not threading.main_thread():
            # Signals are the main thread's, and so is a server that handles them.
            return False
        if not _is_handled(signal.SIGTERM):
            return False
        for number in _SIGNALS:
            if _is_handled(number):
                self._chain(number)
        return True

    def _chain(self, number: int) -> None:
        before: Any = signal.getsignal(number)

        def hear(number: int, frame: FrameType | None) -> None:
            try:
                before(number, frame)
            finally:
                # Also where it raises what ends the process.
                self._hear()

        signal.signal(number, hear)
        if hasattr(signal, "siginterrupt"):
            # As loop.add_signal_handler() has set it, which signal.signal() undoes: system calls go on.
            signal.siginterrupt(number, False)
        self._handlers[number] = hear, before

    def _hear(self) -> None:
        if self._begin is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, context=self._context)

    def _tell(self) -> None:
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()

    def listen_to_context(self, send: Send) -> bool:
        """Hear of the end from the server's own context, if it has one; whether it has.

        Args:
            send: what the server has given with a scope.
        """
        # The names are public ones of hypercorn 0.14 to 0.18 and of anycorn, and nowhere documented. Nothing that is
        # says it in time; a version without them is one that tells by lifespan.shutdown only.
        context = getattr(getattr(send, "__self__", None), "context", None)
        wait = getattr(getattr(context, "terminated", None), "wait", None)
        if self._begin is None or not inspect.iscoroutinefunction(wait):
            return False
        self._watch = self._loop.create_task(self._wait_for(wait), context=self._context)
        return True

    async def _wait_for(self, wait: Callable[[], Awaitable[object]]) -> None:
        try:
            await wait()
        except Exception:
            logger.debug("the server's event for its end cannot be waited for", exc_info=True)
        else:
            self._tell()

    def stop(self) -> None:
        """Hear of nothing more, and give signals back."""
        self._begin = None
        for number, (own, before) in self._handlers.items():
            # Not where somebody else has taken it since, who may call this one: it goes on calling the one before.
            if signal.getsignal(number) is own:
                signal.signal(number, before)
                if hasattr(signal, "siginterrupt"):
                    signal.siginterrupt(number, False)
        self._handlers.clear()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


def _is_handled(number: int) -> bool:
    """Whether a signal has a handler that somebody has written."""
    handler = signal.getsignal(number)
    return callable(handler) and handler is not signal.default_int_handler
