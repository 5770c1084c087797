from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web as aiohttp_web

from framework.keys import AppKey, NotAppKeyWarning, RequestKey, ResponseKey


class Pool:
    pass


KINDS = [
    (AppKey, aiohttp_web.AppKey),
    (RequestKey, aiohttp_web.RequestKey),
    (ResponseKey, aiohttp_web.ResponseKey),
]


@pytest.mark.parametrize(("kind", "expected"), KINDS)
@pytest.mark.parametrize("value_type", [None, int, Pool, list[int], Any, int | None, "Pool"])
def test_the_repr_of_a_key(kind: Any, expected: Any, value_type: Any) -> None:
    assert repr(kind("name", value_type)) == repr(expected("name", value_type))


@pytest.mark.parametrize(("kind", "expected"), KINDS)
def test_the_type_may_be_given_in_brackets(kind: Any, expected: Any) -> None:
    assert repr(kind[Pool]("name")) == repr(expected[Pool]("name"))
    assert "type=int" in repr(kind[int]("name"))


def test_a_key_is_named_after_the_module_that_makes_it() -> None:
    namespace = {"__name__": "library", "AppKey": AppKey}
    exec("key = AppKey('db', int)", namespace)
    assert repr(namespace["key"]) == "<AppKey(library.db, type=int)>"


def test_a_key_is_named_after_the_module_whose_import_makes_it() -> None:
    helper = {"__name__": "helper", "AppKey": AppKey}
    exec("def make(): return AppKey('db', int)", helper)
    namespace = {"__name__": "library", "make": helper["make"]}
    exec("key = make()", namespace)
    assert repr(namespace["key"]) == "<AppKey(library.db, type=int)>"


def test_keys_are_compared_by_identity() -> None:
    key = AppKey("name", str)
    assert key == key
    assert key != AppKey("name", str)
    assert len({key, AppKey("name", str), key}) == 2


def test_keys_can_be_sorted_together_with_strings() -> None:
    """So that printing a mapping with both kinds of keys works."""
    a, b = AppKey("a", str), AppKey("b", str)
    assert sorted([b, "c", a], key=lambda key: key) == [a, b, "c"]  # type: ignore[arg-type, return-value]


def test_the_warning_is_a_user_warning() -> None:
    assert issubclass(NotAppKeyWarning, UserWarning)
