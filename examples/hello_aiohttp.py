"""A program as it is written for aiohttp.web: its one change is the import.

python examples/hello_aiohttp.py

curl -i http://localhost:8080/
curl http://localhost:8080/visits
curl http://localhost:8080/users/7 -X PUT -d '{"name": "Ada"}'
curl http://localhost:8080/users/7
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from framework import web
from framework.typedefs import Handler

USERS = web.AppKey("users", dict[int, str])
VISITS = web.AppKey("visits", list[str])

routes = web.RouteTableDef()


@routes.get("/")
async def index(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.app.router["visits"].url_for())


@routes.get("/visits", name="visits")
async def visits(request: web.Request) -> web.Response:
    lines = request.app[VISITS]
    return web.Response(text="\n".join(lines) + "\n")


@routes.view(r"/users/{id:\d+}")
class User(web.View):
    async def get(self) -> web.Response:
        number = int(self.request.match_info["id"])
        name = self.request.app[USERS].get(number)
        if name is None:
            raise web.HTTPNotFound(text=f"There is no user {number}.\n")
        return web.json_response({"id": number, "name": name})

    async def put(self) -> web.Response:
        number = int(self.request.match_info["id"])
        match await self.request.json():
            case {"name": str(name)}:
                self.request.app[USERS][number] = name
                return web.json_response({"id": number, "name": name}, status=201)
        raise web.HTTPBadRequest(text="A user has a name.\n")


@web.middleware
async def count_visits(request: web.Request, handler: Handler) -> web.StreamResponse:
    request.app[VISITS].append(f"{request.method} {request.path}")
    return await handler(request)


async def database(app: web.Application) -> AsyncIterator[None]:
    # Where a program would open its connection pool.
    app[USERS] = {}
    yield
    app[USERS].clear()


def make_app() -> web.Application:
    app = web.Application(middlewares=[count_visits])
    app[VISITS] = []
    app.cleanup_ctx.append(database)
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
