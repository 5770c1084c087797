"""`WebSocketResponse`: aiohttp's server side of a WebSocket, on the ``websocket`` scope of ASGI.

The server speaks the protocol (RFC 6455): frames, masks, fragments, compression, pings, the closing handshake. What
arrives here are whole messages, and the news that the socket was closed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self
from urllib.parse import urlsplit

from framework import hdrs
from framework.exceptions import HTTPBadRequest, HTTPForbidden
from framework.handshakes import WebSocketHandshake, handshake_of
from framework.sansio import json as sansio_json
from framework.sansio.cookies import set_cookie_headers
from framework.sansio.headers import encode_headers
from framework.sansio.text import escape_controls
from framework.sansio.ws_messages import (
    WS_CLOSED_MESSAGE,
    WS_CLOSING_MESSAGE,
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMessageTypeError,
    WSMsgType,
)
from framework.stream_responses import StreamResponse
from framework.streams import ClientConnectionResetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.handler_cancellation import HandlerCancellation
    from framework.requests import BaseRequest
    from framework.typedefs import Message, Receive, Send

__all__ = ("WebSocketReady", "WebSocketResponse")

logger = logging.getLogger("framework.websocket")

#: How often a closed socket may be asked for messages before that is taken for an endless loop, as in aiohttp.
_CLOSED_RECEIVES: Final = 5
#: How many messages are sent without a receive before somebody has to look whether the client is still there.
_UNHEARD_SENDS: Final = 2

#: For how long, in seconds, a handler that is cancelled when the client leaves need not receive before somebody looks.
_UNHEARD_SECONDS: Final = 0.01

#: After how many of them the event loop turns.
_SENDS_BEFORE_TURN: Final = 16

#: The most bytes of a reason: a control frame has 125, of which two are the code.
_REASON_SIZE: Final = 123

#: What the server sends itself, and what belongs to a body.
_NOT_SENT: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"content-type",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"transfer-encoding",
        b"upgrade",
    }
)
# PERF: to look a member up on its class takes 70 ns on Python 3.11.
_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_CLOSING_TYPES: Final = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED})

_new_tuple: Final[Any] = tuple.__new__

_warned: set[str] = set()


class WebSocketReady:
    """What `WebSocketResponse.can_prepare` says: whether a request can become a WebSocket, and its subprotocol.

    It is true where it can.
    """

    __slots__ = ("ok", "protocol")

    def __init__(self, ok: bool, protocol: str | None) -> None:
        self.ok = ok
        self.protocol = protocol

    def __bool__(self) -> bool:
        return self.ok

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WebSocketReady):
            return NotImplemented
        return (self.ok, self.protocol) == (other.ok, other.protocol)

    def __hash__(self) -> int:
        return hash((self.ok, self.protocol))

    def __repr__(self) -> str:
        return f"WebSocketReady(ok={self.ok!r}, protocol={self.protocol!r})"


class WebSocketResponse(StreamResponse):
    """A WebSocket: ``await ws.prepare(request)`` accepts the handshake, ``async for msg in ws`` reads messages.

    Args:
        timeout: seconds that `close` waits for the server, whose the closing handshake is.
        receive_timeout: seconds that `receive` waits for a message, None for any number.
        autoclose: whether the socket counts as closed when the client has closed it. The server answers the client's
            close in either case.
        autoping: not used: servers answer pings.
        heartbeat: not used, with a warning: servers send pings (``uvicorn --ws-ping-interval 20``).
        protocols: the subprotocols that the program speaks (RFC 6455, section 1.9). The first of the client's that is
            among them is chosen.
        compress: not used: servers negotiate compression.
        max_msg_size: the size in bytes from which on a message is refused: the socket is closed with 1009. 0 is for
            no limit here; servers have one of their own (uvicorn's is 16 MiB).
        writer_limit: not used: servers buffer what they send.
        decode_text: whether a TEXT has str as its data; bytes else.
        allowed_origins: what the ``Origin`` of a browser's page must be one of: values such as
            ``"https://example.org"``, or ``"self"`` for the host that the request is for. None allows any. Clients
            that are no browsers send no Origin, and are let in.

    Browsers let every page open a WebSocket to every host, and send the cookies along: a program that goes by cookies
    should set ``allowed_origins`` (RFC 6455, section 10.2).
    """

    #: How the handler is cancelled when the client leaves, None where it is not.
    _cancellation: HandlerCancellation | None = None
    #: When a handler that does not receive is listened for.
    _listening: asyncio.TimerHandle | None = None
    #: The message that is waited for while the handler does not receive.
    _unheard: asyncio.Future[Message] | None = None

    def __init__(
        self,
        *,
        timeout: float = 10.0,
        receive_timeout: float | None = None,
        autoclose: bool = True,
        autoping: bool = True,
        heartbeat: float | None = None,
        protocols: Iterable[str] = (),
        compress: bool = True,
        max_msg_size: int = 4 * 1024 * 1024,
        writer_limit: int = 2**18,
        decode_text: bool = True,
        allowed_origins: Collection[str] | None = None,
    ) -> None:
        super().__init__(status=101)
        if isinstance(allowed_origins, str):
            raise TypeError(f"allowed_origins is a list of origins: [{allowed_origins!r}]")
        if heartbeat is not None:
            _warn_once("heartbeat=", "set the server's own pings: uvicorn --ws-ping-interval and --ws-ping-timeout")
        self._timeout = timeout
        self._receive_timeout = receive_timeout
        self._autoclose = autoclose
        self._protocols = tuple(protocols)
        self._max_msg_size = max_msg_size
        # A character of text has four bytes at most: shorter texts need not be measured.
        self._safe_length = max_msg_size // 4 if max_msg_size else 2**62
        self._decode_text = decode_text
        self._allowed_origins = allowed_origins
        self._handshake: WebSocketHandshake | None = None
        self._ws_protocol: str | None = None
        self._receiving = False
        self._closed = False
        self._closing = False
        self._close_code: int | None = None
        self._ws_exception: BaseException | None = None
        self._closed_receives = 0
        #: How many messages were sent since one was received.
        self._unheard_sends = 0
        #: The server's own send, while the socket is open.
        self._send_now: Send | None = None
        #: The server's own receive, while nothing stands between it and `__anext__`.
        self._receive_now: Receive | None = None

    def __class_getitem__(cls, item: Any) -> type[WebSocketResponse]:
        """The class itself: aiohttp's annotations say by ``WebSocketResponse[bool]`` whether text is decoded."""
        return cls

    # The handshake

    @property
    def prepared(self) -> bool:
        """Whether the handshake was accepted."""
        return self._handshake is not None

    def can_prepare(self, request: BaseRequest) -> WebSocketReady:
        """Whether ``request`` asks for a WebSocket, and which subprotocol would be chosen.

        RuntimeError when the socket was prepared already.
        """
        if self._handshake is not None:
            raise RuntimeError("Already started")
        if handshake_of(request.scope) is None:
            return WebSocketReady(False, None)
        return WebSocketReady(True, self._choose_protocol(request))

    async def prepare(self, request: BaseRequest) -> None:
        """Accept the handshake, after the receivers of ``on_response_prepare`` saw the response.

        Headers and cookies of the response are sent with it. Does nothing when it was accepted already.

        Raises `HTTPBadRequest` for a request that asks for no WebSocket, `HTTPForbidden` for an Origin that is not
        allowed, and `ClientConnectionResetError` when the client has gone.
        """
        if self._handshake is not None:
            return
        handshake = handshake_of(request.scope)
        if handshake is None:
            _refuse(request)
        self._check_origin(request)
        self._ws_protocol = self._choose_protocol(request)
        self._request = request
        headers = self.headers
        headers[hdrs.UPGRADE] = "websocket"
        headers[hdrs.CONNECTION] = "upgrade"
        if self._ws_protocol is not None:
            headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = self._ws_protocol
        for signal in request.prepare_signals():
            await signal.send(request, self)
        raw_headers = [header for header in encode_headers(headers) if header[0] not in _NOT_SENT]
        if self._cookies:
            raw_headers.extend(set_cookie_headers(self._cookies))
        request.begin_response(self)
        self._send_now = await handshake.accept(self, self._ws_protocol, raw_headers)
        self._handshake = handshake
        self._cancellation = request.cancellation
        self._allow_direct_receives()

    def _choose_protocol(self, request: BaseRequest) -> str | None:
        offered = request.scope.get("subprotocols") or ()
        for protocol in offered:
            if protocol in self._protocols:
                return str(protocol)
        if self._protocols and offered:
            logger.warning(
                "Client protocols %s don’t overlap server-known ones %r",
                [escape_controls(str(protocol)) for protocol in offered],
                self._protocols,
            )
        return None

    def _check_origin(self, request: BaseRequest) -> None:
        if self._allowed_origins is None:
            return
        origins = request.headers.getall(hdrs.ORIGIN, ())
        if not origins:
            return
        if len(origins) == 1:
            origin = origins[0].lower()
            if origin in {each.lower().rstrip("/") for each in self._allowed_origins if each != "self"}:
                return
            if "self" in self._allowed_origins and _authority(origin) == request.host.lower():
                return
        raise HTTPForbidden(text="403: Forbidden: this Origin may not open a WebSocket here")

    # What is known

    @property
    def closed(self) -> bool:
        """Whether the socket was closed, by either side."""
        return self._closed

    @property
    def close_code(self) -> int | None:
        """The code that the socket was closed with, None while it is open."""
        return self._close_code

    @property
    def ws_protocol(self) -> str | None:
        """The subprotocol that was chosen."""
        return self._ws_protocol

    @property
    def compress(self) -> int:
        """0: whether messages are compressed is known to the server only."""
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection, see `BaseRequest.get_extra_info`; ``default`` before `prepare`."""
        return default if self._request is None else self._request.get_extra_info(name, default)

    def exception(self) -> BaseException | None:
        """What went wrong with the socket, None where nothing did."""
        return self._ws_exception

    # Sending

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a TEXT message.

        Raises RuntimeError before `prepare`, TypeError for what is no str, `ClientConnectionResetError` when the socket
        was closed. ``compress`` is not used: the server compresses.
        """
        # PERF: here and in `send_bytes`, `receive` and `__anext__` nothing is called but the server: an echo takes
        # 0.8 µs in all, 1.5 with a method for each step.
        send = self._send_now
        if send is None or not isinstance(data, str):
            raise self._refusal(data, str, "str")
        unheard = self._unheard_sends = self._unheard_sends + 1
        if unheard > _UNHEARD_SENDS and self._go_unheard():
            await asyncio.sleep(0)
        try:
            await send({"type": "websocket.send", "text": data})
        except (OSError, RuntimeError) as exc:
            raise self._loss(exc) from exc

    async def send_bytes(self, data: bytes | bytearray | memoryview, compress: int | None = None) -> None:
        """Send a BINARY message. Raises as `send_str`, TypeError for what is no bytes."""
        send = self._send_now
        if send is None or not isinstance(data, (bytes, bytearray, memoryview)):
            raise self._refusal(data, (bytes, bytearray, memoryview), "byte-ish")
        unheard = self._unheard_sends = self._unheard_sends + 1
        if unheard > _UNHEARD_SENDS and self._go_unheard():
            await asyncio.sleep(0)
        try:
            await send({"type": "websocket.send", "bytes": data if type(data) is bytes else bytes(data)})
        except (OSError, RuntimeError) as exc:
            raise self._loss(exc) from exc

    async def send_json(
        self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], str] = json.dumps
    ) -> None:
        """Send ``data`` as JSON in a TEXT message. Raises as `send_str`, and what ``dumps`` raises."""
        text = sansio_json.dumps(data) if dumps is json.dumps else dumps(data)
        await self.send_str(text, compress)

    async def send_json_bytes(self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], bytes]) -> None:
        """Send ``data`` as JSON in a BINARY message, with an encoder that gives bytes. Raises as `send_json`."""
        await self.send_bytes(dumps(data), compress)

    async def send_frame(self, message: bytes, opcode: WSMsgType, compress: int | None = None) -> None:
        """Send a message of TEXT, BINARY or CLOSE by its opcode.

        ASGI has no frames: `ping` and `pong` say what becomes of theirs, and RuntimeError is raised for a CONTINUATION.
        """
        match opcode:
            case WSMsgType.TEXT:
                await self.send_str(bytes(message).decode())
            case WSMsgType.BINARY:
                await self.send_bytes(message)
            case WSMsgType.PING:
                await self.ping(message)
            case WSMsgType.PONG:
                await self.pong(message)
            case WSMsgType.CLOSE:
                code = int.from_bytes(message[:2], "big") if message else WSCloseCode.OK
                await self.close(code=code, message=bytes(message[2:]))
            case _:
                raise RuntimeError("ASGI has no fragments: send whole messages, the server may cut them into frames")

    async def ping(self, message: bytes = b"") -> None:
        """Nothing but a warning, once: ASGI servers send pings by themselves. Raises as `send_str`."""
        self._open_handshake()
        _warn_once("ping()", "set the server's own pings: uvicorn --ws-ping-interval and --ws-ping-timeout")

    async def pong(self, message: bytes = b"") -> None:
        """Nothing but a warning, once: ASGI servers answer pings by themselves. Raises as `send_str`."""
        self._open_handshake()
        _warn_once("pong()", "the server answers the client's pings")

    async def write(self, data: Any) -> NoReturn:
        """RuntimeError: a WebSocket has no body."""
        raise RuntimeError("Cannot call .write() for websocket")

    def _refusal(self, data: object, types: Any, name: str) -> Exception:
        """Why ``data`` cannot be sent."""
        if self._handshake is None:
            return RuntimeError("Call .prepare() first")
        if not isinstance(data, types):
            return TypeError(f"data argument must be {name} ({type(data)!r})")
        reset = ClientConnectionResetError("Cannot write to closing transport")
        if self._handshake.disconnected and not self._closed:
            self._end(WSCloseCode.ABNORMAL_CLOSURE, reset)
        return reset

    def _loss(self, exc: Exception) -> ClientConnectionResetError:
        """Take in that the server refused to send.

        Spec version 2.4 has OSError for a client that has gone; servers raise RuntimeError for what comes after the end
        of a socket, of which nobody has told us yet.
        """
        self._prepared_handshake().note_disconnect()
        reset = ClientConnectionResetError("Cannot write to closing transport")
        reset.__cause__ = exc
        self._end(WSCloseCode.ABNORMAL_CLOSURE, reset)
        return reset

    def _go_unheard(self) -> bool:
        """Begin to listen beside the sending, and tell whether the event loop should turn before a message is sent.

        The server's `send` need not suspend: a program that goes on sending to a client that has gone would keep the
        loop to itself for ever.
        """
        handshake = self._prepared_handshake()
        if not self._receiving and (handshake.pending is None or handshake.pending is not self._unheard):
            # Who only sends would never hear that the client has gone: what it has to say is waited for beside.
            self._receive_now = None
            self._listen_unheard(handshake)
        return self._unheard_sends % _SENDS_BEFORE_TURN == 0

    def _listen_beside(self) -> None:
        """Find out that the client has gone while the handler, which is to be cancelled then, does not receive."""
        self._listening = None
        handshake = self._handshake
        if (
            handshake is not None
            and not self._receiving
            and self._send_now is not None
            and self._cancellation is not None
            and not self._cancellation.ended
        ):
            self._listen_unheard(handshake)

    def _listen_unheard(self, handshake: WebSocketHandshake) -> None:
        # Others may have begun it: who watched the client before the accept, or a receive() that ran out of time.
        pending = handshake.start_receiving()
        if pending is not self._unheard:
            self._unheard = pending
            pending.add_done_callback(self._note_unheard)

    def _note_unheard(self, pending: asyncio.Future[Message]) -> None:
        handshake = self._handshake
        if handshake is None or self._receiving or pending is not handshake.pending or pending.cancelled():
            return
        if pending.exception() is not None:
            return
        if pending.result()["type"] == "websocket.disconnect":
            handshake.note_disconnect()
            self._send_now = None
            if self._cancellation is not None and not self._closing and not self._closed:
                self._cancellation.cancel()
        elif handshake.keep_pending():
            # The end of the client may be behind it.
            self._listen_unheard(handshake)

    def _prepared_handshake(self) -> WebSocketHandshake:
        if self._handshake is None:
            raise RuntimeError("Call .prepare() first")
        return self._handshake

    def _open_handshake(self) -> WebSocketHandshake:
        handshake = self._prepared_handshake()
        if self._closed or self._closing:
            raise ClientConnectionResetError("Cannot write to closing transport")
        return handshake

    # Receiving

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """The next message: TEXT, BINARY, CLOSE when the client has closed the socket, ERROR for one that is too big.

        CLOSED is for a socket that was closed before or has lost its client, CLOSING for one that another task closes.

        Args:
            timeout: seconds to wait, ``receive_timeout`` by default. A message that comes later is not lost.

        Raises RuntimeError before `prepare`, when another task is receiving, and for a loop that goes on asking a
        closed socket; TimeoutError.
        """
        if self._receiving:
            raise RuntimeError("Concurrent call to receive() is not allowed")
        handshake = self._handshake
        if handshake is None:
            raise RuntimeError("Call .prepare() first")
        if self._closed:
            self._closed_receives += 1
            if self._closed_receives >= _CLOSED_RECEIVES:
                raise RuntimeError("WebSocket connection is closed.")
            return WS_CLOSED_MESSAGE
        if self._closing:
            return WS_CLOSING_MESSAGE
        if timeout is None:
            timeout = self._receive_timeout
        self._receiving = True
        self._receive_now = None
        try:
            if timeout is None and handshake.pending is None and not handshake.backlog:
                # A task for each message would cost 8 µs.
                message = await handshake.receive()
            else:
                message = await handshake.next_message(timeout or None)
        finally:
            self._receiving = False
            self._allow_direct_receives()
        return await self._understand(message)

    def _allow_direct_receives(self) -> None:
        if self._cancellation is not None:
            # PERF: who receives again within a moment, as most do, needs no task for it. One timer at a time costs
            # 0.6 µs for each message, a callback after each one 3.
            if self._listening is None:
                self._listening = asyncio.get_running_loop().call_later(_UNHEARD_SECONDS, self._listen_beside)
            return
        handshake = self._handshake
        if (
            self._send_now is not None
            and handshake is not None
            and handshake.pending is None
            and not handshake.backlog
            and self._receive_timeout is None
            and type(self).receive is WebSocketResponse.receive
        ):
            self._receive_now = handshake.receive

    async def _understand(self, message: Message) -> WSMessage:
        self._unheard_sends = 0
        if message["type"] != "websocket.receive":
            return self._on_disconnect(message)
        if self._closing or self._closed:
            return WS_CLOSING_MESSAGE
        text = message.get("text")
        if text is not None:
            if len(text) >= self._safe_length and (size := len(text.encode())) >= self._max_msg_size:
                return await self._refuse_message(size)
            return WSMessage(_TEXT, text if self._decode_text else text.encode(), "")
        data = message["bytes"]
        if type(data) is not bytes:
            data = bytes(data)
        if len(data) >= self._safe_length and len(data) >= self._max_msg_size:
            return await self._refuse_message(len(data))
        return WSMessage(_BINARY, data, "")

    async def _refuse_message(self, size: int) -> WSMessage:
        error = WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, f"Message size {size} exceeds limit {self._max_msg_size}")
        await self.close(code=WSCloseCode.MESSAGE_TOO_BIG)
        self._ws_exception = error
        return WSMessage(WSMsgType.ERROR, error, None)

    def _on_disconnect(self, message: Message) -> WSMessage:
        self._prepared_handshake().note_disconnect()
        self._send_now = self._receive_now = None
        if self._closing or self._closed:
            return WS_CLOSING_MESSAGE
        code = int(message.get("code") or 1005)
        if code == WSCloseCode.ABNORMAL_CLOSURE:
            self._end(code, ClientConnectionResetError("Cannot write to closing transport"))
            return WS_CLOSED_MESSAGE
        # RFC 6455, section 7.1.5: 1005 stands for a close without a code, for which aiohttp has 0.
        self._close_code = 0 if code == 1005 else code
        if self._autoclose:
            self._closed = True
        return WSMessage(WSMsgType.CLOSE, self._close_code, message.get("reason") or "")

    def _end(self, code: int, exc: BaseException) -> None:
        self._closed = True
        self._send_now = self._receive_now = None
        if self._close_code is None:
            self._close_code = code
            self._ws_exception = exc

    async def receive_str(self, *, timeout: float | None = None) -> str:
        """The data of the next message, which must be a TEXT; `WSMessageTypeError` for another one."""
        msg = await self.receive(timeout)
        if msg.type is not _TEXT:
            raise WSMessageTypeError(f"Received message {msg.type}:{msg.data!r} is not WSMsgType.TEXT")
        text: str = msg.data
        return text

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """The data of the next message, which must be a BINARY; `WSMessageTypeError` for another one."""
        msg = await self.receive(timeout)
        if msg.type is not _BINARY:
            raise WSMessageTypeError(f"Received message {msg.type}:{msg.data!r} is not WSMsgType.BINARY")
        data: bytes = msg.data
        return data

    async def receive_json(self, *, loads: Callable[[Any], Any] = json.loads, timeout: float | None = None) -> Any:
        """The next message, which must be a TEXT, as JSON. Raises what `receive_str` and ``loads`` raise."""
        return loads(await self.receive_str(timeout=timeout))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WSMessage:
        receive = self._receive_now
        if receive is None:
            msg = await self.receive()
        else:
            # PERF: what `receive` does where nothing is special; who else asks meanwhile goes there and is refused.
            self._receive_now = None
            self._receiving = True
            try:
                message = await receive()
            finally:
                self._receiving = False
                if self._send_now is not None:
                    self._receive_now = receive
            if self._send_now is not None:
                self._unheard_sends = 0
                text = message.get("text")
                if text is None:
                    data = message.get("bytes")
                    if type(data) is bytes and len(data) < self._safe_length:
                        return _new_tuple(WSMessage, (_BINARY, data, ""))  # type: ignore[no-any-return]
                elif len(text) < self._safe_length and self._decode_text:
                    return _new_tuple(WSMessage, (_TEXT, text, ""))  # type: ignore[no-any-return]
            msg = await self._understand(message)
        if msg.type in _CLOSING_TYPES:
            raise StopAsyncIteration
        return msg

    # Closing

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes | str = b"", drain: bool = True) -> bool:
        """Close the socket, with a code and a reason, which is cut at 123 bytes (RFC 6455, section 5.5.1).

        Whoever waits in `receive` is told CLOSING. Returns False for a socket that was closed already. Raises
        RuntimeError before `prepare`.
        """
        handshake = self._prepared_handshake()
        if self._closed or self._closing:
            return False
        reason = message.encode("utf-8", "replace") if isinstance(message, str) else bytes(message)
        self._closing = True
        self._send_now = self._receive_now = None
        if self._close_code is None:
            self._close_code = int(code)
        try:
            # granian's send never returns for a client that it has dropped itself.
            async with asyncio.timeout(self._timeout or None):
                await handshake.send(
                    {
                        "type": "websocket.close",
                        "code": int(code),
                        "reason": reason[:_REASON_SIZE].decode("utf-8", "ignore"),
                    }
                )
        except (ClientConnectionResetError, TimeoutError) as exc:
            handshake.note_disconnect()
            logger.debug("The client had gone before the socket was closed", exc_info=exc)
        self._closed = True
        return True

    async def write_eof(self, data: bytes = b"") -> None:
        """Close the socket; what becomes of it when the handler returns it. RuntimeError before `prepare`."""
        if self._eof_sent:
            return
        if self._handshake is None:
            raise RuntimeError("Response has not been started")
        await self.close()
        self._eof_sent = True

    def is_over(self) -> bool:
        # Who receives is told of the client's end, and `_note_unheard` of whose handler does not.
        return self._handshake is not None

    async def fail(self) -> bool:
        if self._handshake is not None:
            await self.close(code=WSCloseCode.INTERNAL_ERROR)
        return True


