"""uvicorn's connections: for how long one may still bring a request, and how it ends with its response.

uvicorn itself says nothing of a connection but what `shutdown` does to it, which closes whatever is idle. What is
looked at here are attributes of its protocols that are public and not documented: `app`, `cycle` (the request that was
begun last), `cycles` (HTTP/2's), `pipeline` (of httptools, the requests behind the one that is answered) and
`timeout_keep_alive_task` (the clock of an idle connection). A protocol that lacks them counts as one that has not had a
request yet.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "REQUEST_PATIENCE",
    "complete_denial",
    "end_with_response",
    "make_next_the_last",
    "patience",
    "socket_of",
]

# How long a connection is kept for a request that may be on its way, in seconds: one that had a response before, and
# one that owes the rest of its TLS handshake or of its request.
_IDLE_PATIENCE = 0.1
REQUEST_PATIENCE = 1.0


def patience(connection: Any) -> float | None:
    """How long a connection that waits for a request is kept, in seconds; None for one that answers a request."""
    cycle = getattr(connection, "cycle", None)
    if cycle is None:
        streams = getattr(connection, "cycles", None)
        return REQUEST_PATIENCE if streams is None else _IDLE_PATIENCE
    if not cycle.response_complete:
        return None
    if getattr(connection, "timeout_keep_alive_task", None) is None:
        # The beginning of another request has come.
        return REQUEST_PATIENCE
    return _IDLE_PATIENCE


def make_next_the_last(connection: Any) -> None:
    """Have a connection of HTTP/1.1 close after the response to the next request, and say so in it."""
    if hasattr(connection, "cycle"):
        connection.app = functools.partial(_answer_and_close, connection, connection.app)


async def _answer_and_close(connection: Any, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    if _says_close(connection):
        # For the request that has come last: those that were sent behind one another are all answered.
        end_with_response(connection)
        await app(scope, receive, send)
        return

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    await app(scope, receive, send_last)


def end_with_response(connection: Any) -> None:
    """Have a busy connection close after its response, where that can be said in the response."""
    # The others are given another request: a client that is not told would send one that nobody answers.
    if patience(connection) is None and _says_close(connection):
        connection.shutdown()


def _says_close(connection: Any) -> bool:
    """Whether a protocol adds ``Connection: close`` to its last response; uvicorn's over h11 does not."""
    return hasattr(connection, "pipeline")


def socket_of(connection: Any) -> Any:
    """The socket of a connection, None for what has none."""
    return connection.transport.get_extra_info("socket")


def complete_denial(send: Any) -> None:
    """Have uvicorn take a handshake that was denied with a response for complete.

    It would log an error, as for an application that has said nothing: a line of a client's making for each request
    with a wrong path.
    """
    connection: Any = getattr(send, "__self__", None)
    if getattr(connection, "initial_response", None) is not None and connection.close_sent:
        connection.handshake_complete = True
