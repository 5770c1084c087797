from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.sansio.json import dumps, dumps_bytes, loads
from tests.sansio.oracle import compared, texts


class Named(enum.StrEnum):
    A = "a"


class Numbered(enum.IntEnum):
    ONE = 1


class Plain(enum.Enum):
    A = "a"


class Text(str):
    __slots__ = ()


class First(dict[str, list[int]]):
    """What it shows is not what it stores, as in Werkzeug's MultiDict."""

    def items(self) -> Any:
        return [(key, values[0]) for key, values in super().items()]


@dataclasses.dataclass
class Point:
    x: int = 1


class Record(msgspec.Struct):
    x: int = 1


def same(function: Any, expected: Any, value: Any) -> None:
    """Both give the same, by type too, or raise the same."""
    assert attempt(function, value) == attempt(expected, value)


def attempt(function: Any, value: Any) -> Any:
    try:
        return repr(function(value))
    except (TypeError, ValueError) as error:
        return type(error), error.args


def round_trip(value: Any) -> Any:
    return json.loads(json.dumps(value))


def our_round_trip(value: Any) -> Any:
    encoded = dumps_bytes(value)
    assert dumps(value) == encoded.decode()
    return json.loads(encoded)


ENCODED: list[Any] = [
    *(None, True, 0, -1, 2**64, -(2**63) - 1, 0.1, 1.0, -0.0, 1e16, 1e-7, 5e-324, float("nan"), float("inf")),
    *("", 'é\u2028\x7f\x00"\\/<', "\ud800", Text("x"), Named.A, Numbered.ONE),
    *([], {}, (), (1, 2), [(1,)], {"a": {"b": [None]}}, [float("nan")]),
    *({1: 2}, {1.5: 2}, {True: 1}, {None: 1}, {Named.A: 1}, {Numbered.ONE: 1}, {1: 1, "1": 2}, {Text("a"): 1}),
    *({"a": None, "b": float("nan")}, {"a": (None,)}, [None, 1.5], "null", {"a": First(a=[1, 2])}, First(a=[1, 2])),
    *(collections.OrderedDict(a=1), collections.Counter("ab"), collections.defaultdict(int, a=1)),
]
REFUSED: list[Any] = [
    *(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.date(2020, 1, 1), datetime.timedelta(1)),
    *(uuid.UUID(int=1), decimal.Decimal("1.5"), b"a", bytearray(b"a"), memoryview(b"a"), {1}, frozenset([1])),
    *(Plain.A, Point(), Record(), msgspec.Raw(b"1"), msgspec.UNSET, 1j, object(), ..., range(3), iter([])),
    *({(1,): 2}, {b"a": 1}, {datetime.date(2020, 1, 1): 1}, collections.deque()),
]


@pytest.mark.parametrize("value", ENCODED, ids=repr)
def test_what_json_can_write(value: Any) -> None:
    same(our_round_trip, round_trip, value)


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_what_json_refuses_is_refused_with_its_error(value: Any) -> None:
    """msgspec would write most of these."""
    for nested in (value, [value], {"a": {"b": value}}):
        with pytest.raises(TypeError) as expected:
            json.dumps(nested)
        with pytest.raises(TypeError) as caught:
            dumps_bytes(nested)
        assert caught.value.args == expected.value.args


def test_circular_references() -> None:
    circular: list[Any] = []
    circular.append(circular)
    with pytest.raises(ValueError, match="Circular reference detected"):
        dumps(circular)


def test_nothing_is_escaped_that_need_not_be() -> None:
    assert dumps({"a": ["é", 1]}) == '{"a":["é",1]}'


LEAVES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(), st.text()),
    st.sampled_from([*ENCODED, *(value for value in REFUSED if type(value) is not object)]),
)
KEYS = st.one_of(st.text(max_size=3), st.sampled_from([1, 1.5, True, None, (1,), b"a", Named.A, "\ud800"]))
VALUES = st.recursive(
    LEAVES,
    lambda values: st.one_of(
        st.lists(values, max_size=4),
        st.lists(values, max_size=3).map(tuple),
        st.dictionaries(KEYS, values, max_size=3),
    ),
    max_leaves=8,
)


@compared
@given(VALUES)
def test_values_are_written_as_json_writes_them(value: Any) -> None:
    same(our_round_trip, round_trip, value)


TEXTS = st.one_of(
    texts(
        *list('[]{},:"0123456789.eE+-\\ntrfu \t'),
        *(
            "true",
            "null",
            "false",
            "NaN",
            "Infinity",
            '"a"',
            "\\ud800",
            "\\u0041",
            "é",
            "\ufeff",
            "\x00",
            "1e400",
            '"a":',
        ),
        *("99999999999999999999", "-0", "0.1"),
    ),
    st.floats().map(repr),
    st.integers().map(str),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
        lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=3), values, max_size=3),
        max_leaves=8,
    ).map(json.dumps),
)


@compared
@given(TEXTS)
def test_texts_are_read_as_json_reads_them(text: str) -> None:
    expected = attempt(json.loads, text)
    assert attempt(loads, text) == expected
    assert attempt(loads, text.encode()) == expected


SPECIAL = [
    *("NaN", "[Infinity]", "-Infinity", "123456789012345678901234567890", "18446744073709551616", "1e400", "-1e400"),
    *(
        "1e-400",
        "-0",
        "-0.0",
        "0.1",
        "1E5",
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\ud83dx"',
        '{"a":1,"a":2}',
        "\ufeff1",
        "",
    ),
    *('"a\tb"', "01", "1.", "[1,]", " 1 ", "2.2250738585072011e-308", "1.7976931348623159e308", "9" * 400 + ".0"),
]


@pytest.mark.parametrize("text", SPECIAL)
def test_special_texts_are_read_as_json_reads_them(text: str) -> None:
    same(loads, json.loads, text)


def test_octets_are_utf_8() -> None:
    """As aiohttp, which makes text of them first: json.loads() alone would guess UTF-16."""
    with pytest.raises(json.JSONDecodeError):
        loads("1".encode("utf-16-le"))
    with pytest.raises(UnicodeDecodeError):
        loads(b'"\xff"')


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000])
def test_s36_nesting_that_is_too_deep_is_malformed(text: str) -> None:
    with pytest.raises(json.JSONDecodeError, match="Nested too deeply"):
        loads(text)


def test_s36_an_integer_of_too_many_digits_is_malformed() -> None:
    with pytest.raises(json.JSONDecodeError):
        loads("[" + "1" * 100_000 + "]")
