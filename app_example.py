"""The smallest complete program: `python app_example.py`, or with any ASGI server, `uvicorn app_example:app`.

curl http://localhost:8080/
curl http://localhost:8080/hello/Ada
curl http://localhost:8080/echo -H 'Content-Type: application/json' -d '{"answer": 42}'
"""

from __future__ import annotations

from framework import web

routes = web.RouteTableDef()


@routes.get("/")
async def index(request: web.Request) -> web.Response:
    return web.Response(text="It works.\n")


@routes.get("/hello/{name}")
async def hello(request: web.Request) -> web.Response:
    return web.json_response({"hello": request.match_info["name"]})


@routes.post("/echo")
async def echo(request: web.Request) -> web.Response:
    return web.json_response({"you sent": await request.json()})


app = web.Application()
app.add_routes(routes)

if __name__ == "__main__":
    web.run_app(app)
