from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Any

import pytest
from aiohttp import web as aiohttp_web
from hypothesis import example, given
from hypothesis import strategies as st

from framework.sansio.cookies import cookie_header_values, del_cookie, parse_cookie_header, set_cookie
from tests.sansio.oracle import aiohttp_request, compared, texts


@pytest.mark.parametrize(
    ("value", "cookies"),
    [
        ("a=b; c=d", {"a": "b", "c": "d"}),
        ("a=b;c=d", {"a": "b", "c": "d"}),
        ("a=b=c", {"a": "b=c"}),
        ("a; b=", {"a": "", "b": ""}),
        ('a="b c"; d=e', {"a": "b c", "d": "e"}),
        ('a={"x": "y", "z": 1}; b=c', {"a": '{"x": "y", "z": 1}', "b": "c"}),
        ("a=b; path=/; $Version=1", {"a": "b", "path": "/", "$Version": "1"}),
        ("a=b; expires=Wed, 21 Oct 2015 07:28:00 GMT", {"a": "b", "expires": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        ("a=é", {"a": "é"}),
        ("", {}),
        (";;; ;", {}),
    ],
)
def test_a_cookie_header(value: str, cookies: dict[str, str]) -> None:
    assert parse_cookie_header(value) == cookies


def test_s21_a_cookie_without_a_name_is_dropped() -> None:
    assert parse_cookie_header("=__Host-session=evil; a=b; =c") == {"a": "b"}


def test_s21_a_nameless_cookie_cannot_shadow_a_host_cookie() -> None:
    assert parse_cookie_header("__Host-session=good; =__Host-session=evil") == {"__Host-session": "good"}
    assert parse_cookie_header("__Host-session=good; __host-session=evil")["__Host-session"] == "good"


def test_s21_of_duplicates_the_last_counts() -> None:
    assert parse_cookie_header("a=1; b=2; a=3") == {"a": "3", "b": "2"}


def test_s21_quoted_and_octal_values() -> None:
    assert parse_cookie_header(r'a="x\073\"y\\"; b="\400"; c="open') == {"a": 'x;"y\\', "b": "400", "c": '"open'}


@pytest.mark.parametrize("value", ["é=1", "a,b=1", '"a"=1', "a\x7f=1", "\x01=1", "a\\b=1"])
def test_s21_names_that_nobody_could_set_are_dropped(value: str) -> None:
    assert parse_cookie_header(f"{value}; a=b") == {"a": "b"}


COOKIES = texts(
    *("a", "b", "__Host-x", "$Path", "=", "=", ";", ";", "; ", " ", "\t", '"', "\\", '\\"', "\\303", "\\477", ",", "é"),
    *("{", "[", "/", "x y", "a=b", 'c="d"', 'c="d;e"', "\xa0", "\x01", "\x7f", "\x0b", "+0100", "08:49:37", "Monday"),
    *("Wed, 21 Oct 2015 07:28:00 GMT", "Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Jun  9 10:18:14 2021"),
    max_size=14,
)


@compared
@given(COOKIES)
@example('a="b;c" d"; e=f')
@example('a= "b"c')
@example("a=b c")
@example('a="b  c')
def test_cookies_are_read_as_aiohttp_reads_them(value: str) -> None:
    assert parse_cookie_header(value) == dict(aiohttp_request(("Cookie", value)).cookies)


@pytest.mark.parametrize(
    "piece", ["a", "a=b; ", 'a="', 'a="b"c;', '"', "\\", 'a="\\";', " ", "a= é", "=;", "a=Wed, 21 Oct ", ","]
)
@pytest.mark.parametrize("start", ["", "a=", 'a="'])
def test_s21_a_long_cookie_header_takes_linear_time(start: str, piece: str) -> None:
    """Quadratic time would be minutes."""
    assert isinstance(parse_cookie_header(start + piece * 50_000), dict)


SETTINGS: dict[str, list[Any]] = {
    "domain": [None, "d", ""],
    "path": ["/", "", "/x,y"],
    "secure": [None, True, False],
    "httponly": [None, True, False],
    "samesite": [None, "Lax", ""],
}
DELETIONS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in SETTINGS.items()})
SETTINGS |= {"expires": [None, "later", ""], "max_age": [None, 0, 5, "7", ""], "version": [None, "1", ""]}
CREATIONS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in SETTINGS.items()})
NAMES = st.sampled_from(["a", "b", "c:d"])
CALLS = st.one_of(
    st.tuples(st.just("set"), NAMES, st.text(max_size=5), CREATIONS),
    st.tuples(st.just("del"), NAMES, st.just(""), DELETIONS),
)


