"""The in-process table: each framework's ASGI callable, driven directly, in µs per request."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers import Peer
from benchmarks.workloads import Workload


@dataclass
class Cell:
    """One framework on one workload."""

    rounds: list[float] = field(default_factory=list)
    note: str = ""
    receives: float = 0
    waits: float = 0

    @property
    def best(self) -> float | None:
        return min(self.rounds) if self.rounds else None


class Worker:
    """A framework's process, which works only while it is asked to."""

    def __init__(self, peer: Peer, loop: str) -> None:
        self.peer = peer
        self.loop = loop
        self.slow_to_build: set[str] = set()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", self.peer.name, self.loop],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.failure: str = self.reply().get("error", "")

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def reply(self, timeout: float | None = None) -> dict[str, Any]:
        """What the process answers; after `timeout` seconds it is ended, and an error takes the answer's place."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            self.process.kill()
            self.process.wait()
            return {"error": "too slow"}
        line = self.process.stdout.readline()
        if not line:
            return {"error": f"the process ended with code {self.process.wait()}"}
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(
    peers: Sequence[Peer],
    workloads: Sequence[Workload],
    *,
    rounds: int,
    seconds: float,
    build_limit: float,
    loop: str = "asyncio",
) -> dict[str, dict[str, Cell]]:
    """Cells by workload and peer. Within a workload the frameworks take turns, `rounds` times, `seconds` each.

    A framework that needs more than `build_limit` seconds to build a workload's application is left out of it.
    """
    workers = [Worker(peer, loop) for peer in peers]
    table: dict[str, dict[str, Cell]] = {}
    try:
        for worker in workers:
            if worker.failure:
                print(f"{worker.peer.name} is left out: {worker.failure}", file=sys.stderr)
        running = [worker for worker in workers if not worker.failure]
        for workload in workloads:
            cells = table[workload.name] = {worker.peer.name: Cell() for worker in running}
            ready = prepare(running, workload, cells, build_limit)
            for _ in range(rounds):
                for worker in ready:
                    worker.tell(do="run", seconds=seconds)
                    cells[worker.peer.name].rounds.append(worker.reply()["us"])
            figures = "  ".join(f"{name} {cell.best:.2f}" for name, cell in cells.items() if cell.best)
            print(f"{workload.name}: {figures}", file=sys.stderr, flush=True)
    finally:
        for worker in workers:
            worker.close()
    return table


def prepare(workers: Sequence[Worker], workload: Workload, cells: dict[str, Cell], build_limit: float) -> list[Worker]:
    """Has all build and check the workload's application, at the same time, and returns those who can run it."""
    too_slow = f"needs more than {build_limit:g} s to build the application"
    asked: list[Worker] = []
    for worker in workers:
        if reason := worker.peer.lacks(workload.name):
            cells[worker.peer.name].note = reason
        elif workload.app_key in worker.slow_to_build:
            cells[worker.peer.name].note = too_slow
        else:
            worker.tell(do="prepare", workload=workload.name)
            asked.append(worker)
    deadline = time.monotonic() + build_limit
    ready: list[Worker] = []
    for worker in asked:
        cell = cells[worker.peer.name]
        reply = worker.reply(max(0.1, deadline - time.monotonic()))
        if "unsupported" in reply:
            cell.note = reply["unsupported"]
        elif worker.process.poll() is not None:
            worker.slow_to_build.add(workload.app_key)
            worker.start()
            cell.note = too_slow if reply["error"] == "too slow" else reply["error"]
        elif "error" in reply:
            cell.note = reply["error"]
            print(f"{worker.peer.name}, {workload.name}: {reply['traceback']}", file=sys.stderr)
        else:
            cell.receives, cell.waits = reply["receives"], reply["waits"]
            ready.append(worker)
    return ready
