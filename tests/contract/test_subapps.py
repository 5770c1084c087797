"""Sub-applications under a prefix or for a domain."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import handler

web = modules.web


def named(web: Any, name: str, *paths: str) -> Any:
    """An application whose handlers answer with its name, the path template and the values."""
    app = web.Application()

    async def answer(request: Any) -> Any:
        return web.json_response([name, request.match_info.route.resource.canonical, dict(request.match_info)])

    for path in paths:
        app.router.add_get(path, answer)
    return app


def marking(web: Any, log: list[str], name: str) -> Any:
    """A middleware that writes down when it is entered and left."""

    @web.middleware
    async def mark(request: Any, handler: Any) -> Any:
        log.append(f"> {name}")
        try:
            return await handler(request)
        finally:
            log.append(f"< {name}")

    return mark


async def test_prefix(backend: Backend) -> None:
    app = named(backend.web, "app", "/x")
    app.add_subapp("/sub", named(backend.web, "sub", "/x", "/{y}/z"))
    async with backend.client(app) as client:
        assert (await client.get("/x")).json() == ["app", "/x", {}]
        assert (await client.get("/sub/x")).json() == ["sub", "/sub/x", {}]
        assert (await client.get("/sub/1/z")).json() == ["sub", "/sub/{y}/z", {"y": "1"}]


async def test_prefix_with_a_trailing_slash(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/sub/", named(backend.web, "sub", "/x"))
    async with backend.client(app) as client:
        assert (await client.get("/sub/x")).json() == ["sub", "/sub/x", {}]


async def test_prefix_of_several_segments(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/a/b", named(backend.web, "sub", "/x"))
    async with backend.client(app) as client:
        assert (await client.get("/a/b/x")).json()[1] == "/a/b/x"
        assert (await client.get("/a/x")).status_code == 404


async def test_root_and_empty_path_of_a_sub_application(backend: Backend) -> None:
    """`""` is the prefix alone, `"/"` the prefix and a slash."""
    app = backend.web.Application()
    app.add_subapp("/one", named(backend.web, "one", "/"))
    app.add_subapp("/two", named(backend.web, "two", ""))
    async with backend.client(app) as client:
        assert (await client.get("/one/")).json()[1] == "/one/"
        assert (await client.get("/one")).status_code == 404
        assert (await client.get("/two")).json()[1] == "/two"
        assert (await client.get("/two/")).status_code == 404


async def test_prefix_is_whole_segments(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/sub", named(backend.web, "sub", "/{tail:.*}"))
    async with backend.client(app) as client:
        assert (await client.get("/sub/x")).status_code == 200
        assert (await client.get("/subx")).status_code == 404
        assert (await client.get("/subx/x")).status_code == 404


async def test_not_found_inside(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/sub", named(backend.web, "sub", "/x"))
    async with backend.client(app) as client:
        response = await client.get("/sub/y")
    assert (response.status_code, response.text) == (404, "404: Not Found")


async def test_mismatch_inside_ends_the_search(backend: Backend) -> None:
    """A sub-application answers for all below its prefix: routes of shorter prefixes are not asked any more."""
    app = named(backend.web, "app", "/{tail:.*}")
    app.add_subapp("/sub", named(backend.web, "sub", "/x"))
    async with backend.client(app) as client:
        assert (await client.get("/sub/y")).status_code == 404
        assert (await client.post("/sub/x")).headers["Allow"] == "GET,HEAD"
        assert (await client.get("/other")).json() == ["app", "/{tail}", {"tail": "other"}]


async def test_route_with_a_longer_prefix_goes_before(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/sub", named(backend.web, "sub", "/{x}"))
    app.router.add_routes([backend.web.get("/sub/own", named_handler(backend.web, "app"))])
    async with backend.client(app) as client:
        assert (await client.get("/sub/own")).text == "app"
        assert (await client.get("/sub/x")).json()[0] == "sub"


def named_handler(web: Any, name: str) -> Any:
    async def answer(request: Any) -> Any:
        return web.Response(text=name)

    return answer


async def test_method_not_allowed_inside(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/sub", named(backend.web, "sub", "/x"))
    async with backend.client(app) as client:
        response = await client.delete("/sub/x")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET,HEAD"


async def test_nested(backend: Backend) -> None:
    app, outer = backend.web.Application(), named(backend.web, "outer", "/x")
    outer.add_subapp("/inner", named(backend.web, "inner", "/x", "/{y}"))
    app.add_subapp("/outer", outer)
    async with backend.client(app) as client:
        assert (await client.get("/outer/x")).json() == ["outer", "/outer/x", {}]
        assert (await client.get("/outer/inner/x")).json() == ["inner", "/outer/inner/x", {}]
        assert (await client.get("/outer/inner/1")).json() == ["inner", "/outer/inner/{y}", {"y": "1"}]
        assert (await client.get("/outer/inner/1/2")).status_code == 404


async def test_prefixes_one_inside_the_other(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/a", named(backend.web, "short", "/{tail:.*}"))
    app.add_subapp("/a/b", named(backend.web, "long", "/{tail:.*}"))
    async with backend.client(app) as client:
        assert (await client.get("/a/b/c")).json()[0] == "long"
        assert (await client.get("/a/c")).json()[0] == "short"


async def test_two_sub_applications_of_one_prefix(backend: Backend) -> None:
    """The first answers, with 404 as well."""
    app = backend.web.Application()
    app.add_subapp("/sub", named(backend.web, "first", "/x"))
    app.add_subapp("/sub", named(backend.web, "second", "/y"))
    async with backend.client(app) as client:
        assert (await client.get("/sub/x")).json()[0] == "first"
        assert (await client.get("/sub/y")).status_code == 404


async def test_request_app_is_the_sub_application(backend: Backend) -> None:
    web = backend.web
    app, sub = web.Application(), web.Application()

    async def show(request: Any) -> Any:
        return web.json_response([request.app is sub, [each is app for each in request.match_info.apps]])

    sub.router.add_get("/x", show)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        assert (await client.get("/sub/x")).json() == [True, [True, False]]


async def test_config_dict_looks_outwards(backend: Backend) -> None:
    web = backend.web
    a, b, c = web.AppKey("a", str), web.AppKey("b", str), web.AppKey("c", str)
    app, sub = web.Application(), web.Application()
    app[a], app[b], sub[b] = "outer a", "outer b", "inner b"

    async def show(request: Any) -> Any:
        found = request.config_dict
        with pytest.raises(KeyError):
            found[c]
        return web.json_response([found[a], found[b], found.get(c), c in found, len(found), a in request.app])

    sub.router.add_get("/x", show)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        assert (await client.get("/sub/x")).json() == ["outer a", "inner b", None, False, 2, False]


async def test_config_dict_cannot_be_written(backend: Backend) -> None:
    web = backend.web
    key = web.AppKey("key", str)

    async def show(request: Any) -> Any:
        with pytest.raises(TypeError):
            request.config_dict[key] = "new"
        return web.json_response([each.__class__.__name__ for each in request.config_dict])

    app = web.Application()
    app[key] = "value"
    app.router.add_get("/", show)
    async with backend.client(app) as client:
        assert (await client.get("/")).json() == ["AppKey"]


async def test_middlewares_from_the_outside_in(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []

    async def show(request: Any) -> Any:
        log.append("handler")
        return web.Response()

    app = web.Application(middlewares=[marking(web, log, "a1"), marking(web, log, "a2")])
    sub = web.Application(middlewares=[marking(web, log, "s1"), marking(web, log, "s2")])
    sub.router.add_get("/x", show)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        await client.get("/sub/x")
    assert log == ["> a1", "> a2", "> s1", "> s2", "handler", "< s2", "< s1", "< a2", "< a1"]


async def test_middlewares_of_a_sub_application_leave_others_alone(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []
    app = named(web, "app", "/x")
    sub = web.Application(middlewares=[marking(web, log, "sub")])
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        assert (await client.get("/x")).status_code == 200
    assert log == []


async def test_middlewares_of_a_sub_application_see_its_404_and_405(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []
    app = web.Application(middlewares=[marking(web, log, "app")])
    sub = web.Application(middlewares=[marking(web, log, "sub")])
    sub.router.add_get("/x", handler)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        assert (await client.get("/sub/y")).status_code == 404
        assert (await client.post("/sub/x")).status_code == 405
    assert log == ["> app", "> sub", "< sub", "< app"] * 2


async def test_request_app_in_middlewares(backend: Backend) -> None:
    """Each middleware sees the application it belongs to as `request.app`, before and after the handler."""
    web = backend.web
    seen: list[Any] = []

    @web.middleware
    async def look(request: Any, handler: Any) -> Any:
        seen.append(request.app)
        response = await handler(request)
        seen.append(request.app)
        return response

    app, sub = web.Application(middlewares=[look]), web.Application(middlewares=[look])
    sub.router.add_get("/x", named_handler(web, "sub"))
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        await client.get("/sub/x")
    assert [each is app for each in seen] == [True, False, False, True]


async def test_response_prepare_signals_of_all_applications(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []

    def writer(name: str) -> Any:
        async def write(request: Any, response: Any) -> None:
            log.append(name)

        return write

    app, sub = web.Application(), web.Application()
    app.on_response_prepare.append(writer("app"))
    sub.on_response_prepare.append(writer("sub"))
    sub.router.add_get("/x", named_handler(web, "sub"))
    app.router.add_get("/y", named_handler(web, "app"))
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        await client.get("/sub/x")
        assert log == ["app", "sub"]
        await client.get("/y")
        assert log == ["app", "sub", "app"]


async def test_lifecycle_signals_reach_sub_applications(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []

    def note(name: str) -> Any:
        async def write(app: Any) -> None:
            log.append(name)

        return write

    app, sub = web.Application(), web.Application()
    for each, name in ((app, "app"), (sub, "sub")):
        each.on_startup.append(note(f"start {name}"))
        each.on_shutdown.append(note(f"shutdown {name}"))
        each.on_cleanup.append(note(f"cleanup {name}"))
    app.add_subapp("/sub", sub)
    async with backend.client(app):
        assert log == ["start app", "start sub"]
    assert log[2:] == ["shutdown app", "shutdown sub", "cleanup app", "cleanup sub"]


async def test_signal_gets_the_sub_application(backend: Backend) -> None:
    web = backend.web
    seen: list[Any] = []

    async def look(app: Any) -> None:
        seen.append(app)

    app, sub = web.Application(), web.Application()
    sub.on_startup.append(look)
    app.add_subapp("/sub", sub)
    async with backend.client(app):
        assert seen == [sub]


async def test_sub_application_has_its_place_among_the_signals(backend: Backend) -> None:
    """A sub-application's signals run where add_subapp stood among the receivers."""
    web = backend.web
    log: list[str] = []

    def note(name: str) -> Any:
        async def write(app: Any) -> None:
            log.append(name)

        return write

    app, sub = web.Application(), web.Application()
    sub.on_startup.append(note("sub"))
    app.on_startup.append(note("before"))
    app.add_subapp("/sub", sub)
    app.on_startup.append(note("after"))
    async with backend.client(app):
        assert log == ["before", "sub", "after"]


