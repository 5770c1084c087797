"""Sites: where a runner listens."""

from __future__ import annotations

import asyncio
import os
import socket
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from framework.serving.arrivals import accept_all, hold_back
from framework.serving.sites import Site, bind_path, given_socket

if TYPE_CHECKING:
    import ssl

    from framework.serving.runners import BaseRunner
    from framework.typedefs import PathLike

__all__ = ["BaseSite", "NamedPipeSite", "SockSite", "TCPSite", "UnixSite"]

_DEFAULT_TIMEOUT = 60.0
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BaseSite(ABC):
    """A place to listen at. Made after the runner's setup; started and stopped any number of times.

    Args:
        runner: whose application answers.
        shutdown_timeout: deprecated: the runner has it.
        ssl_context: speak TLS, with exactly this context.
        backlog: connections that the system may queue until they are accepted.

    Raises:
        RuntimeError: the runner was not set up.
    """

    def __init__(
        self,
        runner: BaseRunner,
        *,
        shutdown_timeout: float = _DEFAULT_TIMEOUT,
        ssl_context: ssl.SSLContext | None = None,
        backlog: int = 128,
    ) -> None:
        runner.find_server()
        if shutdown_timeout != _DEFAULT_TIMEOUT:
            # Shown for the line that made the site: this class is abstract.
            warnings.warn(
                "A site's shutdown_timeout is deprecated: give it to the runner", DeprecationWarning, stacklevel=3
            )
            runner.shutdown_timeout = shutdown_timeout
        self._runner = runner
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._server: asyncio.AbstractServer | None = None

    @property
    def _scheme(self) -> str:
        return "http" if self._ssl_context is None else "https"

    @property
    @abstractmethod
    def name(self) -> str:
        """Where it listens, as a URL."""

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The sockets that listen; none before the start and after the stop."""
        return getattr(self._server, "sockets", None) or ()

    @abstractmethod
    async def start(self) -> None:
        """Begin to listen.

        Raises:
            RuntimeError: it listens already, or an earlier start failed and it was not stopped since.
            OSError: it cannot listen there.
        """
        self._runner.add_site(self)

    async def stop(self) -> None:
        """Listen no more; connections that are open, and those that wait to be accepted, go on.

        RuntimeError for a site that was not started, or is stopped.
        """
        self._runner.check_site(self)
        server = self._server
        try:
            if server is not None:
                await accept_all(self.sockets)
        finally:
            self._server = None
            if server is not None:
                server.close()
            self._runner.remove_site(self)


class TCPSite(BaseSite):
    """Listens at a TCP port.

    Args:
        runner: whose application answers.
        host: a name or an address. Default: all interfaces.
        port: default 8080, with `ssl_context` 8443; 0 for a free one.
        shutdown_timeout: deprecated: the runner has it.
        ssl_context: speak TLS, with exactly this context.
        backlog: connections that the system may queue until they are accepted.
        reuse_address: SO_REUSEADDR. Default: as the system needs it.
        reuse_port: SO_REUSEPORT, to let several processes share a port.
    """

    def __init__(
        self,
        runner: BaseRunner,
        host: str | None = None,
        port: int | None = None,
        *,
        shutdown_timeout: float = _DEFAULT_TIMEOUT,
        ssl_context: ssl.SSLContext | None = None,
        backlog: int = 128,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
    ) -> None:
        super().__init__(runner, shutdown_timeout=shutdown_timeout, ssl_context=ssl_context, backlog=backlog)
        self._host = host
        self._port = port if port is not None else (8080 if ssl_context is None else 8443)
        self._bound_port: int | None = None
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port

    @property
    def port(self) -> int:
        """The port; for port 0 the real one, once the site has started."""
        return self._port if self._bound_port is None else self._bound_port

    @property
    def name(self) -> str:
        """Where it listens, as a URL. The port is left out where the scheme says it."""
        return _url(self._scheme, self._host or "0.0.0.0", self.port)  # noqa: S104 (shown, not bound)

    async def start(self) -> None:
        """Begin to listen, at every address that the host stands for. Raises as `BaseSite.start`."""
        await super().start()
        self._server = server = await asyncio.get_running_loop().create_server(
            self._runner.find_server(),
            self._host or None,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            reuse_address=self._reuse_address,
            reuse_port=self._reuse_port,
        )
        self._bound_port = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for sock in self.sockets:
            # They were made here, and nobody else has them.
            hold_back(sock)
        await super().stop()


class UnixSite(BaseSite):
    """Listens at a Unix socket. A socket that an earlier process left there is replaced; `stop` removes this one.

    Args:
        runner: whose application answers.
        path: where the socket is.
        shutdown_timeout: deprecated: the runner has it.
        ssl_context: speak TLS, with exactly this context.
        backlog: connections that the system may queue until they are accepted.
    """

    def __init__(
        self,
        runner: BaseRunner,
        path: PathLike,
        *,
        shutdown_timeout: float = _DEFAULT_TIMEOUT,
        ssl_context: ssl.SSLContext | None = None,
        backlog: int = 128,
    ) -> None:
        super().__init__(runner, shutdown_timeout=shutdown_timeout, ssl_context=ssl_context, backlog=backlog)
        self._path = path
        self._bound: Site | None = None

    @property
    def name(self) -> str:
        """Where it listens, as ``http://unix:/path:``."""
        return f"{self._scheme}://unix:{os.fspath(self._path)}:"

    async def start(self) -> None:
        """Begin to listen. Raises as `BaseSite.start`, and ValueError on a system without Unix sockets."""
        await super().start()
        self._bound = bound = bind_path(self._path, self._backlog)
        (sock,) = bound.sockets
        self._server = await asyncio.get_running_loop().create_unix_server(
            self._runner.find_server(), sock=sock, ssl=self._ssl_context, backlog=self._backlog
        )

    async def stop(self) -> None:
        """Listen no more, and remove the path if it is still the one that was bound here."""
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.hold_back()
        await super().stop()
        if bound is not None:
            bound.close()


