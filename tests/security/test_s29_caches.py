"""S29: nothing that an application holds grows with what clients send."""

from __future__ import annotations

import gc
from collections import deque
from functools import _lru_cache_wrapper
from types import ModuleType
from typing import Any

from framework import web
from tests.driver import Driver

#: More than the bounded caches have room for, so that they are full before the sizes are compared.
WARM_UP = 1_500
CONTAINERS = (dict, list, set, deque)


async def hello(request: web.Request) -> web.Response:
    # What is read lazily could be cached for ever.
    assert request.url
    assert request.query is not None
    assert request.cookies is not None
    assert request.content_type
    return web.json_response(
        dict(request.match_info), headers={"X-A": request.path.encode("ascii", "replace").decode()}
    )


def app_with_routes() -> web.Application:
    app, sub = web.Application(), web.Application()
    sub.router.add_get("/{name}", hello)
    app.router.add_get("/plain", hello)
    app.router.add_get("/users/{id}", hello)
    app.router.add_get(r"/digits/{id:\d+}", hello)
    app.router.add_get("/files/{tail:.*}", hello)
    app.add_subapp("/sub", sub)
    return app


async def ask(app: web.Application, number: int) -> None:
    headers = [
        (b"host", b"h%d.example" % number),
        (b"content-type", b"text/x%d" % number),
        (b"cookie", b"c%d=%d" % (number, number)),
        (b"x-h%d" % number, b"%d" % number),
    ]
    for method, target in (
        ("GET", f"/none/{number}"),
        ("POST", f"/users/{number}"),
        (f"M{number}", "/plain"),
        ("GET", f"/users/{number}?q{number}={number}"),
        ("GET", f"/digits/{number}"),
        ("GET", f"/files/{number}/{number}"),
        ("GET", f"/sub/{number}"),
        ("GET", f"/sub/none/{number}"),
    ):
        await Driver.http(app, method, target, headers=headers).run()


def sizes(app: web.Application) -> dict[int, tuple[int, str]]:
    """The size of each container, and of each cache of a function, that can be reached from the application."""
    gc.collect()
    found: dict[int, tuple[int, str]] = {}
    seen: set[int] = set()
    waiting: list[Any] = [app]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, _lru_cache_wrapper):
            found[id(current)] = (current.cache_info().currsize, repr(current))
            continue
        if isinstance(current, CONTAINERS):
            found[id(current)] = (len(current), f"{type(current).__name__} {list(current)[:3]!r:.200}")
        # Of modules only this package's: what others hold is not ours, their caches are bounded or their bug.
        if isinstance(current, ModuleType) and not current.__name__.startswith("framework"):
            continue
        if type(current) is dict and not str(current.get("__name__", "framework")).startswith("framework"):
            continue
        waiting.extend(gc.get_referents(current))
    return found


async def test_s29_nothing_grows_with_distinct_requests() -> None:
    app = app_with_routes()
    for number in range(WARM_UP):
        await ask(app, number)
    before = sizes(app)
    for number in range(WARM_UP, WARM_UP + 1000):
        await ask(app, number)
    after = sizes(app)
    grown = [
        f"{name}: {before[key][0]} → {size}"
        for key, (size, name) in after.items()
        if key in before and size > before[key][0] + 20
    ]
    assert grown == []
    assert len(after) < len(before) + 50
    assert len(before) > 200, "the walk has reached the application's tables"
