"""Tools for the tests of programs: everything runs in the test's own event loop, without sockets and threads."""

from __future__ import annotations

from framework.testing.websockets import WebSocketDenied, WebSocketSession, websocket

__all__ = ("WebSocketDenied", "WebSocketSession", "websocket")
