"""Headers that a request reads for the handler: conditions, ranges, dates, forwarding, cookies, media types."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from tests.contract.asking import observe
from tests.contract.backends import Backend


def pairs(etags: Any) -> list[tuple[str, bool]]:
    return [(etag.value, etag.is_weak) for etag in etags]


# --- Entity tags (RFC 9110 section 13.1) ----------------------------------------------------------

ETAGS = [
    ('"a"', [("a", False)]),
    ('W/"a"', [("a", True)]),
    ('"a", "b"', [("a", False), ("b", False)]),
    ('"a",W/"b" , "c"', [("a", False), ("b", True), ("c", False)]),
    ("*", [("*", False)]),
    ('"ü"', [("ü", False)]),
]

BAD_ETAGS = ["a", '""', 'w/"a"', "W/*", '*, "a"', '"a" "b"', ', "a"', '"a']


@pytest.mark.parametrize(("value", "expected"), ETAGS)
async def test_if_match(backend: Backend, value: str, expected: list[tuple[str, bool]]) -> None:
    etags = await observe(backend, lambda request: request.if_match, headers=[(b"If-Match", value.encode())])
    assert isinstance(etags, tuple)
    assert pairs(etags) == expected


@pytest.mark.parametrize(("value", "expected"), ETAGS)
async def test_if_none_match(backend: Backend, value: str, expected: list[tuple[str, bool]]) -> None:
    etags = await observe(backend, lambda request: request.if_none_match, headers=[(b"If-None-Match", value.encode())])
    assert isinstance(etags, tuple)
    assert pairs(etags) == expected


@pytest.mark.parametrize("value", BAD_ETAGS)
async def test_malformed_entity_tags_match_nothing(backend: Backend, value: str) -> None:
    headers = {"If-Match": value, "If-None-Match": value}
    assert await observe(backend, lambda r: (r.if_match, r.if_none_match), headers=headers) == ((), ())


async def test_entity_tags_before_a_malformed_one_count(backend: Backend) -> None:
    assert pairs(await observe(backend, lambda r: r.if_match, headers={"If-Match": '"a","'})) == [("a", False)]


async def test_no_condition_is_none(backend: Backend) -> None:
    def look(request: Any) -> tuple[Any, ...]:
        return (
            request.if_match,
            request.if_none_match,
            request.if_modified_since,
            request.if_unmodified_since,
            request.if_range,
        )

    assert await observe(backend, look) == (None, None, None, None, None)


async def test_empty_condition_is_none(backend: Backend) -> None:
    headers = {"If-Match": "", "If-None-Match": ""}
    assert await observe(backend, lambda r: (r.if_match, r.if_none_match), headers=headers) == (None, None)


# --- Dates (RFC 9110 section 5.6.7) ---------------------------------------------------------------

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
DATE_ATTRIBUTES = [
    ("If-Modified-Since", "if_modified_since"),
    ("If-Unmodified-Since", "if_unmodified_since"),
    ("If-Range", "if_range"),
]


@pytest.mark.parametrize(("header", "attribute"), DATE_ATTRIBUTES)
@pytest.mark.parametrize(
    "value", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
async def test_all_three_date_formats(backend: Backend, header: str, attribute: str, value: str) -> None:
    seen = await observe(backend, lambda request: getattr(request, attribute), headers={header: value})
    assert seen == MOMENT
    assert seen.tzinfo is UTC


@pytest.mark.parametrize(("header", "attribute"), DATE_ATTRIBUTES)
@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "0",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        '"etag"',
    ],
)
async def test_bad_date_is_none(backend: Backend, header: str, attribute: str, value: str) -> None:
    assert await observe(backend, lambda request: getattr(request, attribute), headers={header: value}) is None


async def test_wrong_day_name_of_a_date_is_ignored(backend: Backend) -> None:
    headers = {"If-Modified-Since": "Mon, 06 Nov 1994 08:49:37 GMT"}
    assert await observe(backend, lambda request: request.if_modified_since, headers=headers) == MOMENT


# --- Range (RFC 9110 section 14) ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, slice(None, None, 1)),
        ("bytes=0-499", slice(0, 500, 1)),
        ("bytes=0-0", slice(0, 1, 1)),
        ("bytes=500-", slice(500, None, 1)),
        ("bytes=-500", slice(-500, None, 1)),
        ("bytes=-0", slice(0, None, 1)),
        ("BYTES=0-1", slice(0, 2, 1)),
        ("bytes=99999999999999999999999-", slice(99999999999999999999999, None, 1)),
    ],
)
async def test_http_range(backend: Backend, value: str | None, expected: slice) -> None:
    headers = {} if value is None else {"Range": value}
    assert await observe(backend, lambda request: request.http_range, headers=headers) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("bytes=500-499", "start cannot be after end"),
        ("bytes=-", "No start or end of range specified"),
        ("bytes=", "range not in acceptable format"),
        ("bytes", "range not in acceptable format"),
        ("", "range not in acceptable format"),
        ("items=0-1", "range not in acceptable format"),
        ("bytes=0-1,3-4", "range not in acceptable format"),
        ("bytes= 0-1", "range not in acceptable format"),
        ("bytes=a-b", "range not in acceptable format"),
        ("bytes=0--1", "range not in acceptable format"),
        ("bytes=1-2-3", "range not in acceptable format"),
        ("bytes=١-٢", "range not in acceptable format"),
    ],
)
async def test_bad_range_is_a_value_error(backend: Backend, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await observe(backend, lambda request: request.http_range, headers=[(b"Range", value.encode())])


# --- Forwarded (RFC 7239) -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.43", [{"for": "192.0.2.43"}]),
        (
            'for="[2001:db8::1]:4711";proto=http;by=203.0.113.43',
            [{"for": "[2001:db8::1]:4711", "proto": "http", "by": "203.0.113.43"}],
        ),
        ("For=a, FOR=b;Host=c", [{"for": "a"}, {"for": "b", "host": "c"}]),
        ("for=a; proto=https", [{"for": "a", "proto": "https"}]),
        ("for=_x;ext=1", [{"for": "_x", "ext": "1"}]),
        (r'for="a\"b"', [{"for": 'a"b'}]),
        ("for=a;for=b", [{"for": "b"}]),
        ('for="";by=x', [{"for": "", "by": "x"}]),
        ("for=a,", [{"for": "a"}, {}]),
        ("for=a, , for=b", [{"for": "a"}, {}, {"for": "b"}]),
        ("", [{}]),
        ("for", [{}]),
        ("for = a", [{}]),
        ('for="unclosed', [{}]),
        ("for=@,for=b", [{}, {"for": "b"}]),
    ],
)
async def test_forwarded(backend: Backend, value: str, expected: list[dict[str, str]]) -> None:
    forwarded = await observe(backend, lambda request: request.forwarded, headers={"Forwarded": value})
    assert isinstance(forwarded, tuple)
    assert [dict(element) for element in forwarded] == expected
    assert all(isinstance(element, MappingProxyType) for element in forwarded)


async def test_forwarded_over_several_headers(backend: Backend) -> None:
    headers = [("Forwarded", "for=a"), ("Forwarded", "for=b")]
    assert await observe(backend, lambda request: request.forwarded, headers=headers) == ({"for": "a"}, {"for": "b"})


async def test_forwarded_is_empty_without_header(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.forwarded) == ()


async def test_forwarded_does_not_change_host_scheme_and_remote(backend: Backend) -> None:
    headers = {
        "Host": "example.com",
        "Forwarded": "for=192.0.2.1;proto=https;host=evil.example",
        "X-Forwarded-Host": "evil.example",
    }
    seen = await observe(backend, lambda r: (r.host, r.scheme, r.remote), headers=headers)
    assert seen == ("example.com", "http", "127.0.0.1")


# --- Cookies (RFC 6265 section 5.4) ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2", {"a": "1", "b": "2"}),
        ("a=1;;b=2", {"a": "1", "b": "2"}),
        ("a=", {"a": ""}),
        ("a", {"a": ""}),
        ("=b", {}),
        ("", {}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1; a=2", {"a": "2"}),
        ('a="x y"', {"a": "x y"}),
        (r'a="q\"z"', {"a": 'q"z'}),
        ('a="b;c"; d=e', {"a": "b;c", "d": "e"}),
        ('a="unclosed; b=2', {"a": '"unclosed', "b": "2"}),
        (r'a="\054\073"', {"a": ",;"}),
        ("a=%20", {"a": "%20"}),
        ("a=é", {"a": "é"}),
        ('a={"k": "v"}; z=1', {"a": '{"k": "v"}', "z": "1"}),
        ("a:b=1; c@d=2", {"a:b": "1", "c@d": "2"}),
        ("path=/x; expires=y; domain=z; a=1", {"path": "/x", "expires": "y", "domain": "z", "a": "1"}),
        ("$Version=1; a=1", {"$Version": "1", "a": "1"}),
        ("__Host-a=1; __Secure-b=2", {"__Host-a": "1", "__Secure-b": "2"}),
    ],
)
async def test_cookies(backend: Backend, value: str, expected: dict[str, str]) -> None:
    cookies = await observe(backend, lambda request: request.cookies, headers=[(b"Cookie", value.encode())])
    assert dict(cookies) == expected


async def test_cookies_are_a_read_only_mapping(backend: Backend) -> None:
    cookies = await observe(backend, lambda request: request.cookies)
    assert isinstance(cookies, MappingProxyType)
    assert not cookies
    assert cookies.get("a") is None


# --- Media type -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "content_type", "charset"),
    [
        (None, "application/octet-stream", None),
        ("text/html", "text/html", None),
        ("text/html; charset=utf-8", "text/html", "utf-8"),
        ("TEXT/HTML; Charset=UTF-8", "text/html", "UTF-8"),
        ('text/html; charset="iso-8859-1"', "text/html", "iso-8859-1"),
        ("application/json; a=b; charset=koi8-r", "application/json", "koi8-r"),
        ('multipart/form-data; boundary="x y"', "multipart/form-data", None),
        ("garbage", "application/octet-stream", None),
        ("", "application/octet-stream", None),
        ("a/b/c", "application/octet-stream", None),
    ],
)
async def test_content_type_and_charset(
    backend: Backend, value: str | None, content_type: str, charset: str | None
) -> None:
    headers = {} if value is None else {"Content-Type": value}
    seen = await observe(backend, lambda r: (r.content_type, r.charset), "POST", headers=headers, content=b"x")
    assert seen == (content_type, charset)
