"""A driver for programs that run as processes of their own and are ended with signals."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

#: Seconds after which something that never happens fails its test; nothing waits for this long otherwise.
PATIENCE = 60.0

#: What run_app prints where its end takes longer than a second.
WAITING = ("======== Waiting for requests to end", "(Press CTRL+C again")


class Program:
    """Runs Python source in a fresh interpreter; as a context manager it ends what the test leaves running.

    What the program prints is read line by line with `read_until`, so that a test waits for what has happened, and
    never for time to pass.

    Args:
        source: the program.
        *options: the interpreter's.
        cwd: run it in this folder.
        group: in a process group of its own, for `send_to_group`.
    """

    def __init__(self, source: str, *options: str, cwd: Path | None = None, group: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", *options, "-c", textwrap.dedent(source)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            start_new_session=group,
        )
        self.client = httpx.Client(trust_env=False, timeout=PATIENCE)
        #: Every line of stdout that has been read so far, but those that only slow programs print: see `WAITING`.
        self.lines: list[str] = []
        self._stdout: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stderr: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stderr_lines: list[str] = []
        self._readers = [
            threading.Thread(target=_copy_lines, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self._stdout), (self.process.stderr, self._stderr))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        if error is not None:
            # pytest shows it with the failure.
            print("stdout:", *self.lines, sep="\n")  # noqa: T201
            print("stderr:", self.stderr(), sep="\n")  # noqa: T201

    def read_until(self, text: str) -> str:
        """Wait for a line of stdout that contains `text`, and give it."""
        while True:
            line = self._stdout.get(timeout=PATIENCE)
            if line is None:
                raise AssertionError(f"the program ended without printing {text!r}:\n{self.stderr()}")
            self._keep(line)
            if text in line:
                return line

    def url(self) -> str:
        """The first address that run_app says it listens at."""
        found = re.search(r"Running on ([^ ,]+)", self.read_until("Running on"))
        assert found is not None
        # The message is two lines, and a signal must not fall between them.
        self.read_until("CTRL+C")
        return found[1]

    def send(self, signal_number: int) -> None:
        self.process.send_signal(signal_number)

    def send_to_group(self, signal_number: int) -> None:
        """To the program and its children, as Ctrl+C does in a terminal."""
        os.killpg(self.process.pid, signal_number)

    def finish(self) -> int:
        """Wait for the end, read the rest of stdout, and give the exit code."""
        code = self.process.wait(timeout=PATIENCE)
        while (line := self._stdout.get(timeout=PATIENCE)) is not None:
            self._keep(line)
        return code

    def _keep(self, line: str) -> None:
        if not line.startswith(WAITING):
            self.lines.append(line)

    def stderr(self) -> str:
        """All of stderr; waits for the program's end."""
        while (line := self._stderr.get(timeout=PATIENCE)) is not None:
            self._stderr_lines.append(line)
        # For the next call.
        self._stderr.put(None)
        return "\n".join(self._stderr_lines)


def _copy_lines(stream: IO[str] | None, lines: queue.SimpleQueue[str | None]) -> None:
    assert stream is not None
    for line in stream:
        lines.put(line.rstrip("\n"))
    lines.put(None)
