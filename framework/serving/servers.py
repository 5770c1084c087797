"""The servers that `run_app` can use: which one, whether it is there, and how it is made."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import socket
    import ssl

    from framework.applications import Application
    from framework.serving.tls import CertificateFiles

__all__ = ["SERVERS", "ServerInLoop", "ServerOptions", "check_server", "make_server"]

#: The names of the servers, the default first.
SERVERS = ("uvicorn", "hypercorn", "granian")


class ServerInLoop(Protocol):
    """What `run_app` asks of a server: to serve in the running loop, and to start and stop when it is told to."""

    #: Whether `shutdown` waits no more; can be set at any time.
    force_exit: bool

    @property
    def exit_reason(self) -> BaseException | None:
        """What a handler raised to end the process: SystemExit or KeyboardInterrupt."""

    async def startup(self, sockets: list[socket.socket]) -> None:
        """Accept connections."""

    async def main_loop(self) -> None:
        """Serve, until a handler asks for the end of the process."""

    async def shutdown(self, sockets: list[socket.socket]) -> None:
        """Stop listening, run ``on_shutdown``, wait for the handlers, cancel those that are left."""


class ServerOptions(NamedTuple):
    """How to serve. All of it can be handed to another process, but for a context."""

    server: str = "uvicorn"
    http2: bool = False
    shutdown_timeout: float = 60.0
    keepalive_timeout: float = 75.0
    backlog: int = 128
    ssl_context: ssl.SSLContext | None = None
    certificate: CertificateFiles | None = None

    @property
    def scheme(self) -> str:
        """What URLs begin with."""
        return "http" if self.ssl_context is None and self.certificate is None else "https"


def check_server(options: ServerOptions) -> None:
    """Raise what can be known before anything has begun.

    Raises:
        ValueError: there is no such server, or it cannot do what it is asked for.
        ImportError: its package is missing. The message says how to install it.
    """
    name = options.server
    if name not in SERVERS:
        raise ValueError(f"run_app(server={name!r}): the servers are {', '.join(map(repr, SERVERS))}")
    if name == "granian" and options.ssl_context is not None:
        raise ValueError(
            "granian cannot use an ssl_context, which is Python's: give run_app() the files instead, "
            "ssl_certfile='cert.pem', ssl_keyfile='key.pem', or server='uvicorn'"
        )
    if name == "granian" and options.certificate is not None and options.certificate.password is not None:
        raise ValueError(
            "granian ends its process at every encrypted key (2.8): decrypt it, openssl pkey -in key.pem -out "
            "decrypted.pem, or use server='uvicorn'"
        )
    module, install = _NEEDED.get((name, options.http2)) or _NEEDED[name, False]
    try:
        importlib.import_module(module)
    except ImportError as exc:
        what = f"run_app(server={name!r}{', http2=True' if options.http2 else ''})"
        raise ImportError(f"{what} needs packages that are not there: pip install '{install}' ({exc})") from exc


# What is imported for each, and what to install. hypercorn and granian need nothing more for HTTP/2.
_NEEDED = {
    ("uvicorn", False): ("framework.serving.server", "asgi-framework"),
    ("uvicorn", True): ("framework.serving.http2", "asgi-framework[http2]"),
    ("hypercorn", False): ("framework.serving.hypercorn_server", "asgi-framework[hypercorn]"),
    ("granian", False): ("framework.serving.granian_server", "asgi-framework[granian]"),
}


def make_server(app: Application, options: ServerOptions, access_log: Any) -> ServerInLoop:
    """The server for an application that was started; its cleanup is the caller's to run.

    Raises OSError and ValueError for a certificate that can no longer be used.
    """
    if access_log is not None:
        # The servers call it with applications that they have wrapped.
        access_log.prepare(app)
    shared: dict[str, Any] = {
        "on_shutdown": app.shutdown,
        "shutdown_timeout": options.shutdown_timeout,
        "keepalive_timeout": options.keepalive_timeout,
        "backlog": options.backlog,
        "access_log": access_log,
    }
    if options.server == "granian":
        from framework.serving.granian_server import GranianServer

        return GranianServer(app, certificate=options.certificate, http2=options.http2, **shared)
    context = _ssl_context(options)
    if options.server == "hypercorn":
        from framework.serving.hypercorn_server import HypercornServer

        return HypercornServer(app, ssl_context=context, **shared)
    from framework.serving.server import Server

    server = Server(app, ssl_context=context, **shared)
    if context is not None:
        from framework.serving.tls_scope import tell_of_tls

        tell_of_tls(server.config)
    if options.http2:
        from framework.serving.http2 import protocol_factory

        server.config.http_protocol_class = protocol_factory(server.config.http_protocol_class)  # type: ignore[assignment]
    return server


def _ssl_context(options: ServerOptions) -> ssl.SSLContext | None:
    context = options.ssl_context
    if options.certificate is not None:
        from framework.serving.tls import offer_http2

        context = options.certificate.make_context()
        offer_http2(context, options.http2)
    elif context is not None and options.http2:
        from framework.serving.tls import offer_http2

        offer_http2(context, options.http2)
    return context
