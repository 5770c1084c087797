from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from aiohttp.helpers import parse_content_type as aiohttp_parse_content_type
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, istr

from framework.sansio.headers import (
    HeaderMap,
    check_reason,
    decode_headers,
    encode_headers,
    parse_content_type,
)
from tests.sansio.oracle import compared, texts

INJECTIONS = ["a\r\nX: y", "a\nX: y", "a\rb", "a\x00b", "\x1b[2J", "a\x7f", "\ud800"]
BAD_NAMES = ["", "a b", "a:", "a\r\nb", "é", "a\x00", "(a)"]


def test_a_header_map_is_a_multidict_without_case() -> None:
    headers = HeaderMap({"Content-Type": "text/plain"}, X="1")
    headers.add("x", "2")
    assert headers["content-type"] == "text/plain"
    assert headers.getall("X") == ["1", "2"]
    assert isinstance(headers, CIMultiDict)


def test_copies_are_header_maps() -> None:
    headers = HeaderMap([("A", "1"), ("A", "2")])
    for copied in (headers.copy(), copy.copy(headers), copy.deepcopy(headers), pickle.loads(pickle.dumps(headers))):
        assert type(copied) is HeaderMap
        assert copied == headers
        assert copied is not headers


NAMES = st.sampled_from(["a", "A", "b", "Content-Type", "content-type"])
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(["1", "2"])), max_size=4)
ARGUMENTS = st.one_of(PAIRS, PAIRS.map(dict), PAIRS.map(CIMultiDict), PAIRS.map(HeaderMap))
CALLS = st.one_of(
    st.tuples(st.sampled_from(["extend", "update", "merge"]), ARGUMENTS.map(lambda argument: (argument,))),
    st.tuples(st.sampled_from(["add", "__setitem__", "setdefault"]), st.tuples(NAMES, st.just("3"))),
)


@compared
@given(ARGUMENTS, st.lists(CALLS, max_size=4))
def test_a_header_map_changes_as_a_multidict_does(argument: Any, calls: list[tuple[str, tuple[Any, ...]]]) -> None:
    expected, headers = CIMultiDict[str](argument), HeaderMap(argument)
    for method, args in calls:
        assert getattr(headers, method)(*args) == getattr(expected, method)(*args)
    assert list(headers.items()) == list(expected.items())


def put(how: str, name: Any, value: Any) -> None:
    headers = HeaderMap()
    match how:
        case "init":
            HeaderMap({name: value})
        case "init pairs":
            HeaderMap([(name, value)])
        case "init multidict":
            HeaderMap(CIMultiDict([(name, value)]))
        case "item":
            headers[name] = value
        case _:
            argument = (name, value) if how in {"add", "setdefault"} else ({name: value},)
            getattr(headers, how)(*argument)


WAYS = ["init", "init pairs", "init multidict", "item", "add", "setdefault", "extend", "update", "merge"]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("value", INJECTIONS)
def test_s08_control_characters_in_a_header_value_are_refused(how: str, value: str) -> None:
    with pytest.raises(ValueError, match="X-Name"):
        put(how, "X-Name", value)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", BAD_NAMES)
def test_s08_a_header_name_must_be_a_token(how: str, name: str) -> None:
    with pytest.raises(ValueError, match="Invalid header name"):
        put(how, name, "value")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("value", [5, None, b"bytes"])
def test_a_header_value_must_be_text(how: str, value: Any) -> None:
    with pytest.raises(TypeError):
        put(how, "X-Name", value)


@pytest.mark.parametrize("name", [5, b"name"])
def test_a_header_name_must_be_text(name: Any) -> None:
    with pytest.raises(TypeError):
        HeaderMap()[name] = "value"
    with pytest.raises(TypeError):
        HeaderMap({name: "value"})


class OnlyKeys:
    """As little of a mapping as ``dict.update`` takes."""

    def keys(self) -> list[str]:
        return ["X-Name"]

    def __getitem__(self, name: str) -> str:
        return "a\r\nb"


def test_s08_headers_of_anything_with_keys_are_checked() -> None:
    with pytest.raises(ValueError, match="X-Name"):
        HeaderMap().update(OnlyKeys())


def test_s08_keyword_headers_are_checked() -> None:
    with pytest.raises(ValueError, match="x"):
        HeaderMap(x="a\nb")
    with pytest.raises(ValueError, match="x"):
        HeaderMap().update(x="a\nb")


@pytest.mark.parametrize("value", ["", "a\tb", "é", "\u2028", "\udce9", "x" * 100_000])
def test_other_characters_are_allowed(value: str) -> None:
    assert HeaderMap({"X": value})["X"] == value


