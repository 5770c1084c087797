"""Who is in which room, and what is said there: `Broker`, and the one that keeps it in memory.

Events are JSON objects, encoded once for all who hear of them:

    {"type": "state", "room", "you", "names", "messages"}     all that a page shows; first, and after an interruption
    {"type": "message", "id", "name", "text", "time"}          time is in milliseconds since 1970
    {"type": "joined", "name"}, {"type": "left", "name"}
"""

from __future__ import annotations

import json
import secrets
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from typing import Any, Protocol

__all__ = ("Broker", "Gone", "Member", "MemoryBroker", "NameTaken", "RoomFull", "Unavailable", "encode", "new_message")


class Member(Protocol):
    """Somebody in a room, or about to enter it: one connection of one page."""

    #: Unique to the connection.
    connection: str
    #: Shown to others. Unique to the room, whatever its case.
    name: str
    #: What the page proves by that the name is its own when it connects again. Not shown to anybody.
    token: str

    def deliver(self, event: str) -> None:
        """Take an event, without waiting for anything."""

    def replace(self) -> None:
        """Hear that another connection has taken the name, and is in the room instead."""


class NameTaken(Exception):
    """Somebody else in the room has this name."""


class RoomFull(Exception):
    """The room has as many members as it may have."""


class Gone(Exception):
    """Who speaks is not in the room any more."""


class Unavailable(Exception):
    """What the rooms are kept in cannot be reached at the moment."""


class Broker(ABC):
    """Keeps the rooms.

    Args:
        history: how many messages of a room are kept.
        members: how many members a room may have.
    """

    def __init__(self, *, history: int = 50, members: int = 200) -> None:
        self.history = history
        self.members = members

    async def start(self) -> None:  # noqa: B027 - not every broker has something to start
        """Called once, before everything else."""

    async def close(self) -> None:  # noqa: B027
        """Called once, after everything else."""

    @abstractmethod
    async def join(self, room: str, member: Member) -> None:
        """Let `member` in; the first event that it is given is the state of the room.

        A connection with the same name and the same token is replaced. Raises `NameTaken`, `RoomFull`, `Unavailable`.
        """

    @abstractmethod
    async def leave(self, room: str, member: Member) -> None:
        """Let `member` go. Does nothing for one that is not in the room, or was replaced there."""

    @abstractmethod
    async def say(self, room: str, member: Member, text: str) -> None:
        """Tell all members of the room, and `member` as well. Raises `Gone` and `Unavailable`."""


def encode(kind: str, **fields: Any) -> str:
    """An event as JSON, in ASCII."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))


def new_message(member: Member, text: str) -> str:
    # The id is random: numbers would begin again with the process, and a page that was open before would take new
    # messages for ones that it has already.
    return encode("message", id=secrets.token_hex(8), name=member.name, text=text, time=time.time_ns() // 1_000_000)


class _Room:
    def __init__(self, history: int) -> None:
        self.members: dict[str, Member] = {}
        self.messages: deque[str] = deque(maxlen=history)

    def tell(self, event: str, *, but: Member | None = None) -> None:
        for member in list(self.members.values()):
            if member is not but:
                member.deliver(event)


class MemoryBroker(Broker):
    """Rooms of one process, gone when it ends.

    Args:
        rooms: how many rooms are remembered; of the empty ones the longest unused is forgotten first.
    """

    def __init__(self, *, history: int = 50, members: int = 200, rooms: int = 1000) -> None:
        super().__init__(history=history, members=members)
        self._limit = rooms
        self._rooms: OrderedDict[str, _Room] = OrderedDict()

    async def join(self, room: str, member: Member) -> None:
        found = self._rooms.setdefault(room, _Room(self.history))
        self._rooms.move_to_end(room)
        key = member.name.casefold()
        before = found.members.get(key)
        if before is not None:
            if before.token != member.token:
                raise NameTaken
            found.members[key] = member
            before.replace()
        else:
            if len(found.members) >= self.members:
                raise RoomFull
            found.members[key] = member
            found.tell(encode("joined", name=member.name), but=member)
        member.deliver(
            encode(
                "state",
                room=room,
                you=member.name,
                names=sorted(each.name for each in found.members.values()),
                messages=[json.loads(message) for message in found.messages],
            )
        )
        self._forget()

    async def leave(self, room: str, member: Member) -> None:
        found = self._rooms.get(room)
        key = member.name.casefold()
        if found is not None and found.members.get(key) is member:
            del found.members[key]
            found.tell(encode("left", name=member.name))

    async def say(self, room: str, member: Member, text: str) -> None:
        found = self._rooms.get(room)
        if found is None or found.members.get(member.name.casefold()) is not member:
            raise Gone
        message = new_message(member, text)
        found.messages.append(message)
        found.tell(message)

    def _forget(self) -> None:
        if len(self._rooms) > self._limit:
            for name, room in self._rooms.items():
                if not room.members:
                    del self._rooms[name]
                    return
