"""What is told of the request, whatever the scope holds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from framework import web
from framework.debug.circumstances import Asked, describe_environment, describe_request
from framework.typedefs import Scope


def asked(**parts: Any) -> Asked:
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], **parts}
    return describe_request(scope)


class Page(web.View):
    async def get(self) -> web.Response:
        raise LookupError


class Answer:
    async def __call__(self, request: web.Request) -> web.Response:
        raise LookupError


async def answer(request: web.Request, number: int = 0) -> web.Response:
    raise LookupError


@functools.wraps(answer)
async def wrapped(request: web.Request) -> web.Response:
    return await answer(request, 1)


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (answer, "answer"),
        (wrapped, "answer"),
        (Page, "Page"),
        (Answer(), "Answer"),
        (Answer().__call__, "Answer.__call__"),
        (functools.partial(answer, number=1), "functools.partial"),
    ],
)
def test_handlers(handler: Callable[..., Any], name: str) -> None:
    found = asked(endpoint=handler)
    assert found.handler.removeprefix(f"{__name__}.") == name
    assert bool(found.handler_place) == name.startswith(("answer", "Answer._"))


def test_the_least_that_a_scope_has() -> None:
    found = asked(path="/ä b")
    assert (found.method, found.target, found.route, found.handler) == ("GET", "/%C3%A4%20b", "", "")
    assert dict(found.tables)["Route"] == [("Path", "none matches")]


def test_the_connection() -> None:
    found = asked(http_version="2", scheme="https", client=("::1", 5), server=("/run/app.sock", None), root_path="/app")
    assert dict(found.tables)["Connection"] == [
        ("Protocol", "HTTP/2"),
        ("Scheme", "https"),
        ("Client", "::1 5"),
        ("Server", "/run/app.sock"),
        ("Root path", "/app"),
    ]
    assert dict(asked(type="websocket").tables)["Connection"][0] == ("Protocol", "WebSocket over HTTP/?")


def test_a_route_of_the_programs_own_that_fails() -> None:
    class Route:
        @property
        def path(self) -> str:
            raise ValueError

        name = "mine"

    found = asked(route=Route())
    assert found.route == ""
    assert dict(found.tables)["Route"] == [("Name", "mine")]


def test_tables_and_values_are_bounded() -> None:
    found = asked(headers=[(b"x-many", b"x" * 10_000)] * 500, query_string=b"a=b&" * 500)
    tables = dict(found.tables)
    assert len(tables["Headers"]) == len(tables["Query"]) == 101
    assert tables["Headers"][0] == ("X-Many", f"{'x' * 1000}… (9000 more characters)")
    assert tables["Headers"][-1] == ("…", "400 more")


async def test_outside_of_a_server_none_is_named() -> None:
    names = [name for name, _ in describe_environment()]
    assert names == ["Python", "framework", "Event loop", "Process", "Working directory"]
