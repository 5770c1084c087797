"""Server-sent events: what one page posts, all pages show, and a page that connects again gets what it missed.

python examples/events.py

Open http://localhost:8080/ in two windows.

curl -N http://localhost:8080/events
curl http://localhost:8080/messages -d 'text=hello'
"""

from __future__ import annotations

import asyncio
from collections import deque

from framework import web

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Messages</title>
<form id="form"><input name="text" autofocus autocomplete="off"> <button>Post</button></form>
<p id="state">connecting</p>
<ol id="messages"></ol>
<script>
const state = document.getElementById("state");
const messages = document.getElementById("messages");
const source = new EventSource("/events");
source.onopen = () => { state.textContent = "connected"; };
// The browser connects again by itself, and says which event it has seen last.
source.onerror = () => { state.textContent = "connecting again"; };
source.onmessage = (event) => {
    const item = document.createElement("li");
    item.value = Number(event.lastEventId);
    item.textContent = event.data;
    messages.append(item);
};
document.getElementById("form").onsubmit = async (event) => {
    event.preventDefault();
    await fetch("/messages", {method: "POST", body: new URLSearchParams(new FormData(event.target))});
    event.target.reset();
};
</script>
</html>
"""


class Board:
    """The last hundred messages, numbered, and a way to wait for the next."""

    def __init__(self) -> None:
        self.count = 0
        self.messages: deque[tuple[int, str]] = deque(maxlen=100)
        self.changed = asyncio.Condition()

    async def post(self, text: str) -> None:
        async with self.changed:
            self.count += 1
            self.messages.append((self.count, text))
            self.changed.notify_all()

    async def after(self, number: int) -> list[tuple[int, str]]:
        """What came after message `number`, as soon as there is something."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.count > number)
            return [message for message in self.messages if message[0] > number]


BOARD = web.AppKey("board", Board)
routes = web.RouteTableDef()


@routes.get("/")
async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    board = request.app[BOARD]
    # When the client leaves, whatever the block awaits is cancelled, and the handler goes on after it. A slow client
    # holds up its own stream alone: nothing is queued for it.
    async with web.sse_response(request, ping_interval=15) as response:
        seen = number_of(response.last_event_id, board)
        while True:
            for number, text in await board.after(seen):
                await response.send(text, id=str(number), retry=1000)
                seen = number
    return response


def number_of(last_event_id: str | None, board: Board) -> int:
    try:
        number = int(last_event_id or 0)
    except ValueError:
        return 0
    # What comes from before a restart says nothing.
    return number if 0 <= number <= board.count else 0


@routes.post("/messages")
async def post(request: web.Request) -> web.Response:
    text = (await request.post()).get("text")
    if not isinstance(text, str) or not text:
        raise web.HTTPBadRequest(text="A message has a text.\n")
    await request.app[BOARD].post(text)
    return web.Response(status=204)


def make_app() -> web.Application:
    app = web.Application()
    app[BOARD] = Board()
    app.add_routes(routes)
    # Streams stay open as long as their clients: without this, Ctrl+C would wait for them.
    app.on_shutdown.append(web.stop_event_streams)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
