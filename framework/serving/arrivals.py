"""Connections and octets that the system has taken for a server, and the server has not seen yet.

The system accepts connections by itself and queues them, and keeps what arrives on them until it is read. A server
that closes its listening sockets has the queue reset, and one that closes a connection with unread octets has these
lost: requests that clients have every reason to believe delivered. So, before either is closed, the system is told to
take no more, where it can be told, and the loop is left to take what is there.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import select
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed import HasFileno

__all__ = ["accept_all", "hold_back", "with_unread"]

# <asm-generic/socket.h>; the socket module does not name it.
_SO_ATTACH_FILTER = 26

# A classic BPF program over the TCP header, which is what filters of listening sockets see: a segment with SYN and
# without ACK, which would begin a connection, is dropped. What belongs to connections that have begun passes, also on
# the sockets of accepted connections, which inherit the filter.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # A = flags
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # if A == SYN:
    (0x06, 0, 0, 0),  #     drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass all of it
)

# A queue that was empty so many rounds of the loop in a row has no connection in it, and the loop has none either:
# from accept() to a transport it takes asyncio two rounds.
_QUIET_ROUNDS = 3

# How long the queue may take to become empty, in seconds. Without a filter it may never do.
_LONGEST = 1.0


def hold_back(sock: socket.socket) -> None:
    """Have the system begin no more connections for a listening TCP socket; those that it has begun can be accepted.

    To a client it looks as if its first packet was lost: it sends it again after a second, and is refused by then, or
    served by another process. Nobody else may accept from the socket afterwards. Only on Linux; elsewhere nothing
    happens, and a connection that arrives in the moment of closing is reset.
    """
    if sys.platform != "linux" or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    program = array.array("B", b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN))
    address, length = program.buffer_info()
    # An event loop's own idea of a socket may have no setsockopt. OSError: closed, or a system that is not quite Linux.
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length // 8, address))


async def accept_all(sockets: Sequence[HasFileno], *, hurry: Callable[[], bool] = lambda: False) -> None:
    """Let the loop, which listens on ``sockets``, accept all connections that wait. Close them right afterwards.

    Args:
        sockets: the listening sockets.
        hurry: whether there is no more time for that.
    """
    deadline = time.monotonic() + _LONGEST
    quiet = 0
    while quiet < _QUIET_ROUNDS and time.monotonic() < deadline and not hurry():
        await asyncio.sleep(0)
        quiet = 0 if with_unread(sockets) else quiet + 1


def with_unread(sockets: Iterable[HasFileno]) -> set[int]:
    """The descriptors of the sockets that have something to read, or to accept, right now."""
    if not hasattr(select, "poll"):
        return set()
    poll = select.poll()
    found = False
    for sock in sockets:
        number = sock.fileno()
        if number >= 0:
            poll.register(number, select.POLLIN)
            found = True
    return {number for number, _ in poll.poll(0)} if found else set()
