"""HTTP/2 over TLS, by h2: with pushes, early hints, trailers, and WebSockets by extended CONNECT (RFC 8441)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    PushedStreamReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from tests.matrix.connections import Address, BrokenError, Connection, Headers, NotOfferedError, Stream

__all__ = ("Http2Connection",)

#: The type of a frame.
_GOAWAY = 0x7


class Http2Connection(Connection):
    """A connection with any number of streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str) -> None:
        self.pushed = {}
        self._reader = reader
        self._writer = writer
        self._authority = authority
        self._protocol = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._streams: dict[int, Stream] = {}
        self._settled = asyncio.Event()
        self._window = asyncio.Event()
        self._error = ""
        self._protocol.initiate_connection()
        self._flush()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, address: Address) -> Http2Connection:
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=address.http2, server_hostname="localhost"
        )
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            writer.close()
            raise NotOfferedError("the server does not choose h2 (ALPN)")
        connection = cls(reader, writer, f"localhost:{address.port}")
        await connection._settled.wait()
        return connection

    async def open(self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), *, end: bool) -> Stream:
        return self._open(
            [(":method", method), (":scheme", "https"), (":authority", self._authority), (":path", path), *headers], end
        )

    async def open_websocket(self, path: str, headers: Iterable[tuple[str, str]] = ()) -> Stream:
        if not self._protocol.remote_settings.enable_connect_protocol:
            raise NotOfferedError("SETTINGS_ENABLE_CONNECT_PROTOCOL is not among the server's settings (RFC 8441)")
        return self._open(
            [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "https"),
                (":path", path),
                (":authority", self._authority),
                ("sec-websocket-version", "13"),
                *headers,
            ],
            end=False,
        )

    def _open(self, headers: list[tuple[str, str]], end: bool) -> Stream:
        if self._error:
            raise BrokenError(self._error)
        stream = Stream(self, self._protocol.get_next_available_stream_id())
        self._streams[stream.number] = stream
        try:
            self._protocol.send_headers(stream.number, headers, end_stream=end)
        except ProtocolError as exc:
            raise BrokenError(f"{type(exc).__name__}: {exc}") from exc
        self._flush()
        return stream

    async def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        rest = memoryview(data)
        try:
            while rest:
                self._window.clear()
                window = self._protocol.local_flow_control_window(stream.number)
                size = min(window, self._protocol.max_outbound_frame_size, len(rest))
                if size:
                    self._protocol.send_data(stream.number, bytes(rest[:size]))
                    rest = rest[size:]
                    self._flush()
                    await self._writer.drain()
                else:
                    await self._window.wait()
            if end:
                self._protocol.end_stream(stream.number)
                self._flush()
        except (ProtocolError, OSError):
            # The answer tells what has become of it.
            pass

    async def abandon(self, stream: Stream) -> None:
        with contextlib.suppress(ProtocolError):
            self._protocol.reset_stream(stream.number, ErrorCodes.CANCEL)
        self._flush()

    async def close(self) -> None:
        self._reading.cancel()
        self._writer.close()

    def _flush(self) -> None:
        data = self._protocol.data_to_send()
        if not self._writer.is_closing():
            self._writer.write(data)

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3]))
                if head[3] == _GOAWAY:
                    # Not for h2, which takes it for the end of the connection, where it is the end of new streams
                    # only: those that the server has taken on go on (RFC 9113, section 6.8).
                    self._go_away(int.from_bytes(payload[:4]), int.from_bytes(payload[4:8]))
                    continue
                for event in self._protocol.receive_data(head + payload):
                    self._handle(event)
                self._flush()
        except asyncio.IncompleteReadError:
            self._error = self._error or "the connection was closed"
        except (ProtocolError, OSError) as exc:
            self._error = f"{type(exc).__name__}: {exc}"
        finally:
            self._settled.set()
            for stream in self._streams.values():
                stream.feed_error(self._error)

    def _go_away(self, last_stream: int, code: int) -> None:
        self._error = f"GOAWAY, error code {code}"
        for stream in self._streams.values():
            if stream.number > last_stream:
                stream.feed_error(self._error)

    def _handle(self, event: Event) -> None:
        if isinstance(event, RemoteSettingsChanged):
            self._settled.set()
        elif isinstance(event, WindowUpdated):
            self._window.set()
        elif isinstance(event, PushedStreamReceived):
            headers: Headers = event.headers  # type: ignore[assignment]  # bytes, as header_encoding says
            pushed = Stream(self, event.pushed_stream_id or 0)
            self.pushed[dict(headers)[b":path"]] = self._streams[pushed.number] = pushed
        elif (stream := self._streams.get(getattr(event, "stream_id", None) or 0)) is not None:
            self._feed(stream, event)

    def _feed(self, stream: Stream, event: Event) -> None:
        if isinstance(event, InformationalResponseReceived):
            stream.feed_hints(event.headers)
        elif isinstance(event, ResponseReceived):
            received = event.headers
            stream.feed_head(int(dict(received)[b":status"]), [pair for pair in received if pair[0] != b":status"])
        elif isinstance(event, TrailersReceived):
            stream.feed_trailers(event.headers)
        elif isinstance(event, DataReceived):
            stream.feed_data(event.data)
            self._protocol.acknowledge_received_data(event.flow_controlled_length, stream.number)
        elif isinstance(event, StreamEnded):
            stream.feed_end()
        elif isinstance(event, StreamReset):
            stream.feed_error(f"RST_STREAM, {event.error_code!r}")
