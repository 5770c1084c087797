"""A limit of the body by route, beside the application's."""

from __future__ import annotations

from typing import Any

import pytest

from framework import web
from tests.driver import Driver


async def size(request: web.Request) -> web.Response:
    return web.Response(text=f"{len(await request.read())} of {request.client_max_size}")


class Size(web.View):
    async def post(self) -> web.Response:
        return await size(self.request)


async def post(app: web.Application, path: str, length: int) -> Driver:
    headers = [(b"host", b"example.com"), (b"content-length", b"%d" % length)]
    return await Driver.http(app, "POST", path, headers=headers, body=bytes(length)).run()


@pytest.mark.parametrize(
    "route",
    [
        web.post("/", size, client_max_size=20),
        web.route("*", "/", size, client_max_size=20),
        web.view("/", Size, client_max_size=20),
        web.post("/{tail:.*}", size, client_max_size=20),
    ],
)
async def test_more_than_the_application_takes(route: web.RouteDef) -> None:
    app = web.Application(client_max_size=10)
    app.add_routes([route])
    assert (await post(app, "/", 20)).body == b"20 of 20"
    assert (await post(app, "/", 21)).status == 413


async def test_other_routes_have_the_application_s() -> None:
    app = web.Application(client_max_size=10)
    app.router.add_post("/large", size, client_max_size=0)
    app.router.add_post("/small", size)
    assert (await post(app, "/large", 5000)).body == b"5000 of 0"
    assert (await post(app, "/small", 10)).body == b"10 of 10"
    assert (await post(app, "/small", 11)).status == 413
    assert app.router.routes().__len__() == 2


async def test_a_route_of_a_sub_application_and_a_table() -> None:
    routes = web.RouteTableDef()

    @routes.post("/upload", client_max_size=2)
    async def upload(request: web.Request) -> web.Response:
        return await size(request)

    sub, app = web.Application(), web.Application()
    sub.add_routes(routes)
    app.add_subapp("/sub", sub)
    assert (await post(app, "/sub/upload", 2)).body == b"2 of 2"
    assert (await post(app, "/sub/upload", 3)).status == 413


class Resource(web.PlainResource):
    """What makes a table irregular: a `resolve` of its own."""

    async def resolve(self, request: web.Request) -> Any:
        return await super().resolve(request)


async def test_in_a_table_that_is_not_compiled() -> None:
    app = web.Application(client_max_size=10)
    resource = Resource("/own")
    app.router.register_resource(resource)
    resource.add_route("POST", size, client_max_size=20)
    assert (await post(app, "/own", 20)).body == b"20 of 20"
