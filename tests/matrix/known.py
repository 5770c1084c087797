"""What is known to fail, and why: the footnotes of the table in docs/servers.md."""

from __future__ import annotations

from dataclasses import dataclass

from tests.matrix.checks import Check
from tests.matrix.servers import Server

__all__ = ("KNOWN", "Known", "known_failure")


@dataclass(frozen=True)
class Known:
    """A failure of servers that the application can do nothing about.

    Args:
        servers: names of rows.
        column: where it shows.
        checks: which of the column's.
        reason: what the server does, in a sentence.
        version: the server's, that it was seen with.
        issue: the server's own issue, "" where none was found.
        racy: whether it passes now and then.
        breaks: whether the server is of no use afterwards.
    """

    servers: tuple[str, ...]
    column: str
    checks: tuple[str, ...]
    reason: str
    version: str
    issue: str = ""
    racy: bool = False
    breaks: bool = False


#: The checks of the column websocket that need an accepted socket.
ACCEPTED = ("echo", "empty messages", "subprotocol", "the client's close code", "the application's close code")
DENIED = ("denied: status and headers", "denied: body")
ALSO_OVER = ("over HTTP/2 and 3 as well",)

KNOWN = [
    Known(
        ("uvicorn h2",),
        "websocket",
        (*ACCEPTED, *DENIED, *ALSO_OVER),
        "zttp offers WebSockets over HTTP/2 since this issue, and uvicorn has none yet: a handshake (extended "
        "CONNECT, RFC 8441) arrives as a request of the method CONNECT, and is answered with 405. Chromium, which is "
        "told so, does not ask again over HTTP/1.1.",
        "uvicorn 0.54.0",
        "https://github.com/Kludex/zttp/issues/277",
    ),
    Known(
        ("run_app h2",),
        "websocket",
        ALSO_OVER,
        "run_app does not offer what does not work: clients open a connection for HTTP/1.1, where WebSockets work.",
        "uvicorn 0.54.0",
        "https://github.com/Kludex/zttp/issues/277",
    ),
    Known(
        ("granian h2", "run_app granian h2"),
        "websocket",
        ALSO_OVER,
        "WebSockets are not offered over HTTP/2, so clients open a connection for HTTP/1.1, where they work.",
        "granian 2.8.7",
    ),
    Known(
        ("gunicorn asgi h2",),
        "websocket",
        ALSO_OVER,
        "WebSockets are not offered over HTTP/2, so clients open a connection for HTTP/1.1, where they work.",
        "gunicorn 27.0.1",
    ),
    Known(
        ("gunicorn asgi h1", "gunicorn asgi h2"),
        "websocket",
        DENIED,
        "There is no websocket.http.response: a response that denies a handshake becomes a 403 without a body.",
        "gunicorn 27.0.1",
    ),
    Known(
        ("daphne",),
        "websocket",
        DENIED,
        "There is no websocket.http.response: a response that denies a handshake becomes a 403 without a body.",
        "daphne 4.2.3",
        "https://github.com/django/daphne/issues/486",
    ),
    Known(
        ("daphne",),
        "websocket",
        ("empty messages",),
        "Empty messages are not sent.",
        "daphne 4.2.3",
    ),
    Known(
        ("daphne",),
        "websocket",
        ("the application's close code",),
        "The code of a close arrives, its reason does not.",
        "daphne 4.2.3",
        "https://github.com/django/daphne/issues/374",
    ),
    Known(
        ("hypercorn h1", "hypercorn h2", "run_app hypercorn h1", "run_app hypercorn h2"),
        "websocket",
        ("the client's close code",),
        "Every end of the client's has the code 1006.",
        "hypercorn 0.18.0",
        "https://github.com/pgjones/hypercorn/issues/127",
    ),
    Known(
        ("hypercorn h3",),
        "websocket",
        ("the client's close code",),
        "Every end of the client's has the code 1006; and where the client ends the stream after its close frame, as "
        "browsers do, KeyError is raised as it is for uploads, with the same consequence.",
        "hypercorn 0.18.0",
        "https://github.com/pgjones/hypercorn/issues/127",
        breaks=True,
    ),
    Known(
        ("anycorn h3",),
        "websocket",
        ("the client's close code",),
        "The close frame of the client is not answered, and the application is told nothing.",
        "anycorn 0.20.1",
    ),
    Known(
        ("hypercorn h2", "run_app hypercorn h2"),
        "upload",
        ("413 before all of the body is sent",),
        "What a client still sends for a request that has been answered raises KeyError, which closes the connection, "
        "with all else that it carries.",
        "hypercorn 0.18.0",
        "https://github.com/pgjones/hypercorn/pull/365",
        racy=True,
    ),
    Known(
        ("hypercorn h3",),
        "upload",
        ("413 before all of the body is sent",),
        "What a client still sends for a request that has been answered raises KeyError, as it does over HTTP/2, and "
        "from then on the process answers nothing over HTTP/3.",
        "hypercorn 0.18.0",
        "https://github.com/pgjones/hypercorn/pull/365",
        racy=True,
        breaks=True,
    ),
    Known(
        ("hypercorn h3",),
        "disconnect",
        (
            "wait_for_disconnection() returns",
            "handler_cancellation cancels",
            "a connection that ends",
            "write() raises",
            "read() raises",
        ),
        "The application is told neither of a stream that the client resets nor of the end of its connection; what is "
        "sent to a reset stream raises an error of aioquic's.",
        "hypercorn 0.18.0",
        "https://github.com/pgjones/hypercorn/issues/352",
    ),
    Known(
        ("anycorn h3",),
        "disconnect",
        ("a connection that ends",),
        "The application is told of a stream that the client resets, but not of the end of its connection.",
        "anycorn 0.20.1",
    ),
    Known(
        ("hypercorn h3",),
        "trailers",
        ("arrive",),
        "The trailers are sent, but not the end of the stream after them: clients wait for it.",
        "hypercorn 0.18.0",
    ),
    Known(
        ("anycorn h3",),
        "trailers",
        ("arrive",),
        "The trailers are sent, but not the end of the stream after them: clients wait for it.",
        "anycorn 0.20.1",
    ),
    Known(
        ("hypercorn h1", "hypercorn h2", "hypercorn h3"),
        "SIGTERM",
        ("no accepted request is lost",),
        "Now and then a connection is closed when a request on it has begun. scripts/shutdown-under-load counts them.",
        "hypercorn 0.18.0",
        racy=True,
    ),
    Known(
        ("hypercorn h2",),
        "SIGTERM",
        ("on_shutdown runs before the wait", "the exit code is 0, or the signal's"),
        "Now and then the wait is ended by the ssl.SSLError of a client that sends while its connection is closed "
        "(APPLICATION_DATA_AFTER_CLOSE_NOTIFY), and the command does not end.",
        "hypercorn 0.18.0",
        racy=True,
    ),
    Known(
        ("anycorn h1", "anycorn h2", "anycorn h3"),
        "SIGTERM",
        ("no accepted request is lost",),
        "A connection is closed before the last of what was written to it has been sent, over HTTP/3 at once: the "
        "response that is under way then is cut off.",
        "anycorn 0.20.1",
        racy=True,
    ),
    Known(
        ("anycorn h2", "anycorn h3"),
        "SIGTERM",
        ("on_shutdown runs before the wait",),
        "It runs before, but the connection of the request that waits for it is closed.",
        "anycorn 0.20.1",
        racy=True,
    ),
    Known(
        ("anycorn h2",),
        "SIGTERM",
        ("the exit code is 0, or the signal's",),
        "Now and then an ssl.SSLError of a connection that is being closed (PROTOCOL_IS_SHUTDOWN) ends the worker, "
        "with exit code 1 and without cleanup.",
        "anycorn 0.20.1",
        racy=True,
    ),
    Known(
        ("anycorn h2",),
        "lifespan",
        ("on_shutdown and cleanup after the last request",),
        "Not where the end of a TLS connection ends the worker: see SIGTERM.",
        "anycorn 0.20.1",
        racy=True,
    ),
    Known(
        ("daphne",),
        "upload",
        ("413 before all of the body is sent",),
        "The application is called when the body is there, all of it.",
        "daphne 4.2.3",
    ),
    Known(
        ("daphne",),
        "stream",
        ("pieces are read as they arrive",),
        "The application is called when the body is there, all of it.",
        "daphne 4.2.3",
    ),
    Known(
        ("daphne",),
        "disconnect",
        ("read() raises",),
        "The application is called when the body is there, all of it: never for a client that leaves before.",
        "daphne 4.2.3",
    ),
    Known(
        ("daphne",),
        "lifespan",
        ("startup before the first request", "on_shutdown and cleanup after the last request"),
        "There is no lifespan: the first request starts the application, and nothing ends it.",
        "daphne 4.2.3",
        "https://github.com/django/daphne/issues/264",
    ),
    Known(
        ("daphne",),
        "SIGTERM",
        ("no accepted request is lost", "on_shutdown runs before the wait"),
        "Connections are closed at once, and the requests on them are lost.",
        "daphne 4.2.3",
    ),
]


def known_failure(server: Server, check: Check) -> Known | None:
    """The entry for a check of a server, None where it has to pass."""
    for known in KNOWN:
        if server.name in known.servers and check.column == known.column and check.name in known.checks:
            return known
    return None
