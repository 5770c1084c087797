"""All that `run_app` listens at: hosts, Unix paths and sockets, each of them one or several."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from framework.serving.sites import Site, bind_path, bind_tcp, given_socket

if TYPE_CHECKING:
    from framework.typedefs import PathLike

__all__ = ["Addresses", "announce", "announce_wait"]


class Addresses(NamedTuple):
    """Where to listen, as `run_app` is told."""

    host: str | Iterable[str] | None = None
    port: int | None = None
    path: PathLike | Iterable[PathLike] | None = None
    sock: socket.socket | Iterable[socket.socket] | None = None
    backlog: int = 128
    reuse_address: bool | None = None
    reuse_port: bool | None = None

    async def bind(self, sites: list[Site], default_port: int) -> None:
        """Listen everywhere. What is bound is added to ``sites`` one by one, for the caller to close in any case.

        Raises OSError, which names the address, and ValueError as `bind_tcp` and `bind_path`.
        """
        port = default_port if self.port is None else self.port
        for host in self._hosts():
            site = await bind_tcp(
                host, port, self.backlog, reuse_address=self.reuse_address, reuse_port=self.reuse_port
            )
            sites.append(site)
        for path in _listed(self.path, (str, os.PathLike)):
            sites.append(bind_path(path, self.backlog))  # noqa: PERF401
        sites.extend(given_socket(sock) for sock in _listed(self.sock, socket.socket))

    def _hosts(self) -> Iterable[str | None]:
        if self.host is not None:
            return _listed(self.host, str)
        if (self.path is None and self.sock is None) or self.port is not None:
            return [None]
        return []


def announce(sites: Iterable[Site], scheme: str, remark: str = "") -> str:
    """The message of a server that listens; aiohttp's, with a remark where there is more to say."""
    where = ", ".join(sorted(f"{scheme}://{site.authority}" for site in sites))
    return f"======== Running on {where}{remark} ========\n(Press CTRL+C to quit)"


def announce_wait(shutdown_timeout: float) -> str:
    """The message of a server that was told to stop, and waits for the requests that are left."""
    return (
        f"======== Waiting for requests to end, for {shutdown_timeout:g} seconds at most ========\n"
        f"(Press CTRL+C again to end at once)"
    )


def _listed(value: Any, single: type | tuple[type, ...]) -> list[Any]:
    """The items of a parameter that takes one or several."""
    if value is None:
        return []
    return [value] if isinstance(value, single) else list(value)
