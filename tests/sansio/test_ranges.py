from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.sansio.ranges import (
    MOST_RANGES,
    RangeNotSatisfiableError,
    content_range,
    multipart_ranges,
    select_ranges,
)


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-9", [(0, 10)]),
        ("BYTES=0-9", [(0, 10)]),
        ("bytes=990-", [(990, 1000)]),
        ("bytes=990-5000", [(990, 1000)]),
        ("bytes=-10", [(990, 1000)]),
        ("bytes=-5000", [(0, 1000)]),
        ("bytes=0-", [(0, 1000)]),
        ("bytes=0-18446744073709551615", [(0, 1000)]),
        ("bytes=" + "0" * 900 + "1-3", [(1, 4)]),
        ("bytes= 0-9 ,\t, 500-509", [(0, 10), (500, 510)]),
        ("bytes=0-9,2000-", [(0, 10)]),
    ],
)
def test_the_bytes_that_are_asked_for(value: str, ranges: list[tuple[int, int]]) -> None:
    assert select_ranges(value, 1000) == ranges


@pytest.mark.parametrize(
    "value",
    [
        "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=1", "bytes=5-2", "bytes=--1", "bytes=0-1;2-3",
        "bytes=1000-", "bytes=-0", "bytes=2000-3000,4000-", "bytes=0-9,x", "bytes=0-9,9-0", "bytes =0-1", "bytes=0 -1",
        "bytes=+1-2", "bytes=1_0-20", "bytes=0x1-2", "bytes=\u0661-\u0662", "bytes=\u00b2-",
        "bytes=" + "9" * 5000 + "-",
    ],
)  # fmt: skip
def test_what_is_not_satisfiable(value: str) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        select_ranges(value, 1000)


def test_nothing_of_an_empty_file_is_satisfiable() -> None:
    for value in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        with pytest.raises(RangeNotSatisfiableError):
            select_ranges(value, 0)


def test_another_unit_is_ignored() -> None:
    """RFC 9110, section 14.2."""
    assert select_ranges("lines=0-9", 1000) is None


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-99,50-149", [(0, 150)]),
        ("bytes=0-0,0-0,0-0", [(0, 1)]),
        ("bytes=0-9,90-99", [(0, 100)]),
        ("bytes=0-9,91-99", [(0, 10), (91, 100)]),
        ("bytes=500-509,0-9,505-600", [(500, 601), (0, 10)]),
        ("bytes=-10,0-9", [(990, 1000), (0, 10)]),
    ],
)
def test_s22_overlapping_and_close_ranges_become_one(value: str, ranges: list[tuple[int, int]]) -> None:
    assert select_ranges(value, 1000) == ranges


def test_s22_more_ranges_than_are_served() -> None:
    assert len(select_ranges("bytes=" + ",".join(f"{n}000-{n}000" for n in range(MOST_RANGES)), 10**6) or ()) == 64
    assert select_ranges("bytes=" + ",".join(f"{n}000-{n}000" for n in range(MOST_RANGES + 1)), 10**6) is None
    assert select_ranges("bytes=0-9" + "," * MOST_RANGES, 10**6) is None


@pytest.mark.parametrize("piece", ["0-,", "0-9,", ",", " ", "-", "9", "bytes=", "0-0\t,"])
def test_s22_long_values_take_linear_time(piece: str) -> None:
    """A quadratic reader would take minutes for these."""
    for value in (piece * 200_000, "bytes=" + piece * 200_000):
        with contextlib.suppress(RangeNotSatisfiableError):
            select_ranges(value, 1000)


numbers = st.integers(0, 300).map(str)
items = st.tuples(numbers | st.just(""), numbers | st.just("")).map("-".join)


@settings(deadline=None)
@given(st.lists(items, min_size=1, max_size=8), st.integers(0, 250))
def test_s22_every_byte_that_was_asked_for_comes_once(asked: list[str], size: int) -> None:
    """Against a reader that marks each byte by itself."""
    wanted: set[int] = set()
    malformed = False
    for item in asked:
        first, last = item.split("-")
        if first and (not last or int(last) >= int(first)):
            wanted.update(range(int(first), min(int(last or size) + 1, size)))
        elif first or not last:
            malformed = True
        else:
            wanted.update(range(max(size - int(last), 0), size))
    try:
        ranges = select_ranges("bytes=" + ",".join(asked), size)
    except RangeNotSatisfiableError:
        assert malformed or not wanted
        return
    assert ranges
    assert not malformed
    given_ = [offset for start, stop in ranges for offset in range(start, stop)]
    assert len(given_) == len(set(given_))
    assert wanted <= set(given_)
    # What was not asked for is between two ranges and short.
    assert len(set(given_) - wanted) <= 80 * len(asked)


@given(st.text(max_size=30), st.integers(0, 10**12))
def test_any_text_is_answered(value: str, size: int) -> None:
    for each in (value, "bytes=" + value):
        try:
            ranges = select_ranges(each, size)
        except RangeNotSatisfiableError:
            continue
        assert ranges is None or all(0 <= start < stop <= size for start, stop in ranges)


def test_content_range() -> None:
    assert content_range((0, 10), 1000) == "bytes 0-9/1000"


def test_what_is_around_the_parts() -> None:
    between, length = multipart_ranges([(0, 2), (7, 9)], 10, content_type="text/plain", boundary="b")
    assert between == [
        b"--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n",
        b"\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-8/10\r\n\r\n",
        b"\r\n--b--\r\n",
    ]
    assert length == sum(map(len, between)) + 4
