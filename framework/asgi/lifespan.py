"""The ``lifespan`` scope: the server starts and stops the application."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from framework.typedefs import Receive, Send

if TYPE_CHECKING:
    import logging

__all__ = ("serve_lifespan",)


async def serve_lifespan(
    start: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
    logger: logging.Logger,
    receive: Receive,
    send: Send,
) -> None:
    """Run ``start`` when the server says so, and ``close``, which is shutdown and cleanup, when it ends.

    What startup or cleanup raise is logged with its traceback and told to the server, which exits for a failed
    startup.
    """
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await start()
            except Exception as exc:
                logger.exception("Application startup failed")
                await send({"type": "lifespan.startup.failed", "message": _last_line(exc)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            try:
                await close()
            except Exception as exc:
                logger.exception("Application shutdown failed")
                await send({"type": "lifespan.shutdown.failed", "message": _last_line(exc)})
                return
            await send({"type": "lifespan.shutdown.complete"})
            return


def _last_line(exc: Exception) -> str:
    return "".join(traceback.format_exception_only(exc)).strip()