@pytest.mark.parametrize("reason", ["a\nb", "a\rb", "a\x00", "\x1b"])
def test_s08_control_characters_in_a_reason_are_refused(reason: str) -> None:
    with pytest.raises(ValueError, match="Reason cannot contain"):
        check_reason(reason)


def test_a_reason_may_be_any_text() -> None:
    check_reason("Ça va")


def test_headers_are_encoded_for_asgi() -> None:
    headers = HeaderMap(
        [("Content-Type", "text/plain"), ("X-Name", " é\udce9\t"), ("set-cookie", "a"), ("Set-Cookie", "b")]
    )
    assert encode_headers(headers) == [
        (b"content-type", b"text/plain"),
        (b"x-name", b"\xc3\xa9\xe9"),
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
    ]


def test_s08_headers_of_another_mapping_are_checked_when_they_are_encoded() -> None:
    with pytest.raises(ValueError, match="X-Name"):
        encode_headers(CIMultiDict({"X-Name": "a\r\nb"}))


def test_headers_are_decoded_from_asgi() -> None:
    headers = decode_headers([(b"host", b"example.com"), (b"x-name", b"\xc3\xa9\xe9"), (b"X-Name", b"2")])
    assert headers.getall("X-NAME") == ["é\udce9", "2"]
    assert set(headers) == {"Host", "X-Name"}


def test_names_that_are_no_text_are_kept() -> None:
    (name,) = decode_headers([(b"\xff", b"")])
    assert name.encode("utf-8", "surrogateescape") == b"\xff"


def test_s29_decoding_headers_remembers_nothing() -> None:
    first, second = (list(decode_headers([(b"x-only-here", b"")])) for _ in range(2))
    assert first == second
    assert first[0] is not second[0]
    assert type(next(iter(decode_headers([(b"host", b"")])))) is istr


@pytest.mark.parametrize(
    ("value", "media_type", "parameters"),
    [
        ("", "application/octet-stream", {}),
        ("text/html", "text/html", {}),
        ("TEXT/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('multipart/form-data; boundary="a b"', "multipart/form-data", {"boundary": "a b"}),
        ("text", "application/octet-stream", {}),
        ("text/html; a=b; a=c", "text/html", {"a": "b"}),
        ("text/html; title*=utf-8''%e2%82%ac", "text/html", {"title": "€"}),
        ('text/html; a="b;\\"c"', "text/html", {"a": 'b;"c'}),
    ],
)
def test_content_types(value: str, media_type: str, parameters: dict[str, str]) -> None:
    assert parse_content_type(value) == (media_type, parameters)


MEDIA_TYPES = texts(
    *("text/html", "multipart/form-data", "; ", ";", "charset=", "=", '"', "utf-8", "boundary", "A", "/", " ", "\t"),
    *("(", ")", "*", "*0", "%41", "utf-8''", "\\", ",", "é", "<", "@", "[", "?", "\x7f", "\udce9", "+", ".", "'", ":"),
)


@compared
@given(MEDIA_TYPES)
@example("text/html; charset=")
@example("text/html; =x")
@example('text/html"')
def test_content_types_are_read_as_aiohttp_reads_them(value: str) -> None:
    media_type, parameters = aiohttp_parse_content_type(value)
    assert parse_content_type(value) == (media_type, dict(parameters))


@pytest.mark.parametrize(
    "value", ["(" * 200, "text/html; x=" + "(" * 200, "text/html\r\n\x00; a=b", "text/html; a*0*=x"]
)
def test_s36_no_content_type_raises(value: str) -> None:
    """aiohttp answers 500 to nested comments: the e-mail parser recurses."""
    assert "/" in parse_content_type(value)[0]


@pytest.mark.parametrize(
    "piece", ["(", '"', ";a=b", "; a*0=x", ";a*=utf-8''%41", "a/", "\\", "=?utf-8?q?a?=", 'a="b"c;', "a "]
)
@pytest.mark.parametrize("start", ["", "text/html", "text/html; x=", 'text/html; x="'])
def test_s16_a_long_content_type_takes_linear_time(start: str, piece: str) -> None:
    """Quadratic time would be minutes."""
    media_type, _ = parse_content_type(start + piece * 20_000)
    assert "/" in media_type


def test_a_long_content_type_is_read_too() -> None:
    long = "x" * 300
    assert parse_content_type(f"text/html; a={long}; charset=utf-8") == ("text/html", {"a": long, "charset": "utf-8"})
    value = f'Text/HTML ; A = "{long}\\"" junk; ; bad; a=c; b= d e ;c'
    assert parse_content_type(value) == ("text/html", {"a": long + '"', "b": "d e"})


def test_s29_long_content_types_are_not_remembered() -> None:
    value = "text/html; a=" + "x" * 300
    assert parse_content_type(value) is not parse_content_type(value)
    assert parse_content_type(value[:100]) is parse_content_type(value[:100])
