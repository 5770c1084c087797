from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from aiohttp import web as aiohttp_web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from framework.sansio.conditions import (
    ETag,
    etag_matches,
    failed_precondition,
    format_etag,
    format_http_date,
    parse_etag,
    parse_etags,
    parse_http_date,
    parse_range,
    range_still_holds,
)
from tests.sansio.oracle import aiohttp_request, compared, outcome, texts


def test_an_etag_is_a_value() -> None:
    assert ETag("a") == ETag("a", is_weak=False) != ETag("a", is_weak=True)
    assert len({ETag("a"), ETag("a")}) == 1
    with pytest.raises(AttributeError):
        ETag("a").value = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "etags"),
    [
        ("*", (ETag("*"),)),
        ('"a"', (ETag("a"),)),
        ('"a", W/"b" ,"c"', (ETag("a"), ETag("b", is_weak=True), ETag("c"))),
        ('"a", b, "c"', (ETag("a"),)),
        ('"a" "b"', ()),
        ('""', ()),
        ('w/"a"', ()),
        ("", ()),
    ],
)
def test_a_list_of_etags(value: str, etags: tuple[ETag, ...]) -> None:
    assert parse_etags(value) == etags


ETAGS = texts('"', "a", "W/", "w/", ",", ", ", " ", "*", "\\", "é", "\x7f", '"a"', '"b"', 'W/"c"', "\t", ";")


@compared
@given(ETAGS)
def test_etags_are_read_as_aiohttp_reads_them(value: str) -> None:
    expected = aiohttp_request(("If-None-Match", value)).if_none_match or ()
    assert [(etag.value, etag.is_weak) for etag in parse_etags(value)] == [(e.value, e.is_weak) for e in expected]
    one = aiohttp_web.Response(headers={"ETag": value}).etag
    assert parse_etag(value) == (None if one is None else ETag(one.value, one.is_weak))


@pytest.mark.parametrize("etag", [ETag("a"), ETag("a", is_weak=True), ETag("*"), ETag("é")])
def test_an_etag_round_trips(etag: ETag) -> None:
    assert parse_etag(format_etag(etag)) == etag


def test_an_etag_may_be_given_as_text() -> None:
    assert format_etag("a") == '"a"'
    assert format_etag(ETag("*", is_weak=True)) == "*"


@pytest.mark.parametrize("value", ["", 'a"b', "a b", "a\r\nb", "\x00", "\u0100"])
def test_s08_an_etag_has_visible_characters_only(value: str) -> None:
    with pytest.raises(ValueError, match="not a valid etag"):
        format_etag(value)


def test_comparing_etags() -> None:
    """The table of RFC 9110, section 8.8.3.2."""
    assert etag_matches("1", [ETag("1")], weak=False)
    assert etag_matches("1", [ETag("2"), ETag("1", is_weak=True)], weak=True)
    assert not etag_matches("1", [ETag("1", is_weak=True)], weak=False)
    assert not etag_matches("1", [ETag("2")], weak=True)
    assert etag_matches("1", [ETag("*")], weak=False)
    assert not etag_matches("1", [], weak=True)


MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "6 Nov 1994 8.49.37",
    ],
)
def test_the_forms_of_a_date(value: str) -> None:
    assert parse_http_date(value) == MOMENT


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "0",
        "x",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov " + "9" * 5000 + " 08:49:37 GMT",
        "Sun, " * 50_000,
    ],
)
def test_s36_what_is_no_date_is_none(value: str | None) -> None:
    assert parse_http_date(value) is None


DATES = st.one_of(
    texts(
        *("Sun", ", ", "06", "6", " ", "Nov", "nov", "1994", "94", "0000", "0050", "08:49:37", "25:00:00", "08:49"),
        *("GMT", "EST", "+0200", "-9999", "-", "31", "Feb", "29", "x", ":", "60", "08.49.37", "٠٨:٤٩:٣٧"),
        max_size=9,
    ),
    st.datetimes().map(format_http_date),
    st.tuples(st.integers(0, 32), st.sampled_from(["Jan", "Feb", "Foo"]), st.integers(0, 9999), st.integers(0, 61)).map(
        lambda fields: "Mon, {:02d} {} {:04d} 23:59:{:02d} GMT".format(*fields)
    ),
)


@compared
@given(DATES)
def test_dates_are_read_as_aiohttp_reads_them(value: str) -> None:
    assert parse_http_date(value) == aiohttp_request(("If-Modified-Since", value)).if_modified_since


@pytest.mark.parametrize(
    "moment",
    [
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.astimezone(timezone(timedelta(hours=5))),
        MOMENT.timestamp(),
        int(MOMENT.timestamp()),
        MOMENT.timestamp() - 0.5,
        MOMENT - timedelta(microseconds=1),
    ],
)
def test_a_date_is_written_as_imf_fixdate(moment: datetime | float) -> None:
    assert format_http_date(moment) == "Sun, 06 Nov 1994 08:49:37 GMT"


MOMENTS = st.one_of(
    st.integers(-(10**9), 10**10),
    st.floats(-1e9, 1e10),
    st.datetimes(datetime(1900, 1, 1)),  # noqa: DTZ001
    st.datetimes(datetime(1900, 1, 1), timezones=st.timezones()),  # noqa: DTZ001
)


@compared
@given(MOMENTS)
def test_dates_are_written_as_aiohttp_writes_them(moment: datetime | float) -> None:
    response = aiohttp_web.Response()
    response.last_modified = moment
    assert format_http_date(moment) == response.headers["Last-Modified"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, slice(None, None, 1)),
        ("bytes=0-9", slice(0, 10, 1)),
        ("bytes=5-", slice(5, None, 1)),
        ("bytes=-5", slice(-5, None, 1)),
        ("BYTES=0-0", slice(0, 1, 1)),
        ("bytes=99999999999999999999-", slice(99999999999999999999, None, 1)),
    ],
)
def test_a_range(value: str | None, expected: slice) -> None:
    assert parse_range(value) == expected


