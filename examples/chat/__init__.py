"""A chat: rooms, nicknames, who is there, and what was said last, over WebSockets.

python -m examples.chat
python -m examples.chat --redis redis://localhost:6379

Open http://localhost:8080/ in two windows. With Redis behind it (pip install 'asgi-framework[redis]') it runs in as
many processes, on as many machines, as you like:

REDIS_URL=redis://localhost:6379 uvicorn --workers 2 examples.chat:app

docs/chat.md says how it works.
"""

from __future__ import annotations

import os

from examples.chat.application import make_app
from examples.chat.broker import Broker, MemoryBroker

__all__ = ("app", "broker_for", "make_app")


def broker_for(redis_url: str | None) -> Broker:
    """A broker for one process, or one that shares a Redis server with other processes."""
    if not redis_url:
        return MemoryBroker()
    # The package redis is needed only by those who use it.
    from examples.chat.redis_broker import RedisBroker

    return RedisBroker(redis_url)


app = make_app(broker_for(os.environ.get("REDIS_URL")))
