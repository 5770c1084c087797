"""HTTP/3 over QUIC, by aioquic: with trailers, and WebSockets by extended CONNECT (RFC 9220)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection, Setting
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived, PushPromiseReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StopSendingReceived, StreamReset

from tests.matrix.connections import Address, BrokenError, Connection, NotOfferedError, Stream

__all__ = ("Http3Connection",)


class _Frames(H3Connection):
    """aioquic's, but for a check that knows neither HEAD nor 304 (RFC 9110, section 8.6)."""

    def _check_content_length(self, stream: object) -> None:
        """The checks of the matrix compare lengths themselves."""


class _Protocol(QuicConnectionProtocol):
    """The part that QUIC calls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.h3 = _Frames(self._quic)
        self.streams: dict[int, Stream] = {}
        #: What was pushed, by its push ID and by its path.
        self.promised: dict[int, Stream] = {}
        self.pushed: dict[bytes, Stream] = {}
        self.settled = asyncio.Event()
        self.error = ""

    def next_stream_number(self) -> int:
        return self._quic.get_next_available_stream_id()

    def stop(self, number: int) -> None:
        self._quic.stop_stream(number, ErrorCode.H3_REQUEST_CANCELLED)
        self._quic.reset_stream(number, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.error = f"connection terminated, {event.error_code} {event.reason_phrase}".strip()
            self.settled.set()
            for stream in self.streams.values():
                stream.feed_error(self.error)
            return
        if isinstance(event, StreamReset) and (reset := self.streams.get(event.stream_id)) is not None:
            reset.feed_error(f"RESET_STREAM, {event.error_code}")
        elif isinstance(event, StopSendingReceived):
            return
        for item in self.h3.handle_event(event):
            self._handle(item)
        if self.h3.received_settings is not None:
            self.settled.set()

    def _handle(self, event: H3Event) -> None:
        if isinstance(event, PushPromiseReceived):
            promised = self.promised.setdefault(event.push_id, Stream(self.streams[event.stream_id].connection))
            self.pushed[dict(event.headers)[b":path"]] = promised
            return
        push_id = getattr(event, "push_id", None)
        stream = self.streams.get(getattr(event, "stream_id", -1)) if push_id is None else self.promised.get(push_id)
        if stream is None:
            return
        if isinstance(event, HeadersReceived):
            fields = dict(event.headers)
            if b":status" not in fields:
                stream.feed_trailers(event.headers)
            else:
                headers = [pair for pair in event.headers if pair[0] != b":status"]
                status = int(fields[b":status"])
                if status < 200:
                    stream.feed_hints(headers)
                else:
                    stream.feed_head(status, headers)
        elif isinstance(event, DataReceived) and event.data:
            stream.feed_data(event.data)
        if isinstance(event, HeadersReceived | DataReceived) and event.stream_ended:
            stream.feed_end()


class Http3Connection(Connection):
    """A connection with any number of streams."""

    def __init__(self, protocol: _Protocol, authority: str, transport: asyncio.DatagramTransport) -> None:
        self.pushed = protocol.pushed
        self._protocol = protocol
        self._authority = authority
        self._transport = transport

    @classmethod
    async def connect(cls, address: Address) -> Http3Connection:
        configuration = QuicConfiguration(
            alpn_protocols=H3_ALPN, is_client=True, cafile=address.ca_file, server_name="localhost"
        )
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Protocol(QuicConnection(configuration=configuration)), local_addr=(address.host, 0)
        )
        connection = cls(protocol, f"localhost:{address.port}", transport)
        try:
            protocol.connect((address.host, address.port))
            await protocol.settled.wait()
        except BaseException:
            await connection.close()
            raise
        if protocol.error:
            await connection.close()
            raise BrokenError(protocol.error)
        return connection

    async def open(self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), *, end: bool) -> Stream:
        return self._open(
            [(":method", method), (":scheme", "https"), (":authority", self._authority), (":path", path), *headers], end
        )

    async def open_websocket(self, path: str, headers: Iterable[tuple[str, str]] = ()) -> Stream:
        if not (self._protocol.h3.received_settings or {}).get(Setting.ENABLE_CONNECT_PROTOCOL):
            raise NotOfferedError("SETTINGS_ENABLE_CONNECT_PROTOCOL is not among the server's settings (RFC 9220)")
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
        if self._protocol.error:
            raise BrokenError(self._protocol.error)
        stream = Stream(self, self._protocol.next_stream_number())
        self._protocol.streams[stream.number] = stream
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._protocol.h3.send_headers(stream.number, encoded, end_stream=end)
        self._protocol.transmit()
        return stream

    async def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        self._protocol.h3.send_data(stream.number, data, end_stream=end)
        self._protocol.transmit()

    async def abandon(self, stream: Stream) -> None:
        self._protocol.stop(stream.number)

    async def close(self) -> None:
        # Without waiting for the server, which may be of no mind to answer.
        self._protocol.close()
        self._transport.close()
