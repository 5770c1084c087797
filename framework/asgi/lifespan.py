"""The ``lifespan`` scope: the server starts and stops the application."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from framework.typedefs import Receive, Scope, Send

if TYPE_CHECKING:
    from framework.applications import Application

__all__ = ("serve_lifespan",)


async def serve_lifespan(app: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Run startup when the server says so, and shutdown and cleanup when it ends.

    What startup or cleanup raise is logged with its traceback and told to the server, which exits for a failed
    startup.
    """
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await app.start()
            except Exception as exc:
                app.logger.exception("Application startup failed")
                await send({"type": "lifespan.startup.failed", "message": _last_line(exc)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            try:
                await app.close()
            except Exception as exc:
                app.logger.exception("Application shutdown failed")
                await send({"type": "lifespan.shutdown.failed", "message": _last_line(exc)})
                return
            await send({"type": "lifespan.shutdown.complete"})
            return


def _last_line(exc: Exception) -> str:
    return "".join(traceback.format_exception_only(exc)).strip()
