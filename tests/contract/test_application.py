"""Application as a mapping, what freezing forbids, and what it takes and gives."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import handler

web = modules.web


def test_app_key(web: Any) -> None:
    app = web.Application()
    key = web.AppKey("key", int)
    app[key] = 1
    assert app[key] == 1
    assert key in app
    assert app.get(key) == 1
    assert list(app) == [key]
    assert len(app) == 1
    del app[key]
    assert key not in app


def test_keys_are_told_apart_by_identity(web: Any) -> None:
    app = web.Application()
    one, two = web.AppKey("key", int), web.AppKey("key", int)
    app[one], app[two] = 1, 2
    assert (app[one], app[two]) == (1, 2)
    assert one != two


@pytest.mark.parametrize("kind", ["AppKey", "RequestKey", "ResponseKey"])
def test_repr_of_a_key(web: Any, kind: str) -> None:
    """A key says which module made it, and for which type."""
    module: dict[str, Any] = {"__name__": "shop.keys", "Key": getattr(web, kind)}
    exec("one, two, three = Key('one', int), Key('two', list[int]), Key('three')", module)
    assert repr(module["one"]) == f"<{kind}(shop.keys.one, type=int)>"
    assert repr(module["two"]) == f"<{kind}(shop.keys.two, type=list[int])>"
    assert repr(module["three"]) == f"<{kind}(shop.keys.three, type=<<Unknown>>)>"


def test_missing_key(web: Any) -> None:
    app = web.Application()
    key = web.AppKey("key", int)
    with pytest.raises(KeyError):
        app[key]
    assert app.get(key) is None
    assert app.get(key, 7) == 7


def test_str_key_warns(web: Any) -> None:
    app = web.Application()
    with pytest.warns(web.NotAppKeyWarning, match="It is recommended to use web.AppKey instances for keys"):
        app["key"] = 1
    assert app["key"] == 1
    assert "key" in app


def test_warning_points_at_the_assignment(web: Any) -> None:
    with pytest.warns(web.NotAppKeyWarning) as caught:
        web.Application()["key"] = 1
    assert caught[0].filename == __file__


def test_app_key_does_not_warn(web: Any) -> None:
    web.Application()[web.AppKey("key", int)] = 1


def test_not_app_key_warning_is_a_user_warning(web: Any) -> None:
    assert issubclass(web.NotAppKeyWarning, UserWarning)


def test_mutable_mapping(web: Any) -> None:
    app = web.Application()
    a, b = web.AppKey("a", int), web.AppKey("b", int)
    assert isinstance(app, MutableMapping)
    app.update({a: 1, b: 2})
    assert dict(app) == {a: 1, b: 2}
    assert sorted(app.values()) == [1, 2]
    assert app.pop(a) == 1
    assert app.setdefault(b, 5) == 2
    assert app.setdefault(a, 6) == 6
    app.clear()
    assert len(app) == 0


def test_deleting_a_missing_key(web: Any) -> None:
    with pytest.raises(KeyError):
        del web.Application()[web.AppKey("key", int)]


def test_equality_is_identity(web: Any) -> None:
    one, two = web.Application(), web.Application()
    assert one == one
    assert one != two
    assert len({one, two, one}) == 2


def test_truth(web: Any) -> None:
    """An application is true, also without state."""
    assert bool(web.Application()) is True


def test_call_without_arguments(web: Any) -> None:
    """gunicorn's factory convention."""
    app = web.Application()
    assert app() is app


def test_repr(web: Any) -> None:
    app = web.Application()
    assert repr(app) == f"<Application 0x{id(app):x}>"


def test_state_of_a_frozen_application(web: Any) -> None:
    app = web.Application()
    key = web.AppKey("key", int)
    app[key] = 1
    app.freeze()
    with pytest.warns(DeprecationWarning, match="Changing state of started or joined application is deprecated"):
        app[key] = 2
    assert app[key] == 2
    with pytest.warns(DeprecationWarning, match="Changing state of started or joined application is deprecated"):
        del app[key]


def test_frozen(web: Any) -> None:
    app = web.Application()
    assert (app.pre_frozen, app.frozen) == (False, False)
    app.pre_freeze()
    assert (app.pre_frozen, app.frozen) == (True, False)
    app.freeze()
    assert (app.pre_frozen, app.frozen) == (True, True)
    app.freeze()


@pytest.mark.parametrize("signal", ["on_startup", "on_shutdown", "on_cleanup", "on_response_prepare", "cleanup_ctx"])
def test_signals_of_a_frozen_application(web: Any, signal: str) -> None:
    app = web.Application()
    getattr(app, signal).append(handler)
    app.freeze()
    with pytest.raises(RuntimeError):
        getattr(app, signal).append(handler)


