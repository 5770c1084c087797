"""Rooms in a Redis server, shared by any number of processes on any number of machines.

A room is four keys, and a channel on which its events are published:

    chat:{room}:members    hash: folded name to {"name", "token", "connection"}
    chat:{room}:expiry     sorted set: folded name to when it expires, in milliseconds
    chat:{room}:messages   list: what was said last
    chat:{room}:number     the number of the last event
    chat:{room}:events     channel: "<number> <event>"

Every change is a script, which Redis runs whole: it changes the keys and publishes the events, numbered in order. So a
state that was read with number 7 is brought up to date by the events from 8 on, and a number left out means that events
were missed; the state is read again then. A process renews the presence of its members three times as often as it
expires; that of a process that died is swept away by whoever looks next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from examples.chat.broker import Broker, Gone, Member, NameTaken, RoomFull, Unavailable, encode, new_message

__all__ = ("RedisBroker",)

logger = logging.getLogger("examples.chat")

#: Seconds that a room without a sign of life is kept: a week.
_IDLE = 7 * 24 * 3600

_PRELUDE = """
local members, expiry, messages, number = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local channel, alive, idle = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
-- The clock of the Redis server: those of the workers may differ.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function tell(event)
    redis.call('PUBLISH', channel, redis.call('INCR', number) .. ' ' .. event)
end

local function held_by(key)
    local value = redis.call('HGET', members, key)
    return value and cjson.decode(value)
end

local function hold(key, value)
    redis.call('HSET', members, key, value)
    redis.call('ZADD', expiry, now + alive, key)
end

local function release(key, name)
    redis.call('HDEL', members, key)
    redis.call('ZREM', expiry, key)
    tell(cjson.encode({type = 'left', name = name}))
end

local function sweep()
    for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiry, '-inf', now)) do
        local held = held_by(key)
        release(key, held and held.name or key)
    end
end

local function keep()
    for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, idle) end
end

local function state()
    keep()
    local last = tonumber(redis.call('GET', number) or 0)
    return {last, redis.call('HVALS', members), redis.call('LRANGE', messages, 0, -1)}
end
"""

# key, value, event, how many members there may be
_JOIN = """
local key, value, event, limit = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
sweep()
local held = held_by(key)
if held then
    if held.token ~= cjson.decode(value).token then return 'taken' end
    hold(key, value)
    tell('{"type":"replaced","connection":"' .. held.connection .. '"}')
else
    if redis.call('HLEN', members) >= limit then return 'full' end
    hold(key, value)
    tell(event)
