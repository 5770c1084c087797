from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from framework.sansio.forms import TooManyFields, parse_form, parse_query
from tests.sansio.oracle import compared, texts


def form(body: bytes, charset: str = "utf-8") -> list[tuple[str, str]]:
    return list(parse_form(body, charset, 1000).items())


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", []),
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("a&b=", [("a", ""), ("b", "")]),
        ("&&a=1&", [("a", "1")]),
        ("=x&=", [("", "x"), ("", "")]),
        ("a=b=c", [("a", "b=c")]),
        ("a+b=c+d", [("a b", "c d")]),
        ("a=%C3%A9%2B%26%3D", [("a", "é+&=")]),
        ("a=%E9&b=%zz%4&c=%", [("a", "\ufffd"), ("b", "%zz%4"), ("c", "%")]),
        ("é=%C3%A9", [("é", "é")]),
    ],
)
def test_a_query(query: str, fields: list[tuple[str, str]]) -> None:
    assert list(parse_query(query).items()) == fields
    assert form(query.encode()) == fields


def test_s19_only_the_ampersand_separates() -> None:
    assert form(b"a=1;b=2&c=3") == [("a", "1;b=2"), ("c", "3")]


FIELDS = texts(
    *(
        "a",
        "b",
        "=",
        "=",
        "&",
        "&",
        "%",
        "%2",
        "%26",
        "%3D",
        "%3d",
        "%20",
        "%C3",
        "%A9",
        "%c3%a9",
        "%E2%82",
        "%ED%A0%80",
    ),
    *("%F0%9F%98%80", "+", ";", "é", "%zz", "%00", "%80", "%FF", "%25", "%2B", "\udce9", "#", "?", "/", " ", "\n", "F"),
)


@compared
@given(FIELDS)
@example("a=%C3&%A9=%")
def test_a_query_is_read_as_yarl_reads_it(query: str) -> None:
    expected = URL.build(path="/", query_string=query, encoded=True).query
    assert list(parse_query(query).items()) == list(expected.items())


@compared
@given(FIELDS, st.sampled_from(["utf-8", "UTF-8", "latin-1", "cp1252", "utf-16-le", "shift_jis"]))
def test_a_form_is_read_as_the_standard_library_reads_it(text: str, charset: str) -> None:
    try:
        body = text.encode(charset)
        expected = parse_qsl(body.rstrip().decode(charset), keep_blank_values=True, encoding=charset)
    except UnicodeError:
        return
    assert form(body, charset) == expected


def test_whitespace_at_the_end_of_a_form_is_dropped() -> None:
    assert form(b" a = b \r\n") == [(" a ", " b")]


def test_octets_that_are_not_in_the_charset() -> None:
    with pytest.raises(UnicodeDecodeError):
        parse_form(b"a=\xe9")
    with pytest.raises(LookupError):
        parse_form(b"a=b", "no-such-charset")


@pytest.mark.parametrize("body", [b"a=1&b=2&c=3", b"&&", b"a&b&"])
def test_s19_the_number_of_fields_is_limited(body: bytes) -> None:
    assert len(parse_form(body, "utf-8", 3)) <= 3
    with pytest.raises(TooManyFields, match="Maximum number of form fields 2 exceeded"):
        parse_form(body, "utf-8", 2)


def test_no_limit() -> None:
    assert len(parse_form(b"a&" * 5000, "utf-8", None)) == len(parse_form(b"a&" * 5000, "utf-8", 0)) == 5000


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
@pytest.mark.parametrize(
    "piece", [b"a=b&", b"&", b"%", b"%4", b"%41", b"%C3", b"%26", b"+", b"=", b";", b"a", b" ", b"\n"]
)
def test_s19_a_long_form_takes_linear_time(piece: bytes, charset: str) -> None:
    """Quadratic time would be minutes."""
    body = b"a=" + piece * 100_000
    assert "a" in parse_form(body, charset)
    assert "a" in parse_query(body.decode())
