"""What the system has taken for a server that closes."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from framework.serving.arrivals import accept_all, hold_back, with_unread


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        sock = socket.create_server((request.param, 0), family=family, backlog=200)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with sock:
        sock.setblocking(False)
        yield sock


def begin_to_connect(listener: socket.socket) -> socket.socket:
    """On the loopback, what is going to be a connection is one when this returns."""
    sock = socket.socket(listener.family)
    sock.setblocking(False)
    sock.connect_ex(listener.getsockname()[:2])
    return sock


def is_connected(sock: socket.socket) -> bool:
    return bool(select.select([], [sock], [], 0)[1])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no filters on sockets")
def test_no_connection_begins_after_hold_back(listener: socket.socket) -> None:
    with begin_to_connect(listener) as before:
        hold_back(listener)
        with begin_to_connect(listener) as after:
            assert is_connected(before)
            assert not is_connected(after)
        accepted, _ = listener.accept()
        with pytest.raises(BlockingIOError):
            listener.accept()
    accepted.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no filters on sockets")
def test_connections_that_were_held_back_for_work_both_ways(listener: socket.socket) -> None:
    """They inherit the filter, which lets everything but the beginning of a connection through."""
    with begin_to_connect(listener) as client:
        hold_back(listener)
        accepted, _ = listener.accept()
        with accepted:
            listener.close()
            client.setblocking(True)
            accepted.setblocking(True)
            data = b"x" * 100_000
            client.sendall(data[:10])
            assert accepted.recv(10) == data[:10]
            accepted.sendall(data[:20])
            assert client.recv(20) == data[:20]


def test_a_unix_socket_and_a_closed_one_are_no_obstacle() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        hold_back(sock)
    closed = socket.create_server(("127.0.0.1", 0))
    closed.close()
    hold_back(closed)


class Greeting(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.write(b"hello")
        transport.close()


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_waits_is_accepted(
    new_event_loop: Callable[[], asyncio.AbstractEventLoop], listener: socket.socket
) -> None:
    async def main() -> list[bytes]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Greeting, sock=listener, backlog=200)
        clients = [begin_to_connect(listener) for _ in range(150)]
        hold_back(listener)
        await accept_all([listener])
        server.close()
        listener.close()
        received = []
        for client in clients:
            with client:
                received.append(await loop.sock_recv(client, 10))
        return received

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(main()) == [b"hello"] * 150


async def test_accept_all_waits_no_longer_in_a_hurry(listener: socket.socket) -> None:
    # Nobody accepts.
    with begin_to_connect(listener):
        await accept_all([listener], hurry=lambda: True)
        assert with_unread([listener]) == {listener.fileno()}


def test_unread_octets() -> None:
    ours, theirs = socket.socketpair()
    quiet, other = socket.socketpair()
    with ours, theirs, quiet, other:
        theirs.send(b"x")
        assert with_unread([ours, quiet]) == {ours.fileno()}
        number = ours.fileno()
        ours.recv(1)
        assert with_unread([ours, quiet]) == set()
        # The end is something to read as well.
        theirs.close()
        assert with_unread([ours, quiet]) == {number}
    assert with_unread([ours, quiet]) == set()
    assert with_unread([]) == set()