def _refuse(request: BaseRequest) -> NoReturn:
    """Say what is missing of a handshake, as aiohttp does."""
    upgrade = request.headers.get(hdrs.UPGRADE)
    if upgrade is None or upgrade.lower().strip() != "websocket":
        raise HTTPBadRequest(
            text=f'No WebSocket UPGRADE hdr: {escape_controls(str(upgrade))}\n Can "Upgrade" only to "WebSocket".'
        )
    connection = request.headers.get(hdrs.CONNECTION)
    if connection is None or "upgrade" not in connection.lower():
        raise HTTPBadRequest(text=f"No CONNECTION upgrade hdr: {escape_controls(str(connection))}")
    version = request.headers.get(hdrs.SEC_WEBSOCKET_VERSION, "")
    if version not in {"13", "8", "7"}:
        raise HTTPBadRequest(text=f"Unsupported version: {escape_controls(version)}")
    key = request.headers.get(hdrs.SEC_WEBSOCKET_KEY)
    logger.error(
        "The server gave a WebSocket handshake as a plain request: it was started without WebSocket support, or has "
        "refused the handshake itself (uvicorn: pip install websockets, and no --ws none)"
    )
    raise HTTPBadRequest(text=f"Handshake error: {None if key is None else escape_controls(key)!r}")


def _authority(origin: str) -> str:
    """The host of an Origin, with its port where that is not the scheme's own."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc


def _warn_once(what: str, instead: str) -> None:
    if what not in _warned:
        _warned.add(what)
        warnings.warn(
            f"WebSocketResponse: {what} has no effect, ASGI has no ping frames; {instead}", RuntimeWarning, stacklevel=3
        )
