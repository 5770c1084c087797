"""What an open WebSocket that says nothing costs in memory: KiB of the server's resident memory (Linux's `/proc`)."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import workloads
from benchmarks.load import LoadError
from benchmarks.peers import AIOHTTP, AIOHTTP_PEER, Peer
from benchmarks.served import WEBSOCKET_SERVER, Server
from benchmarks.websocket_load import close, connect, finish

# Opened before, so that what is imported and compiled late does not count.
WARM_UP = 16
# Seconds, for what the server puts off until it has nothing else to do. Less than the time to its first ping.
SETTLE = 1.0
# Files that a server and this process have open beside the sockets.
OTHER_FILES = 100


def resident(pid: int) -> int:
    """KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise LoadError("the server has ended")


async def growth(server: Server, count: int) -> float:
    """KiB per socket that has echoed one message."""
    workload = workloads.find(workloads.IDLE)
    opened = []
    sizes = []
    for number in (WARM_UP, count):
        connections = await connect("127.0.0.1", server.port, workload, number)
        opened += connections
        for connection in connections:
            connection.send(1)
        await finish(connections)
        await asyncio.sleep(SETTLE)
        sizes.append(resident(server.process.pid))
    close(opened)
    return (sizes[1] - sizes[0]) / count


def measure(peers: Sequence[Peer], *, with_aiohttp: bool) -> dict[str, float | None]:
    """By peer; None where it could not be measured. Each has a server of its own, one after the other."""
    count = workloads.find(workloads.IDLE).connections
    if not Path("/proc/self/status").exists():
        print("idle WebSockets are left out: there is no /proc to read their memory from", file=sys.stderr)
        return {}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + OTHER_FILES:
        print(f"idle WebSockets are left out: {hard} files may be open, see `ulimit -Hn`", file=sys.stderr)
        return {}
    if soft != resource.RLIM_INFINITY and soft < count + OTHER_FILES:
        # For the servers as well, which inherit it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + OTHER_FILES, hard))
    figures: dict[str, float | None] = {}
    kinds = [(WEBSOCKET_SERVER, peer) for peer in peers] + ([(AIOHTTP, AIOHTTP_PEER)] if with_aiohttp else [])
    for kind, peer in kinds:
        server = Server(kind, peer, [])
        try:
            server.wait_until_up()
            figures[peer.name] = asyncio.run(growth(server, count))
        except (LoadError, OSError, TimeoutError) as error:
            print(f"{peer.name}, idle WebSockets: {error}", file=sys.stderr)
            figures[peer.name] = None
        finally:
            server.stop()
    print("idle:", "  ".join(f"{name} {size:.1f}" for name, size in figures.items() if size), file=sys.stderr)
    return figures
