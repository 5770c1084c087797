"""One server under trial: its process, its journal, the connections to it, and its end under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from tests.matrix.connections import Address, BrokenError, Connection, NotOfferedError, Stream
from tests.matrix.http1 import Http1Connection
from tests.matrix.program import FILE_CONTENT
from tests.matrix.servers import Server

__all__ = ("Certificates", "Ending", "FailedError", "Trial", "trial_of")

PROJECT = Path(__file__).parents[2]

#: Seconds for a server to start or to end.
PATIENCE = 60.0
#: How many requests are under way at a time when the server is told to stop, on how many connections.
LOAD = 32
CONNECTIONS = {1: LOAD, 2: 4, 3: 4}


class FailedError(Exception):
    """A server did not do what a check wants."""


class Certificates:
    """A certificate for localhost, and its authority, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        self.ca_file = str(folder / "ca.pem")
        self.certfile = str(folder / "cert.pem")
        self.keyfile = str(folder / "key.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        Path(self.certfile).write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        # granian reads PKCS#8 only.
        key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
        pkcs8 = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        Path(self.keyfile).write_bytes(pkcs8)

    def address(self, port: int) -> Address:
        """The address of a server that has the certificate."""
        return Address(port, self.ca_file, self._context("http/1.1"), self._context("h2"))

    def _context(self, protocol: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols([protocol])
        return context


@dataclass(frozen=True)
class Ending:
    """What became of a server that was sent SIGTERM under load.

    Args:
        exit_code: None where it had to be killed.
        begun: the requests whose handlers were called.
        answered: the requests whose clients got the whole answer.
        errors: what became of the last requests, which have no answer.
        held: what the handler that waits for `on_shutdown` answered, or what became of it.
        notes: the journal from the signal on, without the requests.
    """

    exit_code: int | None
    begun: frozenset[str]
    answered: frozenset[str]
    errors: dict[str, str]
    held: str
    notes: list[str]


class Trial:
    """A running server, for the checks."""

    def __init__(self, server: Server, process: subprocess.Popen[bytes], address: Address, folder: Path) -> None:
        self.server = server
        self.process = process
        self.address = address
        #: Seconds for a check, and for the server to end.
        self.patience = 30.0
        self.patience_at_the_end = PATIENCE
        self.log = folder / "log"
        self._journal = folder / "journal"
        self._connections: list[Connection] = []
        self._ending: Ending | None = None
        self._stopped = False
        self._names = 0

    def name(self) -> str:
        """A name that no other request has."""
        self._names += 1
        return f"n{self._names}"

    def notes(self) -> list[str]:
        """The lines of the journal."""
        return self._journal.read_text().splitlines()

    async def noted(self, note: str) -> None:
        """Wait for a line of the journal."""
        while note not in self.notes():
            await asyncio.sleep(0.02)

    async def connect(self) -> Connection:
        """A connection, which is closed at the end of the check."""
        connection = await connect(self.server.protocol, self.address)
        self._connections.append(connection)
        return connection

    async def open_websocket(self, path: str, headers: Iterable[tuple[str, str]] = ()) -> Stream:
        """Begin a handshake as browsers do.

        Where HTTP/2 and HTTP/3 connections do not offer WebSockets, they open one for HTTP/1.1.
        """
        connection = await self.connect()
        try:
            return await connection.open_websocket(path, headers)
        except NotOfferedError:
            connection = await Http1Connection.connect(self.address, tls=True)
            self._connections.append(connection)
            return await connection.open_websocket(path, headers)

    async def close_connections(self) -> None:
        """Close what the last check has opened."""
        while self._connections:
            await self._connections.pop().close()

    async def ending(self) -> Ending:
        """Load the server, stop it with SIGTERM, and give what became of it; the same each time."""
        if self._ending is None:
            if self._stopped:
                raise FailedError("it could not be stopped under load")
            self._stopped = True
            self._ending = await self._end()
        return self._ending

    async def _end(self) -> Ending:
        answered: set[str] = set()
        errors: dict[str, str] = {}
        held = asyncio.create_task(self._hold())
        clients = [
            asyncio.create_task(self._load(number, answered, errors))
            for number in range(CONNECTIONS[self.server.protocol])
        ]
        async with asyncio.timeout(self.patience):
            while len(answered) < 2 * LOAD or "held" not in self.notes():
                await asyncio.sleep(0.01)
                if held.done() or all(client.done() for client in clients):
                    break
        before = len(self.notes())
        self.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(self.process.wait, self.patience_at_the_end)
        except subprocess.TimeoutExpired:
            code = None
        # What was sent is here by now; QUIC tells nobody that the other end has died.
        patience = 10 if self.server.protocol < 3 else 3
        _, pending = await asyncio.wait([held, *clients], timeout=patience)
        for task in pending:
            task.cancel()
        notes = self.notes()
        return Ending(
            code,
            frozenset(note.removeprefix("begun ") for note in notes if note.startswith("begun ")),
            frozenset(answered),
            errors,
            held.result() if held.done() and not held.cancelled() else "no answer",
            [note for note in notes[before:] if not note.startswith("begun ")],
        )

    async def _hold(self) -> str:
        connection = await self.connect()
        try:
            return (await connection.request("GET", "/until-shutdown")).body.decode()
        except (BrokenError, OSError) as exc:
            return str(exc)

    async def _load(self, number: int, answered: set[str], errors: dict[str, str]) -> None:
        """Ask on one connection, in several streams where it has them, until the server ends it."""
        streams = LOAD // CONNECTIONS[self.server.protocol]
        with contextlib.suppress(BrokenError, OSError, NotOfferedError):
            connection = await self.connect()

            async def ask(stream: int) -> None:
                count = 0
                while True:
                    count += 1
                    name = f"{number}-{stream}-{count}"
                    try:
                        answer = await connection.request("GET", f"/slow/{name}")
                    except (BrokenError, OSError) as exc:
                        errors[name] = str(exc)
                        return
                    if answer.status != 200 or answer.body.decode() != name:
                        errors[name] = f"status {answer.status}"
                        return
                    answered.add(name)

            # Each stream ends by itself: what others have under way may still be answered.
            await asyncio.gather(*(ask(stream) for stream in range(streams)))


async def connect(protocol: int, address: Address) -> Connection:
    """A connection that speaks HTTP/``protocol``."""
    if protocol == 1:
        return await Http1Connection.connect(address)
    if protocol == 2:
        from tests.matrix.http2 import Http2Connection

        return await Http2Connection.connect(address)
    from tests.matrix.http3 import Http3Connection

    return await Http3Connection.connect(address)


@contextlib.asynccontextmanager
async def trial_of(server: Server, folder: Path, certificates: Certificates, *, held: float) -> AsyncIterator[Trial]:
    """Start a server, and kill it in the end if it still runs.

    Args:
        server: which one.
        folder: for the files of its program, and empty.
        certificates: for those who speak TLS.
        held: for how many seconds the handler that waits for `on_shutdown` does so.
    """
    file = folder / "file.bin"
    file.write_bytes(FILE_CONTENT)
    journal = folder / "journal"
    for attempt in (1, 2, 3):
        journal.write_bytes(b"")
        port = free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                server.arguments(port, certificates.certfile, certificates.keyfile),
                cwd=PROJECT,
                env={
                    **os.environ,
                    "MATRIX_JOURNAL": str(journal),
                    "MATRIX_FILE": str(file),
                    "MATRIX_HOLD": str(held),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if await listening(process, port):
                trial = Trial(server, process, certificates.address(port), folder)
                try:
                    yield trial
                finally:
                    await trial.close_connections()
                return
        finally:
            # The workers as well, whose parent may be gone.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        # Somebody else may have taken the port.
        if attempt == 3:
            raise FailedError(f"{server.name} does not start:\n{(folder / 'log').read_text()}")


def free_port() -> int:
    """A port that is free for TCP and for UDP."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            port: int = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


async def listening(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server listens; False where it has ended instead."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up and process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return True
    return False
