"""Tools for the tests of programs: everything runs in the test's own event loop, without threads.

`client` gives an httpx client of an application, `websocket` a WebSocket to it, `server` a real server on a free port,
and `Driver` the ASGI messages themselves.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from framework.testing.clients import ASGITransport, Client, client
    from framework.testing.drivers import Driver
    from framework.testing.fixtures import ClientFactory, ServerFactory
    from framework.testing.lifespans import lifespan
    from framework.testing.messages import MessageChecker
    from framework.testing.servers import LiveServer, server
    from framework.testing.websockets import WebSocketDenied, WebSocketSession, websocket

__all__ = (
    "ASGITransport",
    "Client",
    "ClientFactory",
    "Driver",
    "LiveServer",
    "MessageChecker",
    "ServerFactory",
    "WebSocketDenied",
    "WebSocketSession",
    "client",
    "lifespan",
    "server",
    "websocket",
)

# Loaded when asked for: the client needs httpx, the server uvicorn, and the driver neither.
_MODULES: Final = {
    "ASGITransport": "clients",
    "Client": "clients",
    "ClientFactory": "fixtures",
    "Driver": "drivers",
    "LiveServer": "servers",
    "MessageChecker": "messages",
    "ServerFactory": "fixtures",
    "WebSocketDenied": "websockets",
    "WebSocketSession": "websockets",
    "client": "clients",
    "lifespan": "lifespans",
    "server": "servers",
    "websocket": "websockets",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