async def test_domain(backend: Backend) -> None:
    app = named(backend.web, "app", "/x")
    app.add_domain("api.example.com", named(backend.web, "api", "/x", "/y"))
    async with backend.client(app) as client:
        host = {"Host": "api.example.com"}
        assert (await client.get("/y", headers=host)).json() == ["api", "/y", {}]
        assert (await client.get("/y")).status_code == 404
        assert (await client.get("/x")).json()[0] == "app"


async def test_domain_goes_before_routes(backend: Backend) -> None:
    """A domain answers for all paths: routes of the application itself are not asked any more."""
    app = named(backend.web, "app", "/x", "/y")
    app.add_domain("api.example.com", named(backend.web, "api", "/x"))
    async with backend.client(app) as client:
        host = {"Host": "api.example.com"}
        assert (await client.get("/x", headers=host)).json()[0] == "api"
        assert (await client.get("/y", headers=host)).status_code == 404
        assert (await client.get("/y")).json()[0] == "app"


async def test_domain_goes_before_sub_applications(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_subapp("/sub", named(backend.web, "sub", "/x"))
    app.add_domain("api.example.com", named(backend.web, "api", "/sub/x"))
    async with backend.client(app) as client:
        assert (await client.get("/sub/x", headers={"Host": "api.example.com"})).json()[0] == "api"
        assert (await client.get("/sub/x")).json()[0] == "sub"


@pytest.mark.parametrize(
    ("domain", "host", "served"),
    [
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com", True),
        ("Example.COM", "example.com", True),
        ("example.com", "example.com:8080", True),
        ("example.com:8080", "example.com:8080", True),
        ("example.com:8080", "example.com", False),
        ("example.com:80", "example.com", True),
        ("example.com", "www.example.com", False),
        ("example.com", "examplexcom", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "wwwxexample.com", False),
        ("*.example.com", "www.example.com:8080", True),
        ("*.example.com", "www.example.com.evil.org", False),
        ("w*.example.com", "www.example.com", True),
        ("w*.example.com", "api.example.com", False),
        ("w*.example.com:8080", "www.example.com:8080", True),
        ("w*.example.com:8080", "www.example.com", False),
        ("é.example", "xn--9ca.example", True),
        ("example.com", "example.com.", False),
        ("example.com", "user@example.com", False),
        ("*.example.com", "evil:80.example.com", False),
        ("127.0.0.1", "127.0.0.1", True),
    ],
)
async def test_s10_domain_rules(backend: Backend, domain: str, host: str, served: bool) -> None:
    app = backend.web.Application()
    app.add_domain(domain, named(backend.web, "sub", "/x"))
    async with backend.client(app) as client:
        response = await client.get("/x", headers={"Host": host})
    assert response.status_code == (200 if served else 404)


async def test_domains_in_the_order_of_registration(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_domain("*.example.com", named(backend.web, "any", "/x"))
    app.add_domain("api.example.com", named(backend.web, "api", "/x", "/y"))
    async with backend.client(app) as client:
        host = {"Host": "api.example.com"}
        assert (await client.get("/x", headers=host)).json()[0] == "any"
        assert (await client.get("/y", headers=host)).status_code == 404


async def test_method_not_allowed_in_a_domain(backend: Backend) -> None:
    app = backend.web.Application()
    app.add_domain("api.example.com", named(backend.web, "api", "/x"))
    async with backend.client(app) as client:
        response = await client.post("/x", headers={"Host": "api.example.com"})
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET,HEAD"


async def test_middlewares_of_a_domain(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []
    app = web.Application(middlewares=[marking(web, log, "app")])
    sub = web.Application(middlewares=[marking(web, log, "sub")])
    sub.router.add_get("/x", named_handler(web, "sub"))
    app.add_domain("api.example.com", sub)
    async with backend.client(app) as client:
        assert (await client.get("/x", headers={"Host": "api.example.com"})).text == "sub"
        assert (await client.get("/x")).status_code == 404
    assert log == ["> app", "> sub", "< sub", "< app", "> app", "< app"]


@pytest.mark.parametrize("domain", ["", "http://example.com", "a..b", "-a.b", "a_b.c"])
def test_bad_domains(web: Any, domain: str) -> None:
    with pytest.raises(ValueError):
        web.Application().add_domain(domain, web.Application())


def test_domain_is_a_str(web: Any) -> None:
    with pytest.raises(TypeError, match="Domain must be str"):
        web.Application().add_domain(b"example.com", web.Application())


def test_domain_resource(web: Any) -> None:
    sub = web.Application()
    resource = web.Application().add_domain("Example.com", sub)
    assert resource.canonical == "example.com"
    assert resource.get_info()["app"] is sub


@pytest.mark.parametrize("prefix", ["", "/", "//"])
def test_empty_prefix(web: Any, prefix: str) -> None:
    with pytest.raises(ValueError, match="Prefix cannot be empty"):
        web.Application().add_subapp(prefix, web.Application())


def test_prefix_begins_with_a_slash(web: Any) -> None:
    with pytest.raises((AssertionError, ValueError)):
        web.Application().add_subapp("sub", web.Application())


def test_prefix_is_a_str(web: Any) -> None:
    with pytest.raises(TypeError, match="Prefix must be str"):
        web.Application().add_subapp(b"/sub", web.Application())


def test_adding_freezes_the_sub_application(web: Any) -> None:
    app, sub = web.Application(), web.Application()
    app.add_subapp("/sub", sub)
    assert sub.pre_frozen
    assert not sub.frozen
    assert not app.pre_frozen
    with pytest.raises(RuntimeError):
        sub.router.add_get("/x", handler)
    with pytest.raises(RuntimeError):
        sub.on_startup.append(handler)


def test_frozen_application_takes_no_sub_application(web: Any) -> None:
    app = web.Application()
    app.freeze()
    with pytest.raises(RuntimeError, match="Cannot add sub application to frozen application"):
        app.add_subapp("/sub", web.Application())
    with pytest.raises(RuntimeError, match="Cannot add sub application to frozen application"):
        app.add_domain("example.com", web.Application())


def test_frozen_sub_application_is_not_taken(web: Any) -> None:
    sub = web.Application()
    sub.freeze()
    with pytest.raises(RuntimeError, match="Cannot add frozen application"):
        web.Application().add_subapp("/sub", sub)


def test_application_added_twice(web: Any) -> None:
    """Each time the prefix comes before what the routes have already."""
    app, sub = web.Application(), web.Application()
    sub.router.add_get("/x", handler, name="x")
    app.add_subapp("/one", sub)
    app.add_subapp("/two", sub)
    assert str(sub.router["x"].url_for()) == "/two/one/x"
