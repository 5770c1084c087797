from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.sansio.forwarded import parse_forwarded
from tests.sansio.oracle import aiohttp_request, compared, texts


@pytest.mark.parametrize(
    ("values", "elements"),
    [
        ([], []),
        (["for=1.2.3.4;Proto=https;by=_hidden"], [{"for": "1.2.3.4", "proto": "https", "by": "_hidden"}]),
        (["for=a, for=b", "for=c"], [{"for": "a"}, {"for": "b"}, {"for": "c"}]),
        (['for="[2001:db8::1]:80"; by="a;b,c"'], [{"for": "[2001:db8::1]:80", "by": "a;b,c"}]),
        ([r'for="a\"b"'], [{"for": 'a"b'}]),
        (["for=1.2.3.4:80"], [{"for": "1.2.3.4:80"}]),
        (["for=a, , bad bad;proto=x, for=b"], [{"for": "a"}, {}, {}, {"for": "b"}]),
        (['for="unclosed, for=b'], [{}, {"for": "b"}]),
        ([""], [{}]),
    ],
)
def test_the_elements_of_forwarded(values: list[str], elements: list[dict[str, str]]) -> None:
    assert list(parse_forwarded(values)) == elements


def test_an_element_cannot_be_changed() -> None:
    (element,) = parse_forwarded(["for=a"])
    with pytest.raises(TypeError):
        element["for"] = "b"  # type: ignore[index]


VALUES = texts(
    *("for", "by", "=", ";", ",", ", ", " ", '"', "\\", "a", "B", "1.2.3.4", "[::1]", ":80", ":", "é", "proto=http"),
    *('for="x"', "\t", "_", "/", "%", ":12345"),
)


@compared
@given(st.lists(VALUES, max_size=2))
def test_s36_forwarded_is_read_as_aiohttp_reads_it(values: list[str]) -> None:
    expected = aiohttp_request(*[("Forwarded", value) for value in values]).forwarded
    assert [dict(element) for element in parse_forwarded(values)] == [dict(element) for element in expected]


PIECES = ["a", "for=a,", 'for="a",', 'for="', "for=a;", "=", '"', "\\", '\\"', 'for="\\",', " ", ",", "for=a ", "é"]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("start", ["", 'for="', "for="])
def test_s16_a_long_forwarded_header_takes_linear_time(start: str, piece: str) -> None:
    """Quadratic time would be minutes."""
    assert isinstance(parse_forwarded([start + piece * 50_000]), tuple)
