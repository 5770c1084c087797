"""The compiled matcher: its quick ways give what its search gives, at a cost that does not grow with the table."""

from __future__ import annotations

import functools
import re
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from framework.routing.matcher import Irregular, Matcher

#: The dynamic parts of the templates below.
PARTS = re.compile(r"\{[^}]*\}")


class Searched(str):
    """A path for which the matcher takes the long way: it says that it has an escape."""

    def __contains__(self, key: object) -> bool:
        return True


def no_chain(route: Any, apps: Any) -> Any:
    return route


async def hello(request: web.Request) -> web.Response:
    return web.Response()


def matcher_of(*routes: tuple[str, str]) -> Matcher:
    router = web.UrlDispatcher()
    for method, path in routes:
        resource = router.add_resource(path)
        # A method that the resource has is kept from the first route.
        if method not in {route.method for route in resource} and "*" not in {route.method for route in resource}:
            resource.add_route(method, hello)
    return Matcher(router, (), no_chain)


def found(matcher: Matcher, path: str, method: str = "GET") -> Any:
    """The template and the values of a path's dynamic parts, or the methods that it allows."""
    endpoint, values = matcher.match(path, method)
    if endpoint.route is None:
        assert isinstance(values, frozenset)
        return set(values)
    return endpoint.route.path, tuple(values)


SEGMENTS = ["a", "b", "", "{x}", "{y}", r"{x:\d+}", "a{x}", "{x}.{z}", "{x:.*}", "{x:[ab]}", "1"]
templates = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
paths = st.lists(st.sampled_from(["a", "b", "", "1", "ab", "a.b", "x%2Fy", "{", "%25"]), min_size=1, max_size=5)


def compiles(path: str) -> bool:
    names = [part for part in ("{x", "{y", "{z") if path.count(part) > 1]
    return not names


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    table=st.lists(st.tuples(st.sampled_from(["GET", "POST", "*"]), templates.filter(compiles)), max_size=8),
    path=paths.map(lambda parts: "/" + "/".join(parts)),
    method=st.sampled_from(["GET", "POST", "HEAD", "X"]),
)
def test_the_quick_ways_give_what_the_search_gives(table: list[tuple[str, str]], path: str, method: str) -> None:
    matcher = matcher_of(*table)
    searched = found(matcher, Searched(path), method)
    assert found(matcher, path, method) == searched
    plain = matcher.plain.get(path, {}).get(method)
    if plain is not None:
        assert plain.route is not None
        assert (plain.route.path, ()) == searched


# The cost


def work_of(matcher: Matcher, path: str, method: str = "GET") -> int:
    """How many calls a match makes: its work without a clock."""
    count = 0

    def profile(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        matcher.match(path, method)
    finally:
        sys.setprofile(None)
    return count


TEMPLATES = {
    "plain": "/r{n}/x",
    "distinct prefixes": "/r{n}/{{id}}",
    "one shared prefix": "/{{tenant}}/r{n}/{{id}}",
    "one deep shared prefix": "/api/v1/{{a}}/{{b}}/r{n}",
    "expressions behind literals": r"/r{n}/{{id:\d+}}",
    "tails behind literals": "/r{n}/{{tail:.*}}",
}


@functools.cache
def table(template: str, size: int) -> Matcher:
    return matcher_of(*[("GET", template.format(n=number)) for number in range(size)])


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_cost_does_not_grow_with_the_table(template: str, method: str) -> None:
    few, many = table(template, 10), table(template, 10_000)
    expected = work_of(few, PARTS.sub("7", template.format(n=9)), method)
    for number in (0, 9_999):
        path = PARTS.sub("7", template.format(n=number))
        assert found(many, path, "POST") == {"GET"}
        assert work_of(many, path, method) <= expected


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_miss_costs_no_more_in_a_large_table(template: str) -> None:
    few, many = table(template, 10), table(template, 10_000)
    for path in ("/none", "/none/none", "/a/b/c/d/e/f", "/r5/none/none", "//////"):
        assert work_of(many, path) <= work_of(few, path)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_s16_a_long_path_costs_linear_time(template: str) -> None:
    for unit in ("/", "/a", "/%25", "/{"):
        assert work_of(table(template, 10), unit * 5_000) <= 12 * work_of(table(template, 10), unit * 500)


# Rules


def test_the_longest_literal_prefix_wins() -> None:
    matcher = matcher_of(("GET", "/{x}/b"), ("GET", "/a/{y}"), ("GET", "/{tail:.*}"))
    assert found(matcher, "/a/b") == ("/a/{y}", ("b",))
    assert found(matcher, "/c/b") == ("/{x}/b", ("c",))
    assert found(matcher, "/c/d") == ("/{tail}", ("c/d",))


def test_then_the_order_of_registration() -> None:
    matcher = matcher_of(("GET", "/{x}"), ("GET", "/{y:a}"))
    assert found(matcher, "/a") == ("/{x}", ("a",))


def test_another_method_goes_on_to_the_next_candidate() -> None:
    matcher = matcher_of(("GET", "/a"), ("POST", "/{x}"), ("PUT", "/{tail:.*}"))
    assert found(matcher, "/a", "POST") == ("/{x}", ("a",))
    assert found(matcher, "/a", "PUT") == ("/{tail}", ("a",))
    assert found(matcher, "/a", "DELETE") == {"GET", "POST", "PUT"}


def test_an_encoded_slash_is_no_separator() -> None:
    matcher = matcher_of(("GET", "/{x}"), ("GET", "/{x}/{y}"))
    assert found(matcher, "/a%2Fb") == ("/{x}", ("a/b",))
    assert found(matcher, "/a%252Fb") == ("/{x}", ("a%2Fb",))


def test_nothing_matches_nothing() -> None:
    assert found(matcher_of(), "/") == set()
    assert found(matcher_of(("GET", "/")), "") == set()


def test_a_resource_with_rules_of_its_own_is_left_to_the_dispatcher() -> None:
    class Mine(web.PlainResource):
        def match(self, path: str) -> dict[str, str] | None:
            return None

    router = web.UrlDispatcher()
    router.register_resource(Mine("/a"))
    with pytest.raises(Irregular):
        Matcher(router, (), no_chain)


def test_groups_that_a_rule_names_do_not_shift_the_other_parts() -> None:
    endpoint, values = matcher_of(("GET", "/{file:(?P<stem>[a-z]+)[.]txt}/{page}")).match("/notes.txt/7", "GET")
    assert dict(zip(endpoint.names, values, strict=True)) == {"file": "notes.txt", "stem": "notes", "page": "7"}
