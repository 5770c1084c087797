"""Load on a server over HTTP/1.1 keep-alive connections: by wrk where it is installed, else by the generator below.

`python -m benchmarks.load HOST PORT WORKLOAD SECONDS CONNECTIONS` is the generator as a program, so that it can have a
processor core of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from benchmarks.workloads import DISTINCT_REQUESTS, Workload, find

# wrk's requests are written out beforehand, so that both generators send the same ones.
WRK_SCRIPT = """
local requests = {}
local next_request = 0
local total = %(total)d

init = function(arguments)
  local file = io.open(%(body_file)s, "rb")
  local template = file:read("*a")
  file:close()
  for number = 0, total - 1 do
    local target, body = %(target)s, template
    if total > 1 then
      target = string.gsub(target, "%%$n", tostring(number))
      body = string.gsub(body, "%%$n", tostring(number))
    end
    if body == "" then
      requests[number] = wrk.format("%(method)s", target)
    else
      requests[number] = wrk.format("%(method)s", target, {["content-type"] = "%(content_type)s"}, body)
    end
  end
end

request = function()
  local current = requests[next_request]
  next_request = (next_request + 1) %% total
  return current
end
"""


class LoadError(Exception):
    """The server answered otherwise than it should have under load."""


def have_wrk() -> bool:
    return shutil.which("wrk") is not None


@dataclass(frozen=True)
class Load:
    """What a server answered."""

    requests: int
    seconds: float
    # How much of the time the generator was busy itself: near 1 the figure is its own, and not the server's.
    busy: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def press(port: int, workload: Workload, seconds: float, pin: Sequence[str]) -> Load:
    """Puts load on a server for so many seconds. `pin` is the command that holds the generator to its core."""
    if have_wrk() and not workload.messages:
        return wrk(port, workload, seconds, workload.connections, pin)
    module = "benchmarks.websocket_load" if workload.messages else "benchmarks.load"
    command = [*pin, sys.executable, "-m", module, "127.0.0.1", str(port), workload.name]
    command += [str(seconds), str(workload.connections)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(done.stderr.strip().splitlines()[-1])
    return Load(**json.loads(done.stdout))


def wrk(port: int, workload: Workload, seconds: float, connections: int, pin: Sequence[str]) -> Load:
    # wrk counts whole seconds only.
    duration = f"{max(1, round(seconds))}s"
    command = [*pin, "wrk", "--threads", "1", "--connections", str(connections), "--duration", duration]
    with tempfile.TemporaryDirectory() as folder:
        if workload.varies or workload.body:
            script, body_file = Path(folder) / "requests.lua", Path(folder) / "body"
            body_file.write_bytes(workload.body if isinstance(workload.body, bytes) else workload.body.encode())
            target = workload.path + ("?" + workload.query if workload.query else "")
            script.write_text(
                WRK_SCRIPT
                % {
                    "total": DISTINCT_REQUESTS if workload.varies else 1,
                    "target": f"[[{target}]]",
                    "body_file": f"[[{body_file}]]",
                    "method": workload.method,
                    "content_type": workload.content_type,
                }
            )
            command += ["--script", str(script)]
            target = "/"
        else:
            target = workload.target(0)
        command.append(f"http://127.0.0.1:{port}{target}")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if failed := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", output):
        raise LoadError(failed[0])
    total = re.search(r"(\d+) requests in ", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if total is None or rate is None or not int(total[1]):
        raise LoadError("wrk counted no requests")
    elapsed = int(total[1]) / float(rate[1])
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Load(int(total[1]), elapsed, cpu / elapsed)


class Connection(asyncio.Protocol):
    """Sends a request, reads its response, and so on without a pause."""

    def __init__(self, requests: Sequence[bytes], first: int) -> None:
        self.requests = requests
        self.next = first
        self.responses = 0
        self.failure = ""
        self.received = bytearray()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports derive from nothing of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        self.transport.write(self.requests[self.next])
        self.next = (self.next + 1) % len(self.requests)

    def data_received(self, data: bytes) -> None:
        received = self.received
        received += data
        end_of_headers = received.find(b"\r\n\r\n")
        if end_of_headers < 0:
            return
        head = bytes(received[:end_of_headers]).lower()
        if not head.startswith(b"http/1.1 2"):
            self.failure = head.partition(b"\r\n")[0].decode()
            self.transport.abort()
            return
        if b"\r\ntransfer-encoding: chunked" in head:
            if not received.endswith(b"0\r\n\r\n"):
                return
        else:
            start = head.find(b"\r\ncontent-length:") + len(b"\r\ncontent-length:")
            length = int(head[start:].partition(b"\r\n")[0])
            if len(received) < end_of_headers + 4 + length:
                return
        received.clear()
        self.responses += 1
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.failure = self.failure or "the server closed the connection"


def as_bytes(host: str, workload: Workload, number: int) -> bytes:
    head = [f"{workload.method} {workload.target(number)} HTTP/1.1", f"Host: {host}"]
    body = workload.body_bytes(number)
    if body:
        head += [f"Content-Type: {workload.content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


async def generate(host: str, port: int, workload: Workload, seconds: float, connections: int) -> Load:
    total = DISTINCT_REQUESTS if workload.varies else 1
    requests = [as_bytes(f"{host}:{port}", workload, number) for number in range(total)]
    loop = asyncio.get_running_loop()
    start, cpu = time.perf_counter(), time.process_time()
    protocols = []
    for index in range(connections):
        first = index * total // connections
        _, protocol = await loop.create_connection(lambda first=first: Connection(requests, first), host, port)
        protocols.append(protocol)
    await asyncio.sleep(seconds)
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    for protocol in protocols:
        if protocol.failure:
            raise LoadError(protocol.failure)
    responses = sum(protocol.responses for protocol in protocols)
    for protocol in protocols:
        protocol.transport.abort()
    return Load(responses, elapsed, cpu / elapsed)


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
