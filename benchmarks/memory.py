"""What large bodies cost in memory: `scripts/memory`, which runs `python -m benchmarks.memory`.

Each case has a server process of its own. A small request of the same kind comes first, so that what is imported late
does not count; then comes one large body, and by how much the resident memory of the process grows is what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import grid
from benchmarks.served import START_LIMIT, free_port
from benchmarks.workloads import BINARY

MIB = 2**20
CHUNK = 64 * 1024
WARM_UP = 4 * MIB
# After so many bytes the one who stalls does, and for so many seconds.
STALL_AFTER = 8 * MIB
STALL = 3.0
SAMPLE_EVERY = 0.01
FOLDER_VARIABLE, SIZE_VARIABLE = "BENCHMARKS_MEMORY_FOLDER", "BENCHMARKS_MEMORY_SIZE"
BOUNDARY = "memory-boundary-3mUdFZvP9kQ"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


# The server's side


def application(web: Any) -> Any:
    """The application, with `framework.web` or `aiohttp.web`."""
    folder, size = Path(os.environ[FOLDER_VARIABLE]), int(os.environ[SIZE_VARIABLE])

    async def chunks(request: Any) -> Any:
        total = 0
        async for chunk in request.content.iter_chunked(CHUNK):
            total += len(chunk)
        return web.Response(text=str(total))

    async def stalling(request: Any) -> Any:
        total = 0
        has_stalled = "warm-up" in request.query
        async for chunk in request.content.iter_chunked(CHUNK):
            total += len(chunk)
            if total >= STALL_AFTER and not has_stalled:
                has_stalled = True
                await asyncio.sleep(STALL)
        return web.Response(text=str(total))

    async def count(request: Any) -> Any:
        total = 0
        async for part in await request.multipart():
            while chunk := await part.read_chunk(CHUNK):
                total += len(chunk)
        return web.Response(text=str(total))

    async def save(request: Any) -> Any:
        total = 0
        async for part in await request.multipart():
            with tempfile.TemporaryFile(dir=folder) as file:
                while chunk := await part.read_chunk(CHUNK):
                    total += await asyncio.to_thread(file.write, chunk)
        return web.Response(text=str(total))

    async def post(request: Any) -> Any:
        fields = await request.post()
        return web.Response(text=str(await asyncio.to_thread(fields["file"].file.seek, 0, os.SEEK_END)))

    async def file(request: Any) -> Any:
        return web.FileResponse(folder / request.match_info["name"])

    async def stream(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        left = int(request.match_info["size"])
        while left:
            left -= await write(response, BINARY[: min(left, CHUNK)])
        await response.write_eof()
        return response

    async def write(response: Any, chunk: bytes) -> int:
        await response.write(chunk)
        return len(chunk)

    # Room for the head of the part and the boundaries.
    app = web.Application(client_max_size=size + MIB)
    app.router.add_post("/chunks", chunks)
    app.router.add_post("/stalling", stalling)
    app.router.add_post("/count", count)
    app.router.add_post("/save", save)
    app.router.add_post("/post", post)
    app.router.add_get("/file/{name}", file)
    app.router.add_get("/stream/{size}", stream)
    app.router.add_static("/static", folder)
    return app


def served() -> Any:
    """What uvicorn runs."""
    from framework import web

    return application(web)


def serve_aiohttp(port: int) -> None:
    from aiohttp import web

    web.run_app(application(web), host="127.0.0.1", port=port, access_log=None, print=None)


class Server:
    """The process that is measured."""

    def __init__(self, kind: str) -> None:
        self.port = free_port()
        python = [sys.executable, "-m"]
        if kind == "aiohttp":
            command = [*python, "benchmarks.memory", "--serve-aiohttp", str(self.port)]
        else:
            command = [*python, "uvicorn", "benchmarks.memory:served", "--factory", "--port", str(self.port)]
            command += ["--no-access-log", "--log-level", "warning"]
        self.process = subprocess.Popen(command, start_new_session=True)

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("GET", "/stream/1")
                connection.getresponse().read()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.05)
            finally:
                connection.close()

    def resident(self, field: str = "VmRSS") -> float:
        """Resident memory in MiB: of now, or `VmHWM`, the most since the last `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) / 1024

    def forget_peak(self) -> None:
        """Has the kernel count the peak anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.process.send_signal(number)
            try:
                self.process.wait(5)
                return
            except subprocess.TimeoutExpired:
                continue


# The client's side


def blocks(size: int) -> Iterator[bytes]:
    while size:
        yield BINARY[: min(size, MIB)]
        size -= min(size, MIB)


def upload(port: int, path: str, size: int, *, is_form: bool) -> None:
    head = b""
    tail = b""
    if is_form:
        disposition = 'Content-Disposition: form-data; name="file"; filename="large.bin"'
        head = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", FORM_TYPE if is_form else "application/octet-stream")
    connection.putheader("Content-Length", str(len(head) + size + len(tail)))
    connection.endheaders(head or None)
    for block in blocks(size):
        connection.send(block)
    connection.send(tail)
    response = connection.getresponse()
    answer = response.read(1000)
    connection.close()
    if response.status != 200 or answer != str(size).encode():
        raise SystemExit(f"{path}: status {response.status}, {answer!r}, not {size}")


def download(port: int, path: str, size: int, *, stall: bool) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", path)
    response = connection.getresponse()
    received = 0
    buffer = bytearray(256 * 1024)
    while count := response.readinto(buffer):
        received += count
        if stall and received >= STALL_AFTER:
            stall = False
            time.sleep(STALL)
    connection.close()
    if response.status != 200 or received != size:
        raise SystemExit(f"{path}: status {response.status}, {received} bytes, not {size}")


# The cases


@dataclass(frozen=True)
class Case:
    """A large body: `run` sends it to a port or fetches it from there, in the size it is told to."""

    name: str
    title: str
    run: Callable[[int, int], None]


def uploading(path: str, *, is_form: bool = False) -> Callable[[int, int], None]:
    def run(port: int, size: int) -> None:
        upload(port, path + ("?warm-up" if size == WARM_UP else ""), size, is_form=is_form)

    return run


def downloading(path: str, *, stall: bool = False) -> Callable[[int, int], None]:
    def run(port: int, size: int) -> None:
        download(port, path.format(size=size), size, stall=stall and size != WARM_UP)

    return run


CASES = (
    Case("upload-chunks", "upload, request.content.iter_chunked()", uploading("/chunks")),
    Case("upload-stalling", "upload, to a handler that stalls", uploading("/stalling")),
    Case("upload-multipart", "upload, request.multipart(), counted", uploading("/count", is_form=True)),
    Case("upload-save", "upload, request.multipart(), saved", uploading("/save", is_form=True)),
    Case("upload-post", "upload, request.post()", uploading("/post", is_form=True)),
    Case("download-file", "download, FileResponse", downloading("/file/{size}.bin")),
    Case(
        "download-file-stalling",
        "download, FileResponse, the client stalls",
        downloading("/file/{size}.bin", stall=True),
    ),
    Case("download-static", "download, static folder", downloading("/static/{size}.bin")),
    Case("download-stream", "download, StreamResponse.write()", downloading("/stream/{size}")),
    Case(
        "download-stream-stalling",
        "download, StreamResponse.write(), the client stalls",
        downloading("/stream/{size}", stall=True),
    ),
)


@dataclass
class Figure:
    """What a case took, memory in MiB."""

    before: float = 0.0
    peak: float = 0.0
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        return self.peak - self.before


@contextmanager
def sampling(server: Server, figure: Figure) -> Iterator[None]:
    """Watches the resident memory while a case runs, beside the kernel's own account of the peak."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_EVERY):
            figure.peak = max(figure.peak, server.resident())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        figure.peak = max(figure.peak, server.resident("VmHWM"))


def measure(case: Case, kind: str, size: int) -> Figure:
    figure = Figure()
    server = Server(kind)
    try:
        server.wait_until_up()
        case.run(server.port, WARM_UP)
        figure.before = figure.peak = server.resident()
        server.forget_peak()
        start = time.monotonic()
        with sampling(server, figure):
            case.run(server.port, size)
        figure.seconds = time.monotonic() - start
    finally:
        server.stop()
    return figure


def byte_count(value: str) -> int:
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return int(value[:-1]) * units[value[-1].upper()] if value[-1].upper() in units else int(value)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/memory", description="What large bodies cost in resident memory; exits with 1 past the limit."
    )
    parser.add_argument("--size", type=byte_count, default=2**30, metavar="BYTES", help="of a body, such as 64M (1G)")
    parser.add_argument("--limit", type=float, default=32, metavar="MIB", help="how much may the memory grow (32)")
    parser.add_argument(
        "--server", choices=["uvicorn", "aiohttp"], default="uvicorn", help="ours on uvicorn, or aiohttp"
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="CASE,…",
        help="the beginnings of names: " + ", ".join(case.name for case in CASES),
    )
    parser.add_argument("--serve-aiohttp", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve_aiohttp:
        serve_aiohttp(chosen.serve_aiohttp)
        return
    if not Path("/proc/self/clear_refs").exists():
        raise SystemExit("scripts/memory reads Linux's /proc, which is not here")

    rows = [["MiB of resident memory", "before", "peak", "growth", "seconds", "MiB/s", ""]]
    failed = False
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        os.environ[FOLDER_VARIABLE], os.environ[SIZE_VARIABLE] = folder, str(chosen.size)
        # Sparse: they take no space on the disk.
        for size in (WARM_UP, chosen.size):
            with (Path(folder) / f"{size}.bin").open("wb") as file:
                file.truncate(size)
        for case in CASES:
            if not case.name.startswith(tuple(chosen.only.split(","))):
                continue
            figure = measure(case, chosen.server, chosen.size)
            too_much = figure.growth > chosen.limit
            failed = failed or too_much
            figures = (figure.before, figure.peak, figure.growth, figure.seconds, chosen.size / MIB / figure.seconds)
            rows.append([case.title, *(f"{value:.1f}" for value in figures), "TOO MUCH" if too_much else ""])
            print(f"{case.name}: {figure.growth:+.1f} MiB", file=sys.stderr, flush=True)
    print(f"One body of {chosen.size / MIB:,.0f} MiB, {chosen.server}, at most {chosen.limit:g} MiB wanted\n")
    print(grid(rows))
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