@compared
@given(st.lists(CALLS, max_size=4))
def test_cookies_are_set_as_aiohttp_sets_them(calls: list[tuple[str, str, str, dict[str, Any]]]) -> None:
    response, jar = aiohttp_web.Response(), SimpleCookie()
    for call, name, value, attributes in calls:
        if call == "set":
            response.set_cookie(name, value, **attributes)
            set_cookie(jar, name, value, **attributes)
        else:
            response.del_cookie(name, **attributes)
            del_cookie(jar, name, **attributes)
    assert cookie_header_values(jar) == [morsel.OutputString() for morsel in response.cookies.values()]


def test_a_partitioned_cookie_on_every_python() -> None:
    jar = SimpleCookie()
    set_cookie(jar, "a", "b", max_age=5, secure=True, partitioned=True)
    assert cookie_header_values(jar) == ["a=b; Max-Age=5; Partitioned; Path=/; Secure"]
    set_cookie(jar, "a", "c", partitioned=False)
    assert cookie_header_values(jar) == ["a=c; Path=/; Secure"]


def test_a_partitioned_morsel_can_be_copied_and_changed() -> None:
    jar = SimpleCookie()
    set_cookie(jar, "a", "b", partitioned=True)
    morsel = jar["a"].copy()
    assert morsel.OutputString() == jar["a"].OutputString()
    assert morsel.isReservedKey("Partitioned")
    assert morsel.isReservedKey("path")
    assert morsel.OutputString(["path"]) == "a=b; Path=/"
    morsel["partitioned"] = False
    assert morsel.OutputString() == "a=b; Path=/"


def test_no_path() -> None:
    jar = SimpleCookie()
    set_cookie(jar, "a", "b", path=None)
    assert cookie_header_values(jar) == ["a=b"]


@pytest.mark.parametrize("attribute", ["path", "domain", "expires", "samesite", "version", "max_age"])
@pytest.mark.parametrize("value", ["x; HttpOnly", "x\r\nX: y", "x\x00"])
def test_s08_an_attribute_of_a_cookie_cannot_begin_another(attribute: str, value: str) -> None:
    with pytest.raises(ValueError, match=attribute):
        set_cookie(SimpleCookie(), "a", "b", **{attribute: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("domain", ["a,b", "a b"])
def test_s08_a_domain_is_one_host(domain: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        del_cookie(SimpleCookie(), "a", domain=domain)


def test_a_refused_cookie_leaves_the_others_alone() -> None:
    jar = SimpleCookie()
    set_cookie(jar, "a", "b")
    with pytest.raises(ValueError, match="path"):
        set_cookie(jar, "a", "c", path="\n")
    assert cookie_header_values(jar) == ["a=b; Path=/"]


def test_s08_the_value_of_a_cookie_is_quoted() -> None:
    jar = SimpleCookie()
    set_cookie(jar, "a", 'b\r\nc; "d\x00é')
    assert cookie_header_values(jar) == [r'a="b\015\012c\073 \"d\000\351"; Path=/']


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a=b", "é", "path"])
def test_s08_the_name_of_a_cookie_must_be_a_token(name: str) -> None:
    with pytest.raises(CookieError):
        set_cookie(SimpleCookie(), name, "b")


def test_s08_what_was_put_into_the_jar_directly_is_checked_when_it_is_sent() -> None:
    jar = SimpleCookie()
    jar["a"] = "b"
    jar["a"]["path"] = "/\r\nX: y"
    with pytest.raises(ValueError, match="Set-Cookie"):
        cookie_header_values(jar)
