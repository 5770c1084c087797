"""Where a server listens: TCP addresses, Unix paths and sockets that the caller has made."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple

from framework.serving.arrivals import hold_back

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Site", "bind_path", "bind_tcp", "given_socket"]

# An address family that this machine does not have, or has switched off.
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL}


class Site(NamedTuple):
    """One place to listen at: its bound sockets, and how to call it in a URL (the part after the scheme)."""

    sockets: Sequence[socket.socket]
    authority: str
    path: str | None = None
    inode: int | None = None
    #: Whether the sockets were made here, and nobody else accepts from them.
    is_own: bool = False

    def hold_back(self) -> None:
        """Before the end: let no more connections begin, as far as that is possible; those that wait can be accepted.

        A Unix path is removed. A socket that the program has made stays as it is: others may have it too.
        """
        if self.is_own:
            for sock in self.sockets:
                hold_back(sock)
        self._remove_path()

    def close(self) -> None:
        """Close the sockets, and remove the Unix path if it is still the one that was bound here."""
        for sock in self.sockets:
            sock.close()
        self._remove_path()

    def _remove_path(self) -> None:
        if self.path is not None:
            with contextlib.suppress(OSError):
                if os.stat(self.path).st_ino == self.inode:  # noqa: PTH116
                    os.unlink(self.path)  # noqa: PTH108


async def bind_tcp(
    host: str | None, port: int, backlog: int, *, reuse_address: bool | None, reuse_port: bool | None
) -> Site:
    """Listen at every address that `host` stands for; None and "" are all interfaces, IPv4 and IPv6.

    Args:
        host: a name or an address.
        port: 0 for a free one.
        backlog: connections that the system may queue until they are accepted.
        reuse_address: SO_REUSEADDR; None sets it where it only means "also in TIME_WAIT", which is not on Windows.
        reuse_port: SO_REUSEPORT, for several processes on one port.

    Raises:
        OSError: the name is unknown, the address is in use or not of this machine.
        ValueError: `reuse_port` on a system without it.
    """
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port is not supported on this system; leave it out")
    if reuse_address is None:
        reuse_address = os.name == "posix" and sys.platform != "cygwin"
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    skipped: OSError | None = None
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                sockets.append(_listen(family, kind, protocol, address, backlog, reuse_address, reuse_port))
            except OSError as exc:
                if exc.errno not in _NO_SUCH_FAMILY:
                    raise
                skipped = exc
        if not sockets:
            raise skipped or OSError(errno.EADDRNOTAVAIL, f"could not bind to any address of {host!r}")
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    # Port 0 has become a real one.
    bound_port = sockets[0].getsockname()[1]
    return Site(sockets, _authority(host or "0.0.0.0", bound_port), is_own=True)  # noqa: S104 (shown, not bound)


def _listen(
    family: int,
    kind: int,
    protocol: int,
    address: tuple[str | int, ...] | tuple[int, bytes],
    backlog: int,
    reuse_address: bool,
    reuse_port: bool | None,
) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        if reuse_address:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and hasattr(socket, "IPPROTO_IPV6"):
            # Else [::] would take the IPv4 addresses too, and binding 0.0.0.0 beside it would fail.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(address)
            # With SO_REUSEADDR, this is where the system finds a second socket of one's own at the same address.
            sock.listen(backlog)
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise OSError(exc.errno, f"error while attempting to bind on address {address!r}: {reason}") from None
    except BaseException:
        sock.close()
        raise
    return sock


def bind_path(path: str | os.PathLike[str], backlog: int) -> Site:
    """Listen at a Unix socket, `path`. A socket that an earlier process left there is replaced, any other file is not.

    Raises:
        OSError: something else is at `path`, or it cannot be created.
        ValueError: this system has no Unix sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError("path needs Unix sockets, which this system does not have; use host and port")
    name = os.fspath(path)
    # A name that begins with NUL is in Linux's abstract namespace, and no file.
    is_file = not name.startswith("\0")
    if is_file:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(name).st_mode):  # noqa: PTH116
                os.unlink(name)  # noqa: PTH108
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(name)
        sock.listen(backlog)
        inode = os.stat(name).st_ino if is_file else None  # noqa: PTH116
    except OSError as exc:
        sock.close()
        if exc.errno == errno.EADDRINUSE:
            raise OSError(exc.errno, f"address {name!r} is already in use") from None
        raise
    except BaseException:
        sock.close()
        raise
    return Site([sock], f"unix:{name}:", path=name if is_file else None, inode=inode)


def given_socket(sock: socket.socket) -> Site:
    """A bound stream socket that the caller has made."""
    name = sock.getsockname()
    if isinstance(name, tuple):
        # asyncio does this only where the socket was made with the protocol's number, which few do. Without it the
        # second of two small writes waits for the client to acknowledge the first, 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Site([sock], _authority(name[0], name[1]))
    return Site([sock], f"unix:{os.fsdecode(name)}:")


def _authority(host: str, port: int) -> str:
    # RFC 3986, section 3.2.2: an IPv6 address stands in brackets.
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
