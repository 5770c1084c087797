"""Load on a server that echoes WebSocket messages, with several of them on their way on every connection.

`python -m benchmarks.websocket_load HOST PORT WORKLOAD SECONDS CONNECTIONS` prints what was echoed, as JSON. It speaks
just enough of RFC 6455 for servers to take it for a client: its frames, masked as they have to be, are made before
the clock starts, and of the echoes, which have all the same length, it counts the bytes.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import random
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from benchmarks.load import Load, LoadError
from benchmarks.workloads import Workload, find

# How many messages are on their way on a connection at most.
IN_FLIGHT = 8
# Distinct frames, each with a masking key of its own.
FRAMES = 256
PATIENCE = 10.0

TEXT, BINARY, CLOSE = 1, 2, 8


def head(opcode: int, length: int, mask_bit: int) -> bytes:
    """The first bytes of an unfragmented frame (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((0x80 | opcode, mask_bit | length))
    if length < 2**16:
        return bytes((0x80 | opcode, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((0x80 | opcode, mask_bit | 127)) + length.to_bytes(8, "big")


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame."""
    key = random.randbytes(4)
    stream = (key * (len(payload) // 4 + 1))[: len(payload)]
    covered = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head(opcode, len(payload), 0x80) + key + covered.to_bytes(len(payload), "big")


def encoded(workload: Workload, number: int) -> tuple[int, bytes]:
    """The opcode and the payload of a message."""
    message = workload.message(number)
    return (BINARY, message) if isinstance(message, bytes) else (TEXT, message.encode())


def handshake(host: str, port: int, workload: Workload) -> bytes:
    lines = (
        f"GET {workload.path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    )
    return "\r\n".join((*lines, "", "")).encode()


def check(port: int, workload: Workload) -> None:
    """Raises unless the server echoes a few messages as it should."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection, connection.makefile("rb") as file:
        connection.sendall(handshake("127.0.0.1", port, workload))
        status = file.readline()
        assert status.startswith(b"HTTP/1.1 101 "), f"{workload.name}: {status!r}"
        while file.readline().strip():
            pass
        for number in range(3):
            opcode, payload = encoded(workload, number)
            connection.sendall(masked(opcode, payload))
            expected = head(opcode, len(payload), 0) + payload
            assert file.read(len(expected)) == expected, f"{workload.name}: no echo"
        connection.sendall(masked(CLOSE, b"\x03\xe8"))
        assert file.read(1) == bytes((0x80 | CLOSE,)), f"{workload.name}: no answer to a close"


class Connection(asyncio.Protocol):
    """Opens a WebSocket, sends the frames one after the other, and a further one for each that has come back."""

    def __init__(self, opening: bytes, frames: Sequence[bytes], first: int, echo_size: int) -> None:
        self.opening = opening
        self.frames = itertools.cycle([*frames[first:], *frames[:first]])
        self.echo_size = echo_size
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopping = False
        self.in_flight = 0
        # Bytes of an echo that has not come back whole.
        self.begun = 0
        self.echoes = 0
        self.head = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.opening)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.head += data
            if b"\r\n\r\n" in self.head:
                if self.head.startswith(b"HTTP/1.1 101 "):
                    self.opened.set_result(None)
                else:
                    self.opened.set_exception(LoadError(self.head.partition(b"\r\n")[0].decode()))
            return
        whole, self.begun = divmod(self.begun + len(data), self.echo_size)
        self.echoes += whole
        self.in_flight -= whole
        if not self.stopping:
            self.send(whole)
        elif not self.in_flight and not self.finished.done():
            self.finished.set_result(None)

    def send(self, count: int) -> None:
        if count:
            self.in_flight += count
            self.transport.write(b"".join(itertools.islice(self.frames, count)))

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.opened, self.finished):
            if not future.done():
                future.set_exception(LoadError("the server closed the connection"))
                # Not everybody waits for both.
                future.exception()


async def connect(host: str, port: int, workload: Workload, count: int) -> list[Connection]:
    """So many open WebSockets that have sent nothing yet."""
    frames = [masked(*encoded(workload, number)) for number in range(FRAMES)]
    opcode, payload = encoded(workload, 0)
    echo_size = len(head(opcode, len(payload), 0)) + len(payload)
    loop = asyncio.get_running_loop()
    connections = []
    for index in range(count):
        _, connection = await loop.create_connection(
            lambda index=index: Connection(handshake(host, port, workload), frames, index * FRAMES // count, echo_size),
            host,
            port,
        )
        connections.append(connection)
        # One after the other: a server's backlog of new connections is short.
        await asyncio.wait_for(connection.opened, PATIENCE)
    return connections


async def finish(connections: Sequence[Connection]) -> None:
    """Waits for what is still on its way; sends nothing any more."""
    for connection in connections:
        connection.stopping = True
        if not connection.in_flight and not connection.finished.done():
            connection.finished.set_result(None)
    await asyncio.wait_for(asyncio.gather(*(connection.finished for connection in connections)), PATIENCE)


def close(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.transport.write(masked(CLOSE, b"\x03\xe8"))
        connection.transport.close()


async def generate(host: str, port: int, workload: Workload, seconds: float, count: int) -> Load:
    connections = await connect(host, port, workload, count)
    start, cpu = time.perf_counter(), time.process_time()
    for connection in connections:
        connection.send(IN_FLIGHT)
    await asyncio.sleep(seconds)
    await finish(connections)
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    close(connections)
    return Load(sum(connection.echoes for connection in connections), elapsed, cpu / elapsed)


def main() -> None:
    host, port, workload, seconds, connections = sys.argv[1:]
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        load = runner.run(generate(host, int(port), find(workload), float(seconds), int(connections)))
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main()
