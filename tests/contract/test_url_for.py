"""URLs made from routes and resources."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from tests.contract import modules
from tests.contract.modules import handler, resolve

web = modules.web


def test_plain(web: Any) -> None:
    route = web.Application().router.add_get("/a/b", handler)
    assert route.url_for() == URL("/a/b")
    assert isinstance(route.url_for(), URL)


def test_template(web: Any) -> None:
    route = web.Application().router.add_get("/users/{name}/v{number}.json", handler)
    assert str(route.url_for(name="ada", number="2")) == "/users/ada/v2.json"


def test_by_name(web: Any) -> None:
    app = web.Application()
    app.router.add_get("/users/{name}", handler, name="user")
    assert str(app.router["user"].url_for(name="ada")) == "/users/ada"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("a b", "a%20b"),
        ("é", "%C3%A9"),
        ("a/b", "a/b"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        ("a+b", "a+b"),
        ("a:b@c", "a%3Ab@c"),
        ("a$&,;=!*()'", "a$&,;=!*()'"),
        ('[]{}|^"<>', "%5B%5D%7B%7D%7C%5E%22%3C%3E"),
        ("~-_.", "~-_."),
        ("", ""),
    ],
)
def test_values_are_quoted(web: Any, value: str, quoted: str) -> None:
    route = web.Application().router.add_get("/x/{value}", handler)
    assert route.url_for(value=value).raw_path == f"/x/{quoted}"


@pytest.mark.parametrize("value", ["a b", "é", "a?b#c", "100%", "%2F", "a+b", "%", "a&b=c;d", "🎉", "\\"])
async def test_round_trip(web: Any, value: str) -> None:
    app = web.Application()
    route = app.router.add_get("/x/{value}/y", handler)
    info = await resolve(app, web, "GET", str(route.url_for(value=value)))
    assert dict(info) == {"value": value}


def test_regular_expression_is_not_checked(web: Any) -> None:
    route = web.Application().router.add_get(r"/items/{number:\d+}", handler)
    assert str(route.url_for(number="x")) == "/items/x"


async def test_slash_separates(web: Any) -> None:
    """A slash in a value is not quoted: it comes back in a tail, and not in a single segment."""
    app = web.Application()
    tail = app.router.add_get("/files/{tail:.*}", handler)
    segment = app.router.add_get("/x/{segment}", handler)
    assert str(tail.url_for(tail="a/b")) == "/files/a/b"
    assert dict(await resolve(app, web, "GET", "/files/a/b")) == {"tail": "a/b"}
    assert (await resolve(app, web, "GET", str(segment.url_for(segment="a/b")))).http_exception.status == 404


def test_missing_value(web: Any) -> None:
    route = web.Application().router.add_get("/users/{name}", handler)
    with pytest.raises(KeyError):
        route.url_for()


def test_value_that_is_no_str(web: Any) -> None:
    route = web.Application().router.add_get("/items/{number}", handler)
    with pytest.raises(TypeError):
        route.url_for(number=1)


def test_value_without_a_variable_is_ignored(web: Any) -> None:
    route = web.Application().router.add_get("/users/{name}", handler)
    assert str(route.url_for(name="ada", other="x")) == "/users/ada"


def test_plain_path_takes_no_values(web: Any) -> None:
    route = web.Application().router.add_get("/a", handler)
    with pytest.raises(TypeError):
        route.url_for(name="x")


def test_values_are_given_by_name(web: Any) -> None:
    route = web.Application().router.add_get("/users/{name}", handler)
    with pytest.raises(TypeError):
        route.url_for("ada")


def test_query(web: Any) -> None:
    route = web.Application().router.add_get("/a", handler)
    assert str(route.url_for().with_query({"q": "a b", "page": 2})) == "/a?q=a+b&page=2"


def test_literal_text_of_a_template_is_quoted(web: Any) -> None:
    route = web.Application().router.add_get("/a b/é/{x}", handler)
    assert str(route.url_for(x="1")) == "/a%20b/%C3%A9/1"


def test_prefix_of_a_sub_application(web: Any) -> None:
    app, sub = web.Application(), web.Application()
    plain = sub.router.add_get("/a", handler)
    template = sub.router.add_get("/b/{x}", handler)
    app.add_subapp("/sub", sub)
    assert str(plain.url_for()) == "/sub/a"
    assert str(template.url_for(x="1")) == "/sub/b/1"


def test_prefixes_of_nested_sub_applications(web: Any) -> None:
    app, outer, inner = web.Application(), web.Application(), web.Application()
    inner.router.add_get("/{x}", handler, name="x")
    outer.add_subapp("/inner", inner)
    app.add_subapp("/outer", outer)
    assert str(inner.router["x"].url_for(x="1")) == "/outer/inner/1"


def test_of_a_static_resource(web: Any, tmp_path: Any) -> None:
    resource = modules.add_static(web, "/static", tmp_path, name="static")
    assert str(resource.url_for(filename="css/a b.css")) == "/static/css/a%20b.css"
    assert str(resource.url_for(filename="/x.js")) == "/static/x.js"


def test_of_a_sub_application_itself(web: Any) -> None:
    resource = web.Application().add_subapp("/sub", web.Application())
    with pytest.raises(RuntimeError):
        resource.url_for()


async def test_of_no_route(web: Any) -> None:
    info = await resolve(web.Application(), web, "GET", "/")
    with pytest.raises(RuntimeError):
        info.route.url_for()
