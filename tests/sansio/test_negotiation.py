"""Which content coding a client takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.sansio.negotiation import add_to_vary, choose_coding

AVAILABLE = ("br", "deflate", "gzip")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate", "deflate"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip; q=0.3 , deflate ;q=0.2", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "deflate"),
        ("*;q=0", None),
        ("identity", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0.6, gzip;q=0.5", None),
        ("identity, gzip;q=0.5", None),
        ("compress", None),
        ("gzip;q=nonsense", "gzip"),
        ("gzip;level=9", "gzip"),
        ("gzip;q=7", "gzip"),
        (", ,gzip,", "gzip"),
    ],
)
def test_the_coding(header: str | None, chosen: str | None) -> None:
    assert choose_coding(header, AVAILABLE) == chosen


@given(st.text())
def test_s36_any_header_has_an_answer(header: str) -> None:
    assert choose_coding(header, AVAILABLE) in (*AVAILABLE, None)


@given(st.text("*;,=q01. gzip", max_size=40))
def test_s36_anything_that_looks_like_the_header_has_an_answer(header: str) -> None:
    assert choose_coding(header, AVAILABLE) in (*AVAILABLE, None)


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        (None, "Accept-Encoding"),
        ("", "Accept-Encoding"),
        ("Cookie", "Cookie, Accept-Encoding"),
        ("accept-encoding", "accept-encoding"),
        ("Cookie,ACCEPT-ENCODING", "Cookie,ACCEPT-ENCODING"),
        ("*", "*"),
    ],
)
def test_vary(vary: str | None, expected: str) -> None:
    assert add_to_vary(vary, "Accept-Encoding") == expected
