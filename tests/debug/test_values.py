"""Variables as text: nothing of the program runs for it, and nothing grows."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from framework.debug.masking import MASK
from framework.debug.values import class_name, show_value, show_variables


class Trap(type):
    """A class whose instances and itself must be left alone."""

    def _caught(cls, *args: object) -> NoReturn:
        raise SystemExit("code of the program has run")

    __getattribute__ = __repr__ = __eq__ = __hash__ = __instancecheck__ = __subclasscheck__ = _caught
    __dict__ = property(_caught)  # type: ignore[misc]


def trapped() -> type:
    # Not a name of the module, whose members pytest asks for their attributes.
    class Trapped(metaclass=Trap):
        def _caught(self, *args: object) -> NoReturn:
            raise SystemExit("code of the program has run")

        __getattribute__ = __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = _caught
        __class__ = property(_caught)

    return Trapped


class Text(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise SystemExit("code of the program has run")


@pytest.mark.parametrize(
    "value",
    [
        None, True, 1, -1.5, 2j, "text", "ä\n'", b"octets", bytearray(b"x"), [], [1, "a"], (), (1,), (1, 2), {},
        {1: "a"}, set(), {1}, frozenset(), frozenset({1}), [[1], {2: (3,)}], ...,
    ],
    ids=repr,
)  # fmt: skip
def test_plain_values_are_shown_as_by_repr(value: object) -> None:
    assert show_value(value) == repr(value)


def test_s33_no_code_of_the_program_runs() -> None:
    kind: Any = trapped()
    assert show_value(kind()).endswith(".Trapped object>")
    assert show_value(kind).startswith("<class ")
    assert show_value(Text("x")).endswith(".Text object>")
    assert show_value([kind(), {"a": kind()}, (Text(),)]).count(" object>") == 3


def test_class_names() -> None:
    assert class_name(int) == "int"
    assert class_name(Text) == f"{__name__}.Text"


def test_secrets_are_masked() -> None:
    shown, more = show_variables({"number": 1, "password": "x", "user": {"name": "a", "token": "b"}, "__name__": "c"})
    assert shown == [("number", "1"), ("password", MASK), ("user", f"{{'name': 'a', 'token': {MASK}}}")]
    assert more == 0


def test_secrets_in_pairs_and_urls_are_masked() -> None:
    assert show_value([(b"authorization", b"x"), ("a", "b")]) == f"[(b'authorization', {MASK}), ('a', 'b')]"
    assert show_value({b"cookie": b"x"}) == f"{{b'cookie': {MASK}}}"
    assert show_value("postgres://me:x@db") == f"'postgres://me:{MASK}@db'"
    assert "x" not in show_value(f"a://me:{'x' * 500}@db")


def test_what_is_large_is_cut() -> None:
    assert show_value("x" * 10**7) == f"'{'x' * 199}…"
    assert show_value(list(range(10**6))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 999988 more]"
    assert show_value(10**5000) == "<int of 16610 bits>"
    assert show_value([[[[[1]]]]]) == "[[[[…]]]]"
    assert len(show_value([["x" * 100] * 100] * 100)) < 250
    circle: list[object] = []
    circle.append(circle)
    assert show_value(circle) == "[[[[…]]]]"


def test_many_variables() -> None:
    shown, more = show_variables({f"name_{number}": number for number in range(1000)})
    assert (len(shown), more) == (32, 968)