class SockSite(BaseSite):
    """Listens on a bound stream socket that the program has made; `stop` closes it.

    Args:
        runner: whose application answers.
        sock: the socket.
        shutdown_timeout: deprecated: the runner has it.
        ssl_context: speak TLS, with exactly this context.
        backlog: connections that the system may queue until they are accepted.
    """

    def __init__(
        self,
        runner: BaseRunner,
        sock: socket.socket,
        *,
        shutdown_timeout: float = _DEFAULT_TIMEOUT,
        ssl_context: ssl.SSLContext | None = None,
        backlog: int = 128,
    ) -> None:
        super().__init__(runner, shutdown_timeout=shutdown_timeout, ssl_context=ssl_context, backlog=backlog)
        self._sock = sock
        address = sock.getsockname()
        if isinstance(address, tuple):
            self._name = _url(self._scheme, address[0], address[1])
        else:
            self._name = f"{self._scheme}://unix:{os.fsdecode(address)}:"

    @property
    def name(self) -> str:
        """Where it listens, as a URL."""
        return self._name

    async def start(self) -> None:
        """Begin to listen. Raises as `BaseSite.start`, and ValueError for a socket that is none of streams."""
        await super().start()
        if self._sock.type == socket.SOCK_STREAM:
            given_socket(self._sock)
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.find_server(), sock=self._sock, ssl=self._ssl_context, backlog=self._backlog
        )


class NamedPipeSite(BaseSite):
    """aiohttp's site for the named pipes of Windows. uvicorn serves none: making one raises RuntimeError."""

    def __init__(self, runner: BaseRunner, path: str, *, shutdown_timeout: float = _DEFAULT_TIMEOUT) -> None:
        raise RuntimeError(
            f"NamedPipeSite({path!r}) cannot be served: uvicorn has no named pipes; use TCPSite(runner, '127.0.0.1')"
        )

    @property
    def name(self) -> str:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError


def _url(scheme: str, host: str, port: int) -> str:
    # RFC 3986, section 3.2.2: an IPv6 address stands in brackets.
    authority = f"[{host}]" if ":" in host else host
    return f"{scheme}://{authority}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{authority}:{port}"
