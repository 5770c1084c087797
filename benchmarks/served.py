"""The served table: requests per second over a socket, by uvicorn, by granian, and by aiohttp's own server."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import websocket_load
from benchmarks.load import LoadError, press
from benchmarks.peers import AIOHTTP, AIOHTTP_PEERS, AIOHTTP_SENDFILE, Peer
from benchmarks.workloads import Workload

SERVERS = ("uvicorn", "granian")
# WebSockets are measured on this one, and on aiohttp's own.
WEBSOCKET_SERVER = "uvicorn"
START_LIMIT = 30.0
# Which part of a core's time makes it busy.
BUSY = 0.9


@dataclass
class ServedCell:
    """One framework on one server and workload."""

    rounds: list[float] = field(default_factory=list)
    # Microseconds of processor time per request, where the system tells.
    cpu_rounds: list[float] = field(default_factory=list)
    # The processor time that the load generator used in a round's time, beside the server's.
    busy_rounds: list[tuple[float, float]] = field(default_factory=list)
    note: str = ""

    @property
    def best(self) -> float | None:
        return max(self.rounds) if self.rounds else None

    @property
    def best_cpu(self) -> float | None:
        return min(self.cpu_rounds) if self.cpu_rounds else None

    @property
    def held_back(self) -> bool:
        """Whether the figure shows what the load generator can do, because it was busy and the server was not."""
        if not self.busy_rounds:
            return False
        load, server = self.busy_rounds[self.rounds.index(max(self.rounds))]
        return load > BUSY > server


def cores() -> tuple[list[str], list[str]]:
    """The commands that hold a server and the load generator to a core each; empty where there are not two."""
    if not hasattr(os, "sched_getaffinity") or shutil.which("taskset") is None:
        return [], []
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        return [], []
    return ["taskset", "-c", str(available[0])], ["taskset", "-c", str(available[1])]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nanoseconds_of_threads(process: Path) -> int:
    """What a process's threads have run; 0 where the kernel keeps no such statistics, which has ticks of 10 ms only."""
    total = 0
    for path in process.glob("task/*/schedstat"):
        # A thread may end meanwhile.
        with contextlib.suppress(OSError):
            total += int(path.read_text().split()[0])
    return total


class Server:
    """A framework behind a server: one process that answers requests, no access log, uvloop where there is one."""

    def __init__(self, kind: str, peer: Peer, pin: Sequence[str]) -> None:
        self.kind = kind
        self.peer = peer
        self.port = free_port()
        target = f"{peer.module}:served"
        port = str(self.port)
        loop = "asyncio" if sys.platform == "win32" else "uvloop"
        python = [*pin, sys.executable, "-m"]
        common = [
            "--factory",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--workers",
            "1",
            "--no-access-log",
            "--loop",
            loop,
        ]
        match kind:
            case "uvicorn":
                command = [*python, "uvicorn", target, *common, "--http", "httptools", "--log-level", "warning"]
            case "granian":
                command = [*python, "granian", target, *common, "--interface", "asgi", "--log-level", "warning"]
            case _:
                command = [*python, peer.module, port, "asyncio" if peer is AIOHTTP_SENDFILE else loop]
        self.process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise LoadError(f"the server ended with code {self.process.returncode}") from None
                if time.monotonic() > deadline:
                    raise LoadError(f"the server did not start within {START_LIMIT:g} s") from None
                time.sleep(0.05)

    def check(self, workload: Workload) -> None:
        """Raises unless the workload's first answers are right."""
        if workload.messages:
            websocket_load.check(self.port, workload)
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            for number in range(3):
                headers = {"content-type": workload.content_type} if workload.body else {}
                body = workload.body_bytes(number) or None
                connection.request(workload.method, workload.target(number), body=body, headers=headers)
                response = connection.getresponse()
                workload.check(number, response.status, response.headers.get("content-type", ""), response.read())
        finally:
            connection.close()

    def cpu_seconds(self) -> float:
        """Processor time that the server and its child processes have used (from Linux's /proc, elsewhere 0)."""
        used = 0.0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                # The second field, a program's name in parentheses, may hold anything; proc(5) counts from 1.
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            session, user, system = int(fields[3]), int(fields[11]), int(fields[12])
            if session == self.process.pid:
                used += nanoseconds_of_threads(stat.parent) / 1e9 or (user + system) / os.sysconf("SC_CLK_TCK")
        return used

    def round(self, workload: Workload, seconds: float, pin: Sequence[str], cell: ServedCell) -> None:
        before = self.cpu_seconds()
        load = press(self.port, workload, seconds, pin)
        cell.rounds.append(load.rate)
        if used := self.cpu_seconds() - before:
            cell.cpu_rounds.append(used / load.requests * 1e6)
            cell.busy_rounds.append((load.busy, used / load.seconds))

    def stop(self) -> None:
        """Ends the server and whatever processes it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                continue


def measure(
    peers: Sequence[Peer],
    workloads: Sequence[Workload],
    *,
    with_aiohttp: bool,
    rounds: int,
    seconds: float,
    servers: Sequence[str] = SERVERS,
) -> dict[str, dict[str, dict[str, ServedCell]]]:
    """Cells by server, workload and peer; aiohttp's own are under the server `aiohttp`. All take turns."""
    pin_server, pin_load = cores()
    table: dict[str, dict[str, dict[str, ServedCell]]] = {}
    running: list[Server] = []
    try:
        started = [Server(kind, peer, pin_server) for kind in servers for peer in peers]
        if with_aiohttp:
            started += [Server("aiohttp", peer, pin_server) for peer in AIOHTTP_PEERS]
        running = list(started)
        ready = []
        for server in started:
            try:
                server.wait_until_up()
            except LoadError as error:
                print(f"{server.peer.name} on {server.kind} is left out: {error}", file=sys.stderr)
            else:
                ready.append(server)
        warm: set[Server] = set()
        for workload in workloads:
            able = []
            for server in ready:
                if not workload.name.startswith(server.peer.only):
                    continue
                if workload.messages and server.kind not in (WEBSOCKET_SERVER, AIOHTTP):
                    continue
                cell = table.setdefault(server.kind, {}).setdefault(workload.name, {})[server.peer.name] = ServedCell()
                if reason := server.peer.lacks(workload.name):
                    cell.note = reason
                    continue
                try:
                    server.check(workload)
                    if server not in warm:
                        press(server.port, workload, 1, pin_load)
                        warm.add(server)
                except (AssertionError, LoadError, OSError) as error:
                    cell.note = str(error)
                    print(f"{server.peer.name} on {server.kind}, {workload.name}: {error}", file=sys.stderr)
                else:
                    able.append((server, cell))
            for _ in range(rounds):
                for server, cell in able:
                    try:
                        server.round(workload, seconds, pin_load, cell)
                    except LoadError as error:
                        cell.note = str(error)
            for _, cell in able:
                if cell.held_back:
                    cell.note = "the load generator was busy and the server was not"
            figures = "  ".join(f"{s.kind}/{s.peer.name} {c.best:.0f}" for s, c in able if c.best)
            print(f"served {workload.name}: {figures}", file=sys.stderr, flush=True)
    finally:
        for server in running:
            server.stop()
    return table
