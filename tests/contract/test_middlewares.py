"""Middlewares: order, what they see, what they may do."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import asyncio
import contextvars
import functools
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend

web = modules.web

state: contextvars.ContextVar[str] = contextvars.ContextVar("state", default="unset")


def serving(web: Any, handler: Any, *middlewares: Any) -> Any:
    """An application that serves `handler` at `/`."""
    app = web.Application(middlewares=middlewares)
    app.router.add_get("/", handler)
    return app


def hello(web: Any) -> Any:
    async def handler(request: Any) -> Any:
        return web.Response(text="hello")

    return handler


async def test_order(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []

    def note(name: str) -> Any:
        @web.middleware
        async def mark(request: Any, handler: Any) -> Any:
            log.append(f"> {name}")
            response = await handler(request)
            log.append(f"< {name}")
            return response

        return mark

    async with backend.client(serving(web, hello(web), note("1"), note("2"), note("3"))) as client:
        assert (await client.get("/")).text == "hello"
    assert log == ["> 1", "> 2", "> 3", "< 3", "< 2", "< 1"]


async def test_middlewares_run_for_every_request(backend: Backend) -> None:
    web = backend.web
    paths: list[str] = []

    @web.middleware
    async def count(request: Any, handler: Any) -> Any:
        paths.append(request.path)
        return await handler(request)

    async with backend.client(serving(web, hello(web), count)) as client:
        for path in ("/", "/missing", "/"):
            await client.get(path)
    assert paths == ["/", "/missing", "/"]


async def test_appended_middleware(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def mark(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.headers["X-Mark"] = "1"
        return response

    app = serving(web, hello(web))
    app.middlewares.append(mark)
    async with backend.client(app) as client:
        assert (await client.get("/")).headers["X-Mark"] == "1"


async def test_response_may_be_changed(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def change(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.text = response.text.upper() + "!"
        response.set_status(202)
        response.set_cookie("seen", "1")
        response.headers["X-Mark"] = "1"
        return response

    async with backend.client(serving(web, hello(web), change)) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (202, "HELLO!")
    assert response.headers["Content-Length"] == "6"
    assert response.headers["X-Mark"] == "1"
    assert response.cookies["seen"] == "1"


async def test_response_may_be_replaced(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def replace(request: Any, handler: Any) -> Any:
        inner = await handler(request)
        return web.json_response({"was": inner.text})

    async with backend.client(serving(web, hello(web), replace)) as client:
        assert (await client.get("/")).json() == {"was": "hello"}


async def test_short_circuit(backend: Backend) -> None:
    web = backend.web
    calls: list[str] = []

    @web.middleware
    async def refuse(request: Any, handler: Any) -> Any:
        if "Authorization" not in request.headers:
            return web.Response(status=401, text="who are you?")
        return await handler(request)

    async def handler(request: Any) -> Any:
        calls.append("handler")
        return web.Response()

    async with backend.client(serving(web, handler, refuse)) as client:
        assert (await client.get("/")).status_code == 401
        assert calls == []
        assert (await client.get("/", headers={"Authorization": "x"})).status_code == 200
    assert calls == ["handler"]


async def test_404_and_405_are_raised_in_middlewares(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def errors(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except web.HTTPException as exc:
            return web.json_response({"error": exc.status, "allow": exc.headers.get("Allow")}, status=exc.status)

    async with backend.client(serving(web, hello(web), errors)) as client:
        missing = await client.get("/missing")
        refused = await client.post("/")
    assert (missing.status_code, missing.json()) == (404, {"error": 404, "allow": None})
    assert (refused.status_code, refused.json()) == (405, {"error": 405, "allow": "GET,HEAD"})


async def test_exception_of_a_handler_may_become_a_response(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def errors(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except LookupError as exc:
            return web.Response(text=str(exc), status=418)

    async def handler(request: Any) -> Any:
        raise LookupError("nothing here")

    async with backend.client(serving(web, handler, errors)) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (418, "nothing here")


async def test_middleware_may_raise_an_http_exception(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def refuse(request: Any, handler: Any) -> Any:
        raise web.HTTPForbidden(text="no")

    async with backend.client(serving(web, hello(web), refuse)) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (403, "no")


async def test_exception_of_a_middleware_is_a_500(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def fail(request: Any, handler: Any) -> Any:
        await handler(request)
        raise RuntimeError("secret")

    async with backend.client(serving(web, hello(web), fail)) as client:
        response = await client.get("/")
    assert response.status_code == 500
    assert "secret" not in response.text


async def test_middleware_that_forgets_to_return(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def forget(request: Any, handler: Any) -> None:
        await handler(request)

    async with backend.client(serving(web, hello(web), forget)) as client:
        assert (await client.get("/")).status_code == 500


async def test_raised_http_exception_passes_outer_middlewares(backend: Backend) -> None:
    web = backend.web
    seen: list[Any] = []

    @web.middleware
    async def look(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except web.HTTPFound as exc:
            seen.append(exc.status)
            exc.headers["X-Seen"] = "1"
            raise

    async def handler(request: Any) -> Any:
        raise web.HTTPFound("/other")

    async with backend.client(serving(web, handler, look)) as client:
        response = await client.get("/")
    assert seen == [302]
    assert response.headers["Location"] == "/other"
    assert response.headers["X-Seen"] == "1"


async def test_handler_keeps_its_name_and_attributes(backend: Backend) -> None:
    """What decorators left on a handler is seen by every middleware."""
    web = backend.web
    seen: list[Any] = []

    @web.middleware
    async def look(request: Any, handler: Any) -> Any:
        seen.append((handler.__name__, handler.__doc__, handler.needs_login))
        return await handler(request)

    async def index(request: Any) -> Any:
        """The front page."""
        return web.Response()

    index.needs_login = True  # type: ignore[attr-defined]
    async with backend.client(serving(web, index, look, look)) as client:
        assert (await client.get("/")).status_code == 200
    assert seen == [("index", "The front page.", True)] * 2


async def test_handler_is_known_from_the_match_info(backend: Backend) -> None:
    web = backend.web
    seen: list[Any] = []
    index = hello(web)

    @web.middleware
    async def look(request: Any, handler: Any) -> Any:
        seen.append(request.match_info.handler is index)
        return await handler(request)

    async with backend.client(serving(web, index, look)) as client:
        await client.get("/")
    assert seen == [True]


async def test_bound_method(backend: Backend) -> None:
    web = backend.web

    class Prefix:
        def __init__(self, prefix: str) -> None:
            self.prefix = prefix

        @web.middleware
        async def run(self, request: Any, handler: Any) -> Any:
            response = await handler(request)
            response.text = self.prefix + response.text
            return response

    async with backend.client(serving(web, hello(web), Prefix("a ").run, Prefix("b ").run)) as client:
        assert (await client.get("/")).text == "a b hello"


async def test_callable_instance(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    class Prefix:
        def __init__(self, prefix: str) -> None:
            self.prefix = prefix

        async def __call__(self, request: Any, handler: Any) -> Any:
            response = await handler(request)
            response.text = self.prefix + response.text
            return response

    async with backend.client(serving(web, hello(web), Prefix("a "))) as client:
        assert (await client.get("/")).text == "a hello"


async def test_partial(backend: Backend) -> None:
    web = backend.web

    async def add(prefix: str, request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.text = prefix + response.text
        return response

    async with backend.client(serving(web, hello(web), web.middleware(functools.partial(add, "a ")))) as client:
        assert (await client.get("/")).text == "a hello"


async def test_old_style_factory(backend: Backend) -> None:
    """Without the decorator, a middleware is a factory of handlers: deprecated since aiohttp 2.3."""
    web = backend.web

    async def factory(app: Any, handler: Any) -> Any:
        async def middleware(request: Any) -> Any:
            response = await handler(request)
            response.text += f" from {len(app.middlewares)}"
            return response

        return middleware

    app = serving(web, hello(web), factory)
    with pytest.warns(DeprecationWarning, match="old-style middleware"):
        async with backend.client(app) as client:
            assert (await client.get("/")).text == "hello from 1"


def test_decorator_returns_its_function(web: Any) -> None:
    async def middleware(request: Any, handler: Any) -> Any:
        raise NotImplementedError

    assert web.middleware(middleware) is middleware


async def test_context_variables_reach_the_handler(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def outer(request: Any, handler: Any) -> Any:
        state.set("outer")
        response = await handler(request)
        response.text += f", then {state.get()}"
        return response

    async def handler(request: Any) -> Any:
        text = state.get()
        state.set("inner")
        return web.Response(text=text)

    async with backend.client(serving(web, handler, outer)) as client:
        assert (await client.get("/")).text == "outer, then inner"


async def test_same_task(backend: Backend) -> None:
    web = backend.web
    tasks: list[Any] = []

    @web.middleware
    async def look(request: Any, handler: Any) -> Any:
        tasks.append(asyncio.current_task())
        response = await handler(request)
        tasks.append(asyncio.current_task())
        return response

    async def handler(request: Any) -> Any:
        tasks.append(asyncio.current_task())
        return web.Response()

    async with backend.client(serving(web, handler, look)) as client:
        await client.get("/")
    assert tasks[0] is tasks[1] is tasks[2]


async def test_storage_of_the_request(backend: Backend) -> None:
    web = backend.web
    user, found = web.RequestKey("user", str), web.RequestKey("found", str)

    @web.middleware
    async def login(request: Any, handler: Any) -> Any:
        request[user] = "ada"
        response = await handler(request)
        response.headers["X-Found"] = request[found]
        return response

    async def handler(request: Any) -> Any:
        request[found] = "yes"
        return web.Response(text=request[user])

    async with backend.client(serving(web, handler, login)) as client:
        response = await client.get("/")
    assert response.text == "ada"
    assert response.headers["X-Found"] == "yes"


async def test_body_may_be_read_by_both(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def read(request: Any, handler: Any) -> Any:
        body = await request.read()
        response = await handler(request)
        response.headers["X-Length"] = str(len(body))
        return response

    async def handler(request: Any) -> Any:
        return web.Response(text=await request.text())

    app = web.Application(middlewares=[read])
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        response = await client.post("/", content=b"body")
    assert response.text == "body"
    assert response.headers["X-Length"] == "4"


async def test_streamed_response_is_prepared_already(backend: Backend) -> None:
    web = backend.web
    seen: list[Any] = []

    @web.middleware
    async def look(request: Any, handler: Any) -> Any:
        response = await handler(request)
        seen.append((response.prepared, response.status))
        return response

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one ")
        await response.write(b"two")
        await response.write_eof()
        return response

    async with backend.client(serving(web, handler, look)) as client:
        assert (await client.get("/")).text == "one two"
    assert seen == [(True, 200)]


async def test_streamed_response_that_the_handler_did_not_end(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def more(request: Any, handler: Any) -> Any:
        response = await handler(request)
        await response.write(b" and more")
        return response

    async def handler(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        return response

    async with backend.client(serving(web, handler, more)) as client:
        assert (await client.get("/")).text == "one and more"


async def test_headers_of_unsent_stream(backend: Backend) -> None:
    """A StreamResponse returned before prepare() is sent by the server after the middlewares."""
    web = backend.web

    @web.middleware
    async def mark(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.headers["X-Mark"] = "1"
        return response

    async def handler(request: Any) -> Any:
        return web.StreamResponse(status=202)

    async with backend.client(serving(web, handler, mark)) as client:
        response = await client.get("/")
    assert (response.status_code, response.content) == (202, b"")
    assert response.headers["X-Mark"] == "1"


async def test_handler_may_be_called_twice(backend: Backend) -> None:
    web = backend.web
    calls: list[int] = []

    @web.middleware
    async def retry(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except ConnectionError:
            return await handler(request)

    async def handler(request: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError
        return web.Response(text="at last")

    async with backend.client(serving(web, handler, retry)) as client:
        assert (await client.get("/")).text == "at last"


async def test_cloned_request_is_handed_on(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def https(request: Any, handler: Any) -> Any:
        return await handler(request.clone(scheme=request.headers["X-Forwarded-Proto"]))

    async def handler(request: Any) -> Any:
        return web.Response(text=request.url.scheme)

    async with backend.client(serving(web, handler, https)) as client:
        assert (await client.get("/", headers={"X-Forwarded-Proto": "https"})).text == "https"


async def test_other_handler_may_answer(backend: Backend) -> None:
    """Maintenance pages, feature switches: the handler need not be the one of the route."""
    web = backend.web

    async def maintenance(request: Any) -> Any:
        return web.Response(status=503, text="back soon")

    @web.middleware
    async def switch(request: Any, handler: Any) -> Any:
        return await maintenance(request)

    async with backend.client(serving(web, hello(web), switch)) as client:
        assert (await client.get("/anything")).text == "back soon"


async def test_head_through_a_middleware(backend: Backend) -> None:
    web = backend.web

    @web.middleware
    async def change(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.text = "longer than before"
        return response

    async with backend.client(serving(web, hello(web), change)) as client:
        response = await client.head("/")
    assert response.content == b""
    assert response.headers["Content-Length"] == "18"


async def test_concurrent_requests_do_not_mix(backend: Backend) -> None:
    web = backend.web
    both = asyncio.Barrier(2)
    key = web.RequestKey("q", str)

    @web.middleware
    async def mark(request: Any, handler: Any) -> Any:
        state.set(request.query["q"])
        request[key] = request.query["q"]
        return await handler(request)

    async def handler(request: Any) -> Any:
        await both.wait()
        return web.Response(text=f"{state.get()} {request[key]}")

    async with backend.client(serving(web, handler, mark)) as client:
        responses = await asyncio.gather(client.get("/?q=1"), client.get("/?q=2"))
    assert [response.text for response in responses] == ["1 1", "2 2"]


async def test_middlewares_are_frozen_with_the_application(web: Any) -> None:
    app = web.Application()
    app.freeze()
    with pytest.raises(RuntimeError):
        app.middlewares.append(None)


def test_given_iterable_is_copied(web: Any) -> None:
    """`middlewares=` takes any iterable and copies it."""
    given: list[Any] = []
    app = web.Application(middlewares=given)
    given.append(None)
    assert list(app.middlewares) == []