def test_routes_of_a_frozen_application(web: Any) -> None:
    app = web.Application()
    app.freeze()
    with pytest.raises(RuntimeError):
        app.router.add_get("/", handler)
    with pytest.raises(RuntimeError):
        app.add_routes([web.get("/", handler)])


def test_middlewares_of_a_frozen_application(web: Any) -> None:
    app = web.Application()
    app.freeze()
    with pytest.raises(RuntimeError):
        app.middlewares.append(handler)


def test_sub_application_is_frozen_with_its_parent(web: Any) -> None:
    app, sub = web.Application(), web.Application()
    app.add_subapp("/sub", sub)
    app.freeze()
    assert sub.frozen


def test_signals_are_lists(web: Any) -> None:
    app = web.Application()

    async def other(app: Any) -> None: ...

    app.on_shutdown.append(handler)
    app.on_shutdown.insert(0, other)
    app.on_shutdown.extend([handler])
    assert list(app.on_shutdown) == [other, handler, handler]
    app.on_shutdown.remove(handler)
    app.on_shutdown.remove(handler)
    assert len(app.on_shutdown) == 1
    assert other in app.on_shutdown


def test_own_attributes(web: Any) -> None:
    """Programs hang what they need on the application."""
    app = web.Application()
    app.extra = 1
    assert app.extra == 1
    del app.extra
    assert not hasattr(app, "extra")


def test_router_cannot_be_replaced(web: Any) -> None:
    with pytest.raises(AttributeError):
        web.Application().router = web.UrlDispatcher()


def test_logger(web: Any) -> None:
    logger = logging.getLogger("own")
    assert web.Application(logger=logger).logger is logger
    assert isinstance(web.Application().logger, logging.Logger)


async def test_loop_is_deprecated(web: Any) -> None:
    with pytest.warns(DeprecationWarning, match="loop argument is deprecated"):
        app = web.Application(loop=asyncio.get_running_loop())
    with pytest.warns(DeprecationWarning, match="loop property is deprecated"):
        assert app.loop is asyncio.get_running_loop()


def test_arguments_are_named(web: Any) -> None:
    with pytest.raises(TypeError):
        web.Application(logging.getLogger())


def test_unknown_argument(web: Any) -> None:
    with pytest.raises(TypeError):
        web.Application(colour="red")


def test_router_argument(web: Any) -> None:
    router = web.UrlDispatcher()
    with pytest.warns(DeprecationWarning, match="router argument is deprecated"):
        app = web.Application(router=router)
    assert app.router is router


def test_router_argument_of_another_class(web: Any) -> None:
    with pytest.warns(DeprecationWarning, match="router"), pytest.raises((AssertionError, TypeError)):
        web.Application(router={})


def test_router(web: Any) -> None:
    assert isinstance(web.Application().router, web.UrlDispatcher)


async def test_state_in_a_handler(backend: Backend) -> None:
    web = backend.web
    key = web.AppKey("key", list)

    async def push(request: Any) -> Any:
        request.app[key].append(request.path)
        return web.json_response(request.app[key])

    app = web.Application()
    app[key] = ["start"]
    app.router.add_get("/x", push)
    async with backend.client(app) as client:
        await client.get("/x")
        assert (await client.get("/x")).json() == ["start", "/x", "/x"]


async def test_state_set_by_a_handler_warns(backend: Backend) -> None:
    web = backend.web
    key = web.AppKey("key", int)

    async def change(request: Any) -> Any:
        with pytest.warns(DeprecationWarning, match="Changing state of started or joined application"):
            request.app[key] = 2
        return web.json_response(request.app[key])

    app = web.Application()
    app.router.add_get("/", change)
    async with backend.client(app) as client:
        assert (await client.get("/")).json() == 2


async def test_client_max_size(backend: Backend) -> None:
    web = backend.web

    async def read(request: Any) -> Any:
        return web.Response(text=str(len(await request.read())))

    app = web.Application(client_max_size=10)
    app.router.add_post("/", read)
    async with backend.client(app) as client:
        assert (await client.post("/", content=b"x" * 10)).text == "10"
        assert (await client.post("/", content=b"x" * 11)).status_code == 413


async def test_running_application_is_frozen(backend: Backend) -> None:
    app = backend.web.Application()
    async with backend.client(app):
        assert app.frozen


async def test_request_app(backend: Backend) -> None:
    web = backend.web

    async def show(request: Any) -> Any:
        return web.json_response(request.app is app)

    app = web.Application()
    app.router.add_get("/", show)
    async with backend.client(app) as client:
        assert (await client.get("/")).json() is True
