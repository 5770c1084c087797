"""Which route answers: paths, templates, methods, precedence, 404 and 405."""

# `web` is one of two modules, hence Any to mypy.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.contract.backends import Backend


def raw(client: httpx.AsyncClient, path: str) -> str:
    """The whole URL, so that httpx does not take `//x` for a host."""
    return str(client.base_url).rstrip("/") + path


def answer(web: Any, name: str) -> Any:
    """A handler that says which route it is and what its path parameters are."""

    async def handler(request: Any) -> Any:
        return web.json_response([name, dict(request.match_info)])

    return handler


def answering(web: Any, *routes: tuple[str, str]) -> Any:
    """An application whose handlers answer with the (method, path) they were registered for."""
    app = web.Application()
    for method, path in routes:
        app.router.add_route(method, path, answer(web, f"{method} {path}"))
    return app


async def test_static_path(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a"), ("GET", "/b"))
    async with backend.client(app) as client:
        assert (await client.get("/b")).json() == ["GET /b", {}]


async def test_unknown_path_is_404(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a"))
    async with backend.client(app) as client:
        response = await client.get("/b")
    assert response.status_code == 404
    assert response.text == "404: Not Found"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_app_without_routes_is_404(backend: Backend) -> None:
    async with backend.client(backend.web.Application()) as client:
        assert (await client.get("/")).status_code == 404


async def test_unknown_path_is_404_for_every_method(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a"))
    async with backend.client(app) as client:
        statuses = [(await client.request(method, "/b")).status_code for method in ("POST", "HEAD", "OPTIONS", "PURGE")]
    assert statuses == [404, 404, 404, 404]


async def test_root(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/"))
    async with backend.client(app) as client:
        assert (await client.get("/")).json() == ["GET /", {}]


async def test_variable(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/users/{name}"))
    async with backend.client(app) as client:
        assert (await client.get("/users/ada")).json() == ["GET /users/{name}", {"name": "ada"}]


async def test_several_variables(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/{a}/x/{b}"))
    async with backend.client(app) as client:
        assert (await client.get("/1/x/2")).json()[1] == {"a": "1", "b": "2"}


async def test_variable_needs_a_character(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/users/{name}"))
    async with backend.client(app) as client:
        assert (await client.get("/users/")).status_code == 404
        assert (await client.get("/users")).status_code == 404


async def test_variable_stops_at_a_slash(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/users/{name}"))
    async with backend.client(app) as client:
        assert (await client.get("/users/ada/x")).status_code == 404
        assert (await client.get("/users/ada/")).status_code == 404


async def test_regular_expression(backend: Backend) -> None:
    app = answering(backend.web, ("GET", r"/items/{number:\d+}"))
    async with backend.client(app) as client:
        assert (await client.get("/items/42")).json()[1] == {"number": "42"}
        assert (await client.get("/items/x42")).status_code == 404
        assert (await client.get("/items/42x")).status_code == 404


async def test_regular_expression_with_braces(backend: Backend) -> None:
    app = answering(backend.web, ("GET", r"/items/{number:\d{2}}"))
    async with backend.client(app) as client:
        assert (await client.get("/items/42")).json()[1] == {"number": "42"}
        assert (await client.get("/items/421")).status_code == 404


async def test_regular_expression_with_alternatives(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/{lang:en|de}/{page}"))
    async with backend.client(app) as client:
        assert (await client.get("/de/home")).json()[1] == {"lang": "de", "page": "home"}
        assert (await client.get("/fr/home")).status_code == 404


async def test_tail_spans_slashes_and_may_be_empty(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/files/{tail:.*}"))
    async with backend.client(app) as client:
        assert (await client.get("/files/a/b/c.txt")).json()[1] == {"tail": "a/b/c.txt"}
        assert (await client.get("/files/")).json()[1] == {"tail": ""}
        assert (await client.get("/files")).status_code == 404


async def test_variable_inside_a_segment(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/v{number}.json"))
    async with backend.client(app) as client:
        assert (await client.get("/v12.json")).json()[1] == {"number": "12"}
        assert (await client.get("/v12xjson")).status_code == 404


async def test_two_variables_in_a_segment_are_greedy(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/{a}-{b}"))
    async with backend.client(app) as client:
        assert (await client.get("/x-y-z")).json()[1] == {"a": "x-y", "b": "z"}


async def test_adjacent_variables(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/{a}{b}"))
    async with backend.client(app) as client:
        assert (await client.get("/xyz")).json()[1] == {"a": "xy", "b": "z"}
        assert (await client.get("/x")).status_code == 404


async def test_literal_part_of_a_template_is_not_a_pattern(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a.b+c/{x}"))
    async with backend.client(app) as client:
        assert (await client.get("/a.b+c/1")).json()[1] == {"x": "1"}
        assert (await client.get("/axbbc/1")).status_code == 404


async def test_trailing_slash_is_another_path(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a/"), ("GET", "/{x}/b"))
    async with backend.client(app) as client:
        assert (await client.get("/a")).status_code == 404
        assert (await client.get("/a/")).status_code == 200
        assert (await client.get("/1/b/")).status_code == 404


async def test_paths_are_case_sensitive(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/About"))
    async with backend.client(app) as client:
        assert (await client.get("/About")).status_code == 200
        assert (await client.get("/about")).status_code == 404


async def test_query_takes_no_part(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a/{x}"))
    async with backend.client(app) as client:
        assert (await client.get("/a/b?x=1&y=/c")).json()[1] == {"x": "b"}


async def test_double_slashes_are_kept(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a/b"), ("GET", "/a//c"), ("GET", "/{x}/d"))
    async with backend.client(app) as client:
        assert (await client.get(raw(client, "/a//b"))).status_code == 404
        assert (await client.get(raw(client, "/a//c"))).status_code == 200
        assert (await client.get(raw(client, "//d"))).status_code == 404


async def test_path_that_begins_with_two_slashes(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/{tail:.*}"))
    async with backend.client(app) as client:
        assert (await client.get(raw(client, "//evil/x"))).json()[1] == {"tail": "/evil/x"}


async def test_encoded_slash_does_not_separate(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/files/{name}"), ("GET", "/files/{a}/{b}"))
    async with backend.client(app) as client:
        assert (await client.get("/files/a%2Fb")).json() == ["GET /files/{name}", {"name": "a/b"}]
        assert (await client.get("/files/a/b")).json() == ["GET /files/{a}/{b}", {"a": "a", "b": "b"}]


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("100%25", "100%"),
        ("%2525", "%25"),
        ("%252F", "%2F"),
        ("%C3%A9", "é"),
        ("%F0%9F%8E%89", "🎉"),
        ("a%3Fb%23c", "a?b#c"),
        ("a:b@c;d,e=f&g", "a:b@c;d,e=f&g"),
        ("~a-b_c.d", "~a-b_c.d"),
        ("%26%3D%3B", "&=;"),
    ],
)
async def test_variable_is_decoded_once(backend: Backend, sent: str, seen: str) -> None:
    app = answering(backend.web, ("GET", "/x/{value}"))
    async with backend.client(app) as client:
        assert (await client.get(f"/x/{sent}")).json()[1] == {"value": seen}


async def test_tail_is_decoded(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/x/{tail:.*}"))
    async with backend.client(app) as client:
        assert (await client.get("/x/a%20b/c%2Fd")).json()[1] == {"tail": "a b/c/d"}


async def test_route_in_unicode(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/été"))
    async with backend.client(app) as client:
        assert (await client.get("/%C3%A9t%C3%A9")).json() == ["GET /été", {}]
        assert (await client.get("/%c3%a9t%c3%a9")).json() == ["GET /été", {}]


async def test_regular_expression_in_unicode(backend: Backend) -> None:
    """Expressions are matched against the decoded path."""
    app = answering(backend.web, ("GET", "/{word:[a-zéà]+}"))
    async with backend.client(app) as client:
        assert (await client.get("/%C3%A9t%C3%A0")).json()[1] == {"word": "étà"}
        assert (await client.get("/%C3%A8")).status_code == 404


async def test_route_with_a_space(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a b"))
    async with backend.client(app) as client:
        assert (await client.get("/a%20b")).status_code == 200


async def test_plain_paths_are_registered_decoded_but_for_slash_and_percent(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/%C3%A9"), ("GET", "/a%2Fb"), ("GET", "/a%25b"))
    async with backend.client(app) as client:
        assert (await client.get("/%C3%A9")).status_code == 404
        assert (await client.get("/a%2Fb")).status_code == 200
        assert (await client.get("/a%2fb")).status_code == 200
        assert (await client.get("/a/b")).status_code == 404
        assert (await client.get("/a%25b")).status_code == 200


async def test_plain_path_wins_over_a_template_registered_before(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/users/{name}"), ("GET", "/users/me"))
    async with backend.client(app) as client:
        assert (await client.get("/users/me")).json() == ["GET /users/me", {}]


async def test_longest_literal_prefix_wins(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/{tail:.*}"), ("GET", "/a/{tail:.*}"), ("GET", "/a/b/{tail:.*}"))
    async with backend.client(app) as client:
        assert (await client.get("/a/b/c")).json() == ["GET /a/b/{tail:.*}", {"tail": "c"}]
        assert (await client.get("/a/c")).json() == ["GET /a/{tail:.*}", {"tail": "c"}]
        assert (await client.get("/c")).json() == ["GET /{tail:.*}", {"tail": "c"}]


async def test_prefix_is_counted_in_whole_segments(backend: Backend) -> None:
    """`/ab{x}` is filed under `/`, beside `/{y}`: the one registered first answers."""
    app = answering(backend.web, ("GET", "/{y}"), ("GET", "/ab{x}"))
    async with backend.client(app) as client:
        assert (await client.get("/abc")).json() == ["GET /{y}", {"y": "abc"}]


async def test_templates_of_one_prefix_are_tried_in_the_order_of_registration(backend: Backend) -> None:
    app = answering(backend.web, ("GET", r"/i/{n:\d+}"), ("GET", "/i/{x}"), ("GET", "/i/{y}"))
    async with backend.client(app) as client:
        assert (await client.get("/i/12")).json() == [r"GET /i/{n:\d+}", {"n": "12"}]
        assert (await client.get("/i/ab")).json() == ["GET /i/{x}", {"x": "ab"}]


async def test_longer_prefix_without_a_match_falls_back_to_the_shorter(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/{a}/{b}/{c}"), ("GET", r"/a/b/{n:\d+}"))
    async with backend.client(app) as client:
        assert (await client.get("/a/b/c")).json()[1] == {"a": "a", "b": "b", "c": "c"}


async def test_another_method_goes_on_to_the_next_candidate(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/users/me"), ("POST", "/users/{name}"), ("DELETE", "/{tail:.*}"))
    async with backend.client(app) as client:
        assert (await client.post("/users/me")).json() == ["POST /users/{name}", {"name": "me"}]
        assert (await client.delete("/users/me")).json() == ["DELETE /{tail:.*}", {"tail": "users/me"}]


async def test_405_names_the_methods_of_all_candidates(backend: Backend) -> None:
    app = answering(backend.web, ("PUT", "/users/me"), ("GET", "/users/{name}"), ("DELETE", "/{tail:.*}"))
    async with backend.client(app) as client:
        response = await client.post("/users/me")
    assert response.status_code == 405
    assert response.headers["Allow"] == "DELETE,GET,PUT"
    assert response.text == "405: Method Not Allowed"


async def test_405_of_one_route(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a"))
    async with backend.client(app) as client:
        response = await client.post("/a", content=b"body")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET"


async def test_options_is_not_answered_by_itself(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a"), ("POST", "/a"))
    async with backend.client(app) as client:
        response = await client.options("/a")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET,POST"


async def test_any_method(backend: Backend) -> None:
    app = answering(backend.web, ("*", "/a"))
    async with backend.client(app) as client:
        for method in ("GET", "POST", "OPTIONS", "PURGE"):
            assert (await client.request(method, "/a")).json() == ["* /a", {}]


async def test_named_method_wins_over_any_method_of_its_resource(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a"), ("*", "/a"))
    async with backend.client(app) as client:
        assert (await client.get("/a")).json() == ["GET /a", {}]
        assert (await client.post("/a")).json() == ["* /a", {}]


async def test_extension_method(backend: Backend) -> None:
    app = answering(backend.web, ("purge", "/a"))
    async with backend.client(app) as client:
        assert (await client.request("PURGE", "/a")).status_code == 200
        assert (await client.get("/a")).headers["Allow"] == "PURGE"


async def test_head_is_answered_by_get(backend: Backend) -> None:
    app = backend.web.Application()
    app.router.add_get("/a", answer(backend.web, "a"))
    async with backend.client(app) as client:
        response = await client.head("/a")
        full = await client.get("/a")
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["Content-Length"] == full.headers["Content-Length"]


async def test_head_may_be_refused(backend: Backend) -> None:
    app = backend.web.Application()
    app.router.add_get("/a", answer(backend.web, "a"), allow_head=False)
    async with backend.client(app) as client:
        response = await client.head("/a")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET"


async def test_add_route_get_does_not_answer_head(backend: Backend) -> None:
    app = answering(backend.web, ("GET", "/a"))
    async with backend.client(app) as client:
        assert (await client.head("/a")).status_code == 405


async def test_own_head_handler(backend: Backend) -> None:
    web = backend.web

    async def head(request: Any) -> Any:
        return web.Response(headers={"X-Head": "1"})

    app = web.Application()
    app.router.add_get("/a", answer(web, "a"), allow_head=False)
    app.router.add_head("/a", head)
    async with backend.client(app) as client:
        assert (await client.head("/a")).headers["X-Head"] == "1"


async def test_every_shorthand(backend: Backend) -> None:
    app = backend.web.Application()
    for method in ("get", "post", "put", "patch", "delete", "options"):
        getattr(app.router, f"add_{method}")("/a", answer(backend.web, method))
    async with backend.client(app) as client:
        for method in ("get", "post", "put", "patch", "delete", "options"):
            assert (await client.request(method.upper(), "/a")).json() == [method, {}]


async def test_same_path_registered_twice_apart(backend: Backend) -> None:
    """The second resource of a path is reached for the methods that the first has not."""
    app = answering(backend.web, ("GET", "/a"), ("GET", "/b"), ("POST", "/a"))
    app.router.add_get("/a", answer(backend.web, "late"))
    async with backend.client(app) as client:
        assert (await client.get("/a")).json() == ["GET /a", {}]
        assert (await client.post("/a")).json() == ["POST /a", {}]
        assert (await client.put("/a")).headers["Allow"] == "GET,HEAD,POST"


async def test_routes_of_one_resource(backend: Backend) -> None:
    app = backend.web.Application()
    resource = app.router.add_resource("/a/{x}")
    resource.add_route("GET", answer(backend.web, "read"))
    resource.add_route("PUT", answer(backend.web, "write"))
    async with backend.client(app) as client:
        assert (await client.get("/a/1")).json() == ["read", {"x": "1"}]
        assert (await client.put("/a/2")).json() == ["write", {"x": "2"}]


async def test_request_sees_its_route(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        route = request.match_info.route
        return web.json_response([route.name, route.method, route.resource.canonical, route.handler is handler])

    app = web.Application()
    app.router.add_get("/a/{x}", handler, name="reader")
    async with backend.client(app) as client:
        assert (await client.get("/a/1")).json() == ["reader", "GET", "/a/{x}", True]


async def test_url_for_from_a_handler(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(text=str(request.app.router["item"].url_for(number="7").with_query(page=2)))

    app = web.Application()
    app.router.add_get("/items/{number}", handler, name="item")
    async with backend.client(app) as client:
        assert (await client.get("/items/1")).text == "/items/7?page=2"


async def test_not_found_raised_by_a_handler_is_an_ordinary_answer(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        raise web.HTTPNotFound(text="no such item")

    app = web.Application()
    app.router.add_get("/items/{number}", handler)
    async with backend.client(app) as client:
        response = await client.get("/items/1")
    assert (response.status_code, response.text) == (404, "no such item")


async def test_percent_encoded_letters_in_the_path(backend: Backend) -> None:
    """RFC 3986 section 6.2.2.2: `%61` is `a`."""
    app = answering(backend.web, ("GET", "/a"), ("GET", "/x/{value}"))
    async with backend.client(app) as client:
        assert (await client.get("/%61")).json() == ["GET /a", {}]
        assert (await client.get("/%78/%61")).json()[1] == {"value": "a"}


async def test_many_routes(backend: Backend) -> None:
    app = answering(backend.web, *(("GET", f"/r{number}/{{x}}") for number in range(300)))
    async with backend.client(app) as client:
        for number in (0, 150, 299):
            assert (await client.get(f"/r{number}/y")).json() == [f"GET /r{number}/{{x}}", {"x": "y"}]
        assert (await client.get("/r300/y")).status_code == 404


async def test_many_templates_of_one_prefix(backend: Backend) -> None:
    app = answering(backend.web, *(("GET", f"/{{tenant}}/r{number}") for number in range(300)))
    async with backend.client(app) as client:
        for number in (0, 150, 299):
            assert (await client.get(f"/acme/r{number}")).json() == [f"GET /{{tenant}}/r{number}", {"tenant": "acme"}]
        assert (await client.get("/acme/r300")).status_code == 404


async def test_own_router_class(backend: Backend) -> None:
    """A subclass of UrlDispatcher may answer by itself; the parameter `router` was deprecated in aiohttp 3.3."""
    web = backend.web

    class Dispatcher(web.UrlDispatcher):  # type: ignore[name-defined]
        async def resolve(self, request: Any) -> Any:
            if request.path == "/magic":
                return web.UrlMappingMatchInfo({"by": "subclass"}, self["real"].add_route("*", answer(web, "magic")))
            return await super().resolve(request)

    with pytest.warns(DeprecationWarning, match="router argument is deprecated"):
        app = web.Application(router=Dispatcher())
    app.router.add_get("/real", answer(web, "real"), name="real")
    async with backend.client(app) as client:
        assert (await client.get("/real")).json() == ["real", {}]
        assert json.loads((await client.get("/magic")).text) == ["magic", {"by": "subclass"}]
