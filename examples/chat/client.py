"""One WebSocket: what a page says is checked and goes to the broker, what the broker tells waits in a short queue.

What a page sends, as JSON in TEXT messages:

    {"type": "join", "name", "token"}     first; token is any 16 to 64 letters, digits, - and _ that nobody guesses
    {"type": "say", "text"}

What it is sent are the broker's events, and what was not said, with the reason:

    {"type": "refused", "text", "reason"}
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import re
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples.chat.broker import Broker, Gone, NameTaken, RoomFull, Unavailable, encode
from framework import web

__all__ = ("Client", "Close", "Limits")


class Close(enum.IntEnum):
    """What sockets are closed with. Numbers from 4000 are for programs to choose (RFC 6455, section 7.4.2)."""

    OK = 1000
    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    POLICY_VIOLATION = 1008
    TRY_AGAIN_LATER = 1013
    MALFORMED = 4400
    ROOM_FULL = 4403
    JOIN_TIMEOUT = 4408
    NAME_TAKEN = 4409
    REPLACED = 4410


@dataclass(frozen=True)
class Limits:
    """What a page may do."""

    #: The most bytes of a message on the wire.
    message_size: int = 16 * 1024
    #: The most characters of a name, and of what is said.
    name: int = 24
    text: int = 2000
    #: How many messages may be said at once, and how many a second after that.
    burst: int = 5
    per_second: float = 1.0
    #: How many messages may be refused in a row before the socket is closed.
    refusals: int = 10
    #: How many events wait for a page that does not take them.
    queue: int = 100
    #: Seconds within which a page has to join, and to take the news that its socket is closed.
    join: float = 10.0
    closing: float = 5.0


TOKEN = re.compile("[A-Za-z0-9_-]{16,64}")


class Refused(Exception):
    """A page does not keep to the rules: its socket is closed."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Client:
    """A page's connection, from its handshake to its end: a `Member` of a room."""

    def __init__(self, ws: web.WebSocketResponse, limits: Limits) -> None:
        self.connection = secrets.token_hex(8)
        self.name = ""
        self.token = ""
        self._ws = ws
        self._limits = limits
        self._queue: asyncio.Queue[str] = asyncio.Queue(limits.queue)
        self._end: asyncio.Future[tuple[Close, str]] = asyncio.get_running_loop().create_future()

    # What the broker calls: nothing here waits, so that one page cannot hold up another.

    def deliver(self, event: str) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            # It has missed something: it shall connect again and be told the state of the room.
            self.end(Close.TRY_AGAIN_LATER, "too slow")

    def replace(self) -> None:
        self.end(Close.REPLACED, "opened in another window")

    def end(self, code: Close, reason: str) -> None:
        """Have the socket closed. What has been said first counts."""
        if not self._end.done():
            self._end.set_result((code, reason))

    async def stay(self, broker: Broker, room: str) -> None:
        """Return when the page has left, or its socket was closed."""
        reader = asyncio.create_task(self._read(broker, room))
        writer = asyncio.create_task(self._write())
        try:
            waited: set[asyncio.Future[Any]] = {reader, writer, self._end}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            writer.cancel()
            ended = await asyncio.gather(reader, writer, return_exceptions=True)
            if self.name:
                await broker.leave(room, self)
        code, reason = self._end.result() if self._end.done() else (Close.OK, "")
        # A page that reads nothing leaves no room for this either.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ws.close(code=code, message=reason.encode()), self._limits.closing)
        for result in ended:
            if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                raise result

    async def _write(self) -> None:
        while True:
            await self._ws.send_str(await self._queue.get())

    async def _read(self, broker: Broker, room: str) -> None:
        try:
            await self._join(broker, room)
            allowance = Allowance(self._limits.burst, self._limits.per_second)
            refusals = 0
            async for message in self._ws:
                reason = await self._say(broker, room, message, allowance)
                refusals = refusals + 1 if reason else 0
                if refusals > self._limits.refusals:
                    raise Refused(Close.POLICY_VIOLATION, reason)
        except Refused as exc:
            self.end(exc.code, exc.reason)

    async def _join(self, broker: Broker, room: str) -> None:
        try:
            message = await self._ws.receive(timeout=self._limits.join)
        except TimeoutError:
            raise Refused(Close.JOIN_TIMEOUT, "a page joins first") from None
        if self._ws.closed:
            return
        fields = parse(message, "join")
        name, token = fields.get("name"), fields.get("token")
        if not isinstance(name, str) or not isinstance(token, str) or not TOKEN.fullmatch(token):
            raise Refused(Close.MALFORMED, "who joins has a name and a token")
        self.token = token
        self.name = clean_name(name, self._limits.name)
        try:
            await broker.join(room, self)
        except NameTaken:
            raise Refused(Close.NAME_TAKEN, "the name is taken") from None
        except RoomFull:
            raise Refused(Close.ROOM_FULL, "the room is full") from None
        except Unavailable:
            raise Refused(Close.TRY_AGAIN_LATER, "the rooms cannot be reached") from None

    async def _say(self, broker: Broker, room: str, message: web.WSMessage, allowance: Allowance) -> str:
        """Say it; returns why not, or nothing."""
        text = parse(message, "say").get("text")
        if not isinstance(text, str):
            raise Refused(Close.MALFORMED, "what is said has a text")
        text = clean_text(text)
        if not text:
            return ""
        if len(text) > self._limits.text:
            reason = f"longer than {self._limits.text} characters"
        elif not allowance.take():
            reason = "too many messages at once"
        else:
            try:
                await broker.say(room, self, text)
            except Gone:
                raise Refused(Close.TRY_AGAIN_LATER, "not in the room any more") from None
            except Unavailable:
                reason = "the rooms cannot be reached at the moment"
            else:
                return ""
        self.deliver(encode("refused", text=text, reason=reason))
        return reason


class Allowance:
    """A bucket of tokens: `burst` at first, `per_second` more with each second, never above `burst`."""

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._left = float(burst)
        self._last = clock()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._last) * self._per_second)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def parse(message: web.WSMessage, kind: str) -> dict[str, Any]:
    if message.type is web.WSMsgType.ERROR:
        # Too large, or not UTF-8: the socket was closed with the code for that.
        raise Refused(Close.MALFORMED, "unreadable")
    if message.type is not web.WSMsgType.TEXT:
        raise Refused(Close.UNSUPPORTED_DATA, "messages are text")
    try:
        fields = json.loads(message.data)
    except (ValueError, RecursionError):
        raise Refused(Close.MALFORMED, "messages are JSON") from None
    if not isinstance(fields, dict) or fields.get("type") != kind:
        raise Refused(Close.MALFORMED, f"the type of this message is {kind}")
    return fields


def clean_name(name: str, longest: int) -> str:
    """The name as it is shown: one line, in composed characters, without invisible ones."""
    name = " ".join(unicodedata.normalize("NFKC", name).split())
    if not 1 <= len(name) <= longest or any(unicodedata.category(character)[0] == "C" for character in name):
        raise Refused(Close.MALFORMED, f"a name has 1 to {longest} characters")
    return name


def clean_text(text: str) -> str:
    """What is said, without control characters but line ends and tabs, and without halves of characters."""
    return "".join(
        character
        for character in text.strip()
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs"}
    )