end
return state()
"""

# key, connection
_LEAVE = """
local held = held_by(ARGV[4])
if held and held.connection == ARGV[5] then release(ARGV[4], held.name) end
keep()
"""

# key, connection, event, how many messages are kept
_SAY = """
local held = held_by(ARGV[4])
if not held or held.connection ~= ARGV[5] then return 0 end
redis.call('RPUSH', messages, ARGV[6])
redis.call('LTRIM', messages, -tonumber(ARGV[7]), -1)
tell(ARGV[6])
keep()
return 1
"""

# key and value of each member of this process
_RENEW = """
local lost = {}
for index = 4, #ARGV, 2 do
    local key, value = ARGV[index], ARGV[index + 1]
    local mine = cjson.decode(value)
    local held = held_by(key)
    if held and held.connection ~= mine.connection then
        lost[#lost + 1] = mine.connection
    else
        hold(key, value)
        if not held then tell(cjson.encode({type = 'joined', name = mine.name})) end
    end
end
sweep()
return {lost, state()}
"""


class _Entry:
    """A member whose page this process serves."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.key = member.name.casefold()
        self.value = json.dumps({"name": member.name, "token": member.token, "connection": member.connection})
        #: The number of the last event that is contained in what the page knows; None while it is joining.
        self.number: int | None = None
        #: What was published meanwhile.
        self.early: list[tuple[int, str | None]] = []

    def take(self, number: int, event: str | None) -> bool:
        """Hear of an event, None for one that is no news to pages; returns whether others before it were missed."""
        if self.number is None:
            self.early.append((number, event))
            return False
        missed = number > self.number + 1
        if number > self.number:
            self.number = number
            if event is not None:
                self.member.deliver(event)
        return missed

    def go_on(self, number: int) -> bool:
        """The page knows what happened up to event `number`; returns whether something after it was missed."""
        self.number = number
        missed = False
        early, self.early = self.early, []
        for later, event in early:
            missed = self.take(later, event) or missed
        return missed


class _Room:
    """What this process has to do with a room."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: dict[str, _Entry] = {}
        #: The number of the last event that was heard, 0 where the next one may have any.
        self.number = 0
        self.subscribed = asyncio.Event()
        #: Whether events were missed, and the pages are still to be told.
        self.stale = False
        self.renewing = asyncio.Lock()
        self.keys = [f"chat:{{{name}}}:{key}" for key in ("members", "expiry", "messages", "number")]
        self.channel = f"chat:{{{name}}}:events"


class RedisBroker(Broker):
    """Rooms in a Redis server.

    While it cannot be reached, who is in a room stays, nothing can be said, and nobody can enter; then every page is
    told the state of its room.

    Args:
        url: ``redis://[[user]:password@]host[:port][/database]``, ``rediss://`` with TLS, ``unix://``.
        alive: seconds after which the members of a process that has died are gone.
        patience: seconds that an answer of the server may take.
    """

    def __init__(
        self, url: str, *, history: int = 50, members: int = 200, alive: float = 15.0, patience: float = 5.0
    ) -> None:
        super().__init__(history=history, members=members)
        self._alive = alive
        self._patience = patience
        self._rooms: dict[str, _Room] = {}
        # No retries: a message that was perhaps said is not said again. What to do about failures is decided here.
        self._redis = Redis.from_url(
            url,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=patience,
            socket_connect_timeout=patience,
            socket_keepalive=True,
        )
        self._join = self._redis.register_script(_PRELUDE + _JOIN)
        self._leave = self._redis.register_script(_PRELUDE + _LEAVE)
        self._say = self._redis.register_script(_PRELUDE + _SAY)
        self._renew = self._redis.register_script(_PRELUDE + _RENEW)
        self._pubsub: PubSub | None = None
        #: The channels that were asked for on the connection there is; the lock keeps the order of the requests.
        self._channels: set[str] = set()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._spawn(self._listen())
        self._spawn(self._stay_alive())

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, script: Any, room: _Room, *arguments: str | int) -> Any:
        try:
            return await script(keys=room.keys, args=[room.channel, int(self._alive * 1000), _IDLE, *arguments])
        except (RedisError, OSError) as exc:
            raise Unavailable from exc

    # What members do

    async def join(self, room: str, member: Member) -> None:
        found = self._rooms.get(room)
        if found is None:
            found = self._rooms[room] = _Room(room)
        entry = _Entry(member)
        # Before the state is read: what is published after it must not be missed.
        found.entries[member.connection] = entry
        try:
            await self._settle(found.name)
            try:
                await asyncio.wait_for(found.subscribed.wait(), self._patience)
            except TimeoutError:
                raise Unavailable from None
            event = encode("joined", name=member.name)
            result = await self._run(self._join, found, entry.key, entry.value, event, self.members)
            if result == "taken":
                raise NameTaken
            if result == "full":
                raise RoomFull
        except BaseException:
            await self._drop(found, member)
            raise
        self._begin(found, entry, result)

    async def leave(self, room: str, member: Member) -> None:
        found = self._rooms.get(room)
        if found is None or member.connection not in found.entries:
            return
        await self._drop(found, member)
        # Where that fails the presence expires.
        with contextlib.suppress(Unavailable):
            await self._run(self._leave, found, member.name.casefold(), member.connection)

    async def say(self, room: str, member: Member, text: str) -> None:
        found = self._rooms.get(room)
        if found is None or member.connection not in found.entries:
            raise Gone
        message = new_message(member, text)
        arguments = (member.name.casefold(), member.connection, message, self.history)
        if not await self._run(self._say, found, *arguments):
            raise Gone

    async def _drop(self, room: _Room, member: Member) -> None:
        room.entries.pop(member.connection, None)
        if not room.entries and self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            await self._settle(room.name)

    def _begin(self, room: _Room, entry: _Entry, state: Any) -> None:
        """Tell a page the state of its room, and what was published since that was read."""
        number, members, messages = state
        entry.member.deliver(
            encode(
                "state",
                room=room.name,
                you=entry.member.name,
                names=sorted(json.loads(each)["name"] for each in members),
                messages=[json.loads(message) for message in messages],
            )
        )
        if entry.go_on(number):
            self._catch_up(room)

    # What others do

    async def _settle(self, name: str) -> None:
        """Subscribe to a room that has members here, unsubscribe from one that has none any more."""
        async with self._lock:
            pubsub = self._pubsub
            channel = _Room(name).channel
            wanted = name in self._rooms
            if pubsub is None or wanted == (channel in self._channels):
                return
            try:
                if wanted:
                    self._channels.add(channel)
                    await pubsub.subscribe(channel)
                else:
                    self._channels.discard(channel)
                    await pubsub.unsubscribe(channel)
            except Exception as exc:
                # The listener may find at the same time that the connection is broken, and take it away from under
                # this; it subscribes to all that is wanted when it has another one.
                logger.info("The subscriptions could not be changed: %r", exc)

    async def _listen(self) -> None:
        """Hear what is published; connect again, with growing pauses, when the connection breaks."""
        pause = 0.1
        while True:
            try:
                async with contextlib.aclosing(self._messages()) as messages:
                    async for message in messages:
                        pause = 0.1
                        self._on_message(message)
            except (RedisError, OSError) as exc:
                logger.warning("Redis cannot be reached (%s); trying again in %g seconds", exc, pause)
            except Exception:
                logger.exception("Listening to Redis failed; trying again in %g seconds", pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _messages(self) -> AsyncGenerator[dict[str, Any], None]:
        """The messages of one connection, until it breaks: RedisError."""
        pubsub = self._redis.pubsub()
        try:
            async with self._lock:
                # One that never goes keeps the connection subscribed to something.
                self._channels = {"chat:workers", *(room.channel for room in self._rooms.values())}
                await pubsub.subscribe(*self._channels)
                self._pubsub = pubsub
            silent = False
            while True:
                message = await pubsub.get_message(timeout=self._patience)
                if message is not None:
                    silent = False
                    yield message
                elif silent:
                    raise TimeoutError("no answer to a ping")
                else:
                    # A connection can break without a word, when a machine is switched off for example.
                    silent = True
                    await pubsub.ping()
        finally:
            self._pubsub = None
            async with self._lock:
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    def _on_message(self, message: dict[str, Any]) -> None:
        channel = message.get("channel") or ""
        room = self._rooms.get(channel[len("chat:{") : -len("}:events")])
        if room is None:
            return
        if message["type"] == "subscribe":
            if room.subscribed.is_set():
                # Again, after the connection was broken.
                room.number = 0
                self._catch_up(room)
            room.subscribed.set()
        elif message["type"] == "message":
            number, _, event = message["data"].partition(" ")
            self._on_event(room, int(number), event)

    def _on_event(self, room: _Room, number: int, event: str) -> None:
        # Smaller numbers come from a server that was restarted empty.
        missed = number <= room.number
        room.number = number
        news: str | None = event
        if event.startswith('{"type":"replaced"'):
            news = None
            replaced = room.entries.get(json.loads(event)["connection"])
            if replaced is not None:
                replaced.member.replace()
        for entry in list(room.entries.values()):
            missed = entry.take(number, news) or missed
        if missed:
            self._catch_up(room)

    def _catch_up(self, room: _Room) -> None:
        room.stale = True
        self._spawn(self._renew_room(room))

    async def _stay_alive(self) -> None:
        while True:
            await asyncio.sleep(self._alive / 3)
            for room in list(self._rooms.values()):
                await self._renew_room(room)

    async def _renew_room(self, room: _Room) -> None:
        """Renew the presence of the members here, and tell them the state of a room of which events were missed."""
        async with room.renewing:
            tell, room.stale = room.stale, False
            numbers = {entry: entry.number for entry in room.entries.values() if entry.number is not None}
            arguments = [argument for entry in numbers for argument in (entry.key, entry.value)]
            if tell:
                for entry in numbers:
                    entry.number = None
            try:
                lost, state = await self._run(self._renew, room, *arguments)
            except Unavailable as exc:
                logger.warning("The members of %s could not be renewed: %s", room.name, exc.__cause__)
                if tell:
                    room.stale = True
                    for entry, number in numbers.items():
                        entry.go_on(number)
                return
            for entry in numbers:
                if entry.member.connection in lost:
                    entry.member.replace()
                elif tell:
                    self._begin(room, entry, state)