def test_a_range_without_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="No start or end of range specified"):
        parse_range("bytes=-")


@pytest.mark.parametrize("value", ["bytes=5-2", "bytes=1-0"])
def test_s22_an_inverted_range_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="start cannot be after end"):
        parse_range(value)


@pytest.mark.parametrize(
    "value", ["bytes=٣-٤", "bytes=１-２", "bytes=+1-2", "bytes=1_0-20", "bytes=0-1\n", "bytes= 0-1"]
)
def test_s22_a_range_has_ascii_digits_only(value: str) -> None:
    with pytest.raises(ValueError, match="range not in acceptable format"):
        parse_range(value)


@pytest.mark.parametrize("value", ["bytes=0-1,2-3", "bytes=" + "0-," * 50_000, "bytes=0-0," + "1" * 100_000])
def test_s22_several_ranges_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="range not in acceptable format"):
        parse_range(value)


@pytest.mark.parametrize("value", ["bytes=" + "9" * 100_000 + "-", "bytes=-" + "9" * 5_000, "bytes=0-" + "9" * 5_000])
def test_s22_a_range_of_too_many_digits_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="range not in acceptable format"):
        parse_range(value)


RANGES = st.one_of(
    texts("bytes", "bytes=", "=", "-", "0", "1", "9", "12", ",", " ", "+", "_", "٣", "Bytes=", "items", max_size=7),
    st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda ends: "bytes={}-{}".format(*ends)),
)


@compared
@given(RANGES)
def test_ranges_are_read_as_aiohttp_reads_them(value: str) -> None:
    expected = outcome(lambda: aiohttp_request(("Range", value)).http_range)
    assert outcome(parse_range, value) == expected


@pytest.mark.parametrize("piece", ['"a",', '"a" ', '"', "W/", " ", ",", "é"])
@pytest.mark.parametrize("start", ["", '"a"', '"'])
def test_s16_a_long_list_of_etags_takes_linear_time(start: str, piece: str) -> None:
    """Quadratic time would be minutes."""
    assert isinstance(parse_etags(start + piece * 50_000), tuple)


AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"


def failed(method: str = "GET", **conditions: str) -> int | None:
    headers = CIMultiDict((name.replace("_", "-"), value) for name, value in conditions.items())
    return failed_precondition(headers, method=method, etag="a", modified=int(MOMENT.timestamp()))


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({}, None),
        ({"if_match": '"a"'}, None),
        ({"if_match": '"b", "a"'}, None),
        ({"if_match": "*"}, None),
        ({"if_match": '"b"'}, 412),
        ({"if_match": 'W/"a"'}, 412),
        ({"if_match": "junk"}, 412),
        ({"if_unmodified_since": AT}, None),
        ({"if_unmodified_since": AFTER}, None),
        ({"if_unmodified_since": BEFORE}, 412),
        ({"if_unmodified_since": "junk"}, None),
        ({"if_none_match": '"a"'}, 304),
        ({"if_none_match": 'W/"a"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"b"'}, None),
        ({"if_none_match": "junk"}, None),
        ({"if_modified_since": AT}, 304),
        ({"if_modified_since": AFTER}, 304),
        ({"if_modified_since": BEFORE}, None),
        ({"if_modified_since": "junk"}, None),
    ],
)
def test_one_condition(conditions: dict[str, str], status: int | None) -> None:
    assert failed(**conditions) == status
    assert failed("HEAD", **conditions) == status


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"if_match": '"a"', "if_unmodified_since": BEFORE}, None),
        ({"if_match": '"b"', "if_none_match": '"a"'}, 412),
        ({"if_match": '"a"', "if_none_match": '"a"'}, 304),
        ({"if_unmodified_since": BEFORE, "if_none_match": '"a"'}, 412),
        ({"if_none_match": '"b"', "if_modified_since": AFTER}, None),
        ({"if_none_match": '"a"', "if_modified_since": BEFORE}, 304),
    ],
)
def test_the_order_of_conditions(conditions: dict[str, str], status: int | None) -> None:
    """RFC 9110, section 13.2.2."""
    assert failed(**conditions) == status


def test_conditions_of_what_changes_something() -> None:
    """RFC 9110, section 13.2.2, step 3: 412 for methods that do not only read; step 4 is for those that do."""
    assert failed("POST", if_none_match='"a"') == 412
    assert failed("POST", if_modified_since=AFTER) is None
    assert failed("POST", if_match='"b"') == 412


def test_tags_in_several_headers() -> None:
    headers = CIMultiDict([("If-Match", '"b"'), ("If-Match", '"a"')])
    assert failed_precondition(headers, method="GET", etag="a", modified=0) is None


@pytest.mark.parametrize(
    ("value", "holds"),
    [(None, True), ('"a"', True), ('"b"', False), ('W/"a"', False), ("*", False), ('"b", "a"', False), ("", False),
     (AT, True), (AFTER, False), (BEFORE, False), ("junk", False)],
)  # fmt: skip
def test_if_range(value: str | None, holds: bool) -> None:
    headers = CIMultiDict({} if value is None else {"If-Range": value})
    assert range_still_holds(headers, etag="a", modified=int(MOMENT.timestamp())) is holds


def test_two_if_range_are_none_that_holds() -> None:
    headers = CIMultiDict([("If-Range", '"a"'), ("If-Range", '"a"')])
    assert not range_still_holds(headers, etag="a", modified=0)
