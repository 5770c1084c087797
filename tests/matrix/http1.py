"""HTTP/1.1 with and without TLS, by h11: one request at a time, and WebSockets by upgrade."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterable

import h11

from tests.matrix.connections import Address, BrokenError, Connection, Stream

__all__ = ("Http1Connection",)


class Http1Connection(Connection):
    """A connection that is kept open between requests where the server keeps it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pushed = {}
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.CLIENT)
        self._reading: asyncio.Task[None] | None = None
        self._switched = False

    @classmethod
    async def connect(cls, address: Address, *, tls: bool = False) -> Http1Connection:
        if not tls:
            return cls(*await asyncio.open_connection(address.host, address.port))
        return cls(
            *await asyncio.open_connection(address.host, address.port, ssl=address.http1, server_hostname="localhost")
        )

    async def open(self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), *, end: bool) -> Stream:
        if self._reading is not None:
            await self._reading
            try:
                self._protocol.start_next_cycle()
            except h11.LocalProtocolError as exc:
                raise BrokenError("the server keeps the connection not open") from exc
        fields = [("host", "localhost"), *headers]
        if not end and "content-length" not in dict(fields):
            fields.append(("transfer-encoding", "chunked"))
        stream = Stream(self)
        await self._write(h11.Request(method=method, target=path, headers=fields))
        if end:
            await self._write(h11.EndOfMessage())
        self._reading = asyncio.create_task(self._read(stream))
        return stream

    async def open_websocket(self, path: str, headers: Iterable[tuple[str, str]] = ()) -> Stream:
        key = base64.b64encode(os.urandom(16)).decode()
        fields = [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", key),
            *headers,
        ]
        return await self.open("GET", path, fields, end=True)

    async def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        if self._switched:
            self._writer.write(data)
            await self._writer.drain()
            if end:
                await self.close()
            return
        if data:
            await self._write(h11.Data(data=data))
        if end:
            await self._write(h11.EndOfMessage())

    async def abandon(self, stream: Stream) -> None:
        await self.close()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._writer.close()

    async def _write(self, event: h11.Event) -> None:
        self._writer.write(self._protocol.send(event) or b"")
        try:
            await self._writer.drain()
        except OSError:
            # The answer tells what has become of it: the server may have answered and closed before.
            pass

    async def _read(self, stream: Stream) -> None:
        try:
            while True:
                event = self._protocol.next_event()
                if event is h11.NEED_DATA:
                    self._protocol.receive_data(await self._reader.read(2**16))
                elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    stream.feed_error("the connection was closed")
                    return
                elif isinstance(event, h11.InformationalResponse):
                    if event.status_code != 101:
                        stream.feed_hints(list(event.headers))
                        continue
                    self._switched = True
                    stream.feed_head(101, list(event.headers))
                    data, _ = self._protocol.trailing_data
                    while True:
                        if data:
                            stream.feed_data(data)
                        data = await self._reader.read(2**16)
                        if not data:
                            stream.feed_end()
                            return
                elif isinstance(event, h11.Response):
                    stream.feed_head(event.status_code, list(event.headers))
                elif isinstance(event, h11.Data):
                    stream.feed_data(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    stream.feed_trailers(list(event.headers))
                    stream.feed_end()
                    return
        except (h11.RemoteProtocolError, OSError) as exc:
            stream.feed_error(f"{type(exc).__name__}: {exc}")
