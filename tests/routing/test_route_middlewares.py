"""Middlewares of one route, inside those of its application."""

from __future__ import annotations

from typing import Any

import pytest

from framework import web
from tests.driver import Driver


def naming(name: str) -> Any:
    """A middleware that writes its name around the text of what comes next."""

    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        return web.Response(text=f"{name}({response.text})")

    return middleware


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=request.match_info.get("name", "hello"))


class Hello(web.View):
    async def get(self) -> web.Response:
        return await hello(self.request)


@pytest.mark.parametrize(
    "route",
    [
        web.get("/", hello, middlewares=[naming("a"), naming("b")]),
        web.route("*", "/", hello, middlewares=(naming("a"), naming("b"))),
        web.view("/", Hello, middlewares=[naming("a"), naming("b")]),
    ],
)
async def test_the_order(route: web.RouteDef) -> None:
    app = web.Application(middlewares=[naming("app")])
    app.add_routes([route, web.get("/other", hello)])
    assert (await Driver.http(app).run()).body == b"app(a(b(hello)))"
    assert (await Driver.http(app, target="/other").run()).body == b"app(hello)"


async def test_in_a_table_with_a_name_and_parts() -> None:
    routes = web.RouteTableDef()

    @routes.get("/users/{name}", name="user", middlewares=[naming("own")])
    async def user(request: web.Request) -> web.Response:
        return await hello(request)

    app = web.Application()
    app.add_routes(routes)
    assert (await Driver.http(app, target="/users/Ada").run()).body == b"own(Ada)"
    (get, head) = sorted(app.router["user"], key=lambda route: route.method)
    assert len(get.middlewares) == len(head.middlewares) == 1


async def test_of_a_sub_application() -> None:
    sub, app = web.Application(middlewares=[naming("sub")]), web.Application(middlewares=[naming("app")])
    sub.router.add_get("/", hello, middlewares=[naming("own")])
    app.add_subapp("/sub", sub)
    assert (await Driver.http(app, target="/sub/").run()).body == b"app(sub(own(hello)))"


async def test_a_middleware_that_refuses() -> None:
    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        raise web.HTTPForbidden

    app = web.Application()
    app.router.add_get("/", hello, middlewares=[guard])
    app.router.add_post("/", hello)
    assert (await Driver.http(app).run()).status == 403
    assert (await Driver.http(app, "POST").run()).status == 200


async def test_in_a_table_that_is_not_compiled() -> None:
    class Resource(web.PlainResource):
        async def resolve(self, request: web.Request) -> Any:
            return await super().resolve(request)

    app = web.Application(middlewares=[naming("app")])
    resource = Resource("/")
    app.router.register_resource(resource)
    resource.add_route("GET", hello, middlewares=[naming("own")])
    assert (await Driver.http(app).run()).body == b"app(own(hello))"


async def test_the_handler_keeps_its_name() -> None:
    seen: list[str] = []

    @web.middleware
    async def look(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append(handler.__name__)
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[look])
    app.router.add_get("/", hello, middlewares=[look])
    await Driver.http(app).run()
    assert seen == ["hello", "hello"]


@pytest.mark.parametrize("middlewares", [naming("alone"), [1], 1])
def test_what_is_no_list_of_middlewares(middlewares: Any) -> None:
    with pytest.raises(TypeError, match="middleware"):
        web.Application().router.add_get("/", hello, middlewares=middlewares)
