"""The rows: each server's own command, and the driver that speaks to it."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass

__all__ = ("SERVERS", "Server")

PROGRAM = "tests.matrix.program"
APP = f"{PROGRAM}:app"

RUN_APP = ("-m", PROGRAM, "--port", "{port}")
UVICORN = ("-m", "uvicorn", APP, "--host", "127.0.0.1", "--port", "{port}", "--no-access-log")
GUNICORN = ("-m", "gunicorn", APP, "--bind", "127.0.0.1:{port}")
GRANIAN = ("-m", "granian", "--interface", "asgi", APP, "--host", "127.0.0.1", "--port", "{port}")
UVICORN_TLS = ("--ssl-certfile", "{certfile}", "--ssl-keyfile", "{keyfile}")
TLS = ("--certfile", "{certfile}", "--keyfile", "{keyfile}")
GRANIAN_TLS = ("--ssl-certificate", "{certfile}", "--ssl-keyfile", "{keyfile}")
NOTHING: frozenset[str] = frozenset()
FILES = frozenset({"pathsend, zerocopysend"})
SIDE_MESSAGES = frozenset({"trailers", "early hints", "push"})

QUIC = (*TLS, "--quic-bind", "127.0.0.1:{port}")


@dataclass(frozen=True)
class Server:
    """A server in one configuration.

    Args:
        name: the row's name.
        protocol: what the driver speaks: 1 is HTTP/1.1 without TLS, 2 is HTTP/2 over TLS, 3 is HTTP/3.
        command: arguments of Python, with the fields ``port``, ``certfile`` and ``keyfile``.
        distributions: what has to be installed; the version of the first one is the row's.
        extensions: columns of extensions that it offers.
    """

    name: str
    protocol: int
    command: tuple[str, ...]
    distributions: tuple[str, ...] = ("uvicorn",)
    extensions: frozenset[str] = NOTHING

    @property
    def version(self) -> str:
        """Name and version of the server."""
        return f"{self.distributions[0]} {importlib.metadata.version(self.distributions[0])}"

    def missing(self) -> str:
        """Which of the distributions is not installed, "" where all are."""
        for name in self.distributions:
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                return name
        return ""

    def arguments(self, port: int, certfile: str, keyfile: str) -> list[str]:
        """The command for a subprocess."""
        fields = {"port": port, "certfile": certfile, "keyfile": keyfile}
        # -u: what it writes is read while it runs.
        return [sys.executable, "-u", *(part.format(**fields) for part in self.command)]


def _hypercorn_and_anycorn(name: str, files: frozenset[str]) -> list[Server]:
    command = ("-m", name, APP, "--bind", "127.0.0.1:{port}", "--graceful-timeout", "3")
    return [
        Server(f"{name} h1", 1, command, (name,), files),
        Server(f"{name} h2", 2, (*command, *TLS), (name, "h2"), files | SIDE_MESSAGES),
        Server(f"{name} h3", 3, (*command, *QUIC), (name, "aioquic"), files | SIDE_MESSAGES),
    ]


SERVERS = {
    server.name: server
    for server in [
        Server("run_app h1", 1, RUN_APP),
        Server(
            "run_app h2",
            2,
            (*RUN_APP, "--http2", *TLS),
            ("uvicorn", "zttp", "h2"),
            frozenset({"trailers", "early hints"}),
        ),
        Server("run_app hypercorn h1", 1, (*RUN_APP, "--server", "hypercorn"), ("hypercorn",)),
        Server(
            "run_app hypercorn h2",
            2,
            (*RUN_APP, "--server", "hypercorn", "--http2", *TLS),
            ("hypercorn", "h2"),
            SIDE_MESSAGES,
        ),
        Server("run_app granian h1", 1, (*RUN_APP, "--server", "granian"), ("granian",), FILES),
        Server("run_app granian h2", 2, (*RUN_APP, "--server", "granian", "--http2", *TLS), ("granian", "h2"), FILES),
        Server("uvicorn httptools", 1, (*UVICORN, "--http", "httptools"), ("uvicorn", "httptools")),
        Server("uvicorn h11", 1, (*UVICORN, "--http", "h11"), ("uvicorn", "h11")),
        Server(
            "uvicorn h2",
            2,
            (*UVICORN, "--http", "zttp", "--http2", *UVICORN_TLS),
            ("uvicorn", "zttp", "h2"),
            frozenset({"trailers", "early hints"}),
        ),
        *_hypercorn_and_anycorn("hypercorn", NOTHING),
        Server("granian h1", 1, GRANIAN, ("granian",), FILES),
        Server("granian h2", 2, (*GRANIAN, *GRANIAN_TLS), ("granian", "h2"), FILES),
        Server("gunicorn asgi h1", 1, (*GUNICORN, "-k", "asgi"), ("gunicorn",)),
        Server(
            "gunicorn asgi h2",
            2,
            (*GUNICORN, "-k", "asgi", "--http-protocols", "h2,h1", *TLS),
            ("gunicorn", "h2"),
            frozenset({"trailers"}),
        ),
        Server(
            "gunicorn uvicorn_worker",
            1,
            (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker"),
            ("gunicorn", "uvicorn-worker"),
        ),
        *_hypercorn_and_anycorn("anycorn", FILES),
        Server("daphne", 1, ("-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", APP), ("daphne",)),
    ]
}
