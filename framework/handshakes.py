"""A ``websocket`` scope before and after it is accepted: the only reader and writer of ``websocket.*`` messages.

Until a handler accepts the handshake it is an HTTP request like any other, and may be answered with a response, which
denies it. `WebSocketHandshake` therefore speaks both languages: ``http.*`` messages towards the request and its
response, and to the server what the scope allows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import MutableSet
from typing import Any, Final

from framework.streams import ClientConnectionResetError
from framework.typedefs import Message, Receive, Scope, Send

__all__ = ("WebSocketHandshake", "handshake_of")

#: How much is kept of what a client sends while a handler only sends, in messages and in bytes.
_BACKLOG_LENGTH: Final = 64
_BACKLOG_SIZE: Final = 2**20

#: Where the scope that a request is made with keeps its handshake.
_KEY: Final = "framework.handshake"

#: What those who observe from outside read in a scope when the application was called.
_NAMES_FOR_OBSERVERS: Final = ("route", "endpoint", "path_params")


class WebSocketHandshake:
    """The conversation with the server about one WebSocket.

    Args:
        scope: the ASGI scope, of type ``websocket``.
        receive, send: the ASGI callables; ``websocket.connect`` was received already.
        opened: where a socket that was accepted is put, for those who close all of them.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, opened: MutableSet[Any]) -> None:
        #: What a request is made with: the scope with a method, and this.
        self.http_scope: Scope = {**scope, "method": "GET", _KEY: self}
        #: The server's own receive. Who awaits it must first look at `pending`.
        self.receive = receive
        self.accepted = False
        #: Whether the client is known to have gone, or the socket was closed.
        self.disconnected = False
        #: A call of `receive` that has begun: its message is the next one after those of `backlog`.
        self.pending: asyncio.Future[Message] | None = None
        #: Messages that were received while nobody asked for them.
        self.backlog: deque[Message] = deque()
        self._backlog_size = 0
        self._scope = scope
        self._send = send
        self._opened = opened
        self._socket: Any = None
        self._may_respond = "websocket.http.response" in (scope.get("extensions") or ())
        self._denied = False
        self._body_received = False
        self._gone: asyncio.Future[None] | None = None

    # As an HTTP request

    async def receive_http(self) -> Message:
        """The request's ``receive``: an empty body, and then nothing but the end of the client to hear of."""
        if not self._body_received:
            self._body_received = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while not self.accepted and not self.disconnected:
            pending = self.start_receiving()
            await asyncio.wait({pending})
            if not self.accepted and pending.result()["type"] == "websocket.disconnect":
                self.note_disconnect()
        if not self.disconnected:
            # From now on the messages belong to the accepted socket.
            if self._gone is None:
                self._gone = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._gone)
        return {"type": "http.disconnect"}

    async def send_http(self, message: Message) -> None:
        """The request's ``send``: a response denies the handshake.

        Where the server has the extension ``websocket.http.response`` it is sent; else the socket is closed before it
        was accepted, which servers turn into a 403.
        """
        self._tell_observers()
        if self._may_respond:
            await self._send({**message, "type": f"websocket.{message['type']}"})
        elif not self._denied:
            self._denied = True
            await self._send({"type": "websocket.close"})

    def hand_over(self) -> tuple[Scope, Receive, Send]:
        """Scope, receive and send for another ASGI application, which has the conversation from its beginning.

        Until it has answered, a response can still deny the handshake.
        """
        # Messages are its own from now on.
        self.accepted = True
        connected = told = False

        async def receive() -> Message:
            nonlocal connected
            if not connected:
                connected = True
                return {"type": "websocket.connect"}
            return await (self.next_message(None) if self.pending is not None or self.backlog else self.receive())

        async def send(message: Message) -> None:
            nonlocal told
            if not told:
                told = True
                self._tell_observers()
            await self._send(message)

        return self._scope, receive, send

    def _tell_observers(self) -> None:
        """Name the route in the server's own scope, which the one of the request is a copy of."""
        for name in _NAMES_FOR_OBSERVERS:
            if name in self.http_scope:
                self._scope[name] = self.http_scope[name]

    # As a WebSocket

    async def accept(self, socket: Any, subprotocol: str | None, headers: list[tuple[bytes, bytes]]) -> Send:
        """Accept the handshake for ``socket``, and give the server's own send."""
        self._tell_observers()
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers})
        self.accepted = True
        self._socket = socket
        self._opened.add(socket)
        return self._send

    async def send(self, message: Message) -> None:
        """Send a message; `ClientConnectionResetError` where the client has gone."""
        if self.disconnected:
            raise ClientConnectionResetError("Cannot write to closing transport")
        try:
            await self._send(message)
        except (OSError, RuntimeError) as exc:
            # Spec version 2.4 has OSError for a client that has gone; servers raise RuntimeError for what comes after
            # the end of a socket, of which nobody has told us yet.
            self.note_disconnect()
            raise ClientConnectionResetError("Cannot write to closing transport") from exc

    def start_receiving(self) -> asyncio.Future[Message]:
        """Begin to receive the next message, unless that has begun."""
        if self.pending is None:
            self.pending = asyncio.ensure_future(self._receive())
        return self.pending

    async def _receive(self) -> Message:
        return await self.receive()

    async def next_message(self, timeout: float | None) -> Message:
        """The next message; TimeoutError after ``timeout`` seconds, which loses none."""
        if self.backlog:
            message = self.backlog.popleft()
            self._backlog_size -= _size(message)
            return message
        pending = self.start_receiving()
        await asyncio.wait({pending}, timeout=timeout)
        if not pending.done():
            raise TimeoutError
        self.pending = None
        return pending.result()

    def keep_pending(self) -> bool:
        """Put the message that has come into the backlog, so that the next one can be received.

        False where there is no room for it: 64 messages and 1 MiB are kept.
        """
        if self.pending is None or len(self.backlog) >= _BACKLOG_LENGTH or self._backlog_size > _BACKLOG_SIZE:
            return False
        message, self.pending = self.pending.result(), None
        self.backlog.append(message)
        self._backlog_size += _size(message)
        return True

    def note_disconnect(self) -> None:
        """Remember that the socket is at its end."""
        self.disconnected = True
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def finish(self) -> None:
        """Give back what is held; called when the handler has ended."""
        self._tell_observers()
        self._opened.discard(self._socket)
        if self.pending is not None:
            self.pending.cancel()
        if self._gone is not None:
            self._gone.cancel()


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or ())


def handshake_of(scope: Scope) -> WebSocketHandshake | None:
    """The handshake of a request's scope; None for a request that asks for no WebSocket."""
    return scope.get(_KEY)
