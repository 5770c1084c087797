"""The programs in examples/ do what they say, asked in-process."""

from __future__ import annotations

from typing import Any

import httpx

from examples import asgi_middleware, events, hello_aiohttp


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://example")


async def test_hello_aiohttp() -> None:
    app = hello_aiohttp.make_app()
    async with app, client(app) as http:
        moved = await http.get("/")
        missing = await http.get("/users/7")
        made = await http.put("/users/7", json={"name": "Ada"})
        found = await http.get("/users/7")
        visits = await http.get(moved.headers["Location"])
        refused = await http.delete("/users/7")
        broken = [(await http.put("/users/7", content=content)).status_code for content in (b"{", b"[]", b"{}")]
    assert (moved.status_code, moved.headers["Location"]) == (302, "/visits")
    assert (missing.status_code, missing.text) == (404, "There is no user 7.\n")
    assert made.status_code == 201
    assert made.json() == found.json() == {"id": 7, "name": "Ada"}
    assert visits.text == "GET /\nGET /users/7\nPUT /users/7\nGET /users/7\nGET /visits\n"
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET,PUT")
    assert broken == [400, 400, 400]


async def test_events() -> None:
    async with client(events.make_app(interval=0)) as http:
        response = await http.get("/events")
    assert response.headers["Content-Type"] == "text/event-stream"
    *numbers, last = response.text.removesuffix("\n\n").split("\n\n")
    assert numbers == [f"data: {number}" for number in (5, 4, 3, 2, 1)]
    assert last == "event: end\ndata: lift-off"


async def test_asgi_middleware() -> None:
    async with client(asgi_middleware.site) as http:
        item = await http.get("/shop/items/7")
        missing = await http.get("/items/7")
        front = await http.get("/")
    assert item.json() == {"item": 7, "url": "http://example/shop/items/7"}
    assert item.headers["Server-Timing"].startswith("app;dur=")
    assert missing.status_code == 404
    assert front.text == "The shop is at /shop.\n"
