"""Attributes that are computed when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ("reify",)

_T = TypeVar("_T")


class reify(Generic[_T]):  # noqa: N801 - a decorator, named as in aiohttp and Pyramid
    """A method as an attribute whose value is kept: afterwards, reading it is reading any attribute.

    As `functools.cached_property`, without the lock that the latter takes on Python 3.11. Assigning to the attribute
    before it is asked for takes the place of computing it.
    """

    def __init__(self, method: Callable[[Any], _T]) -> None:
        self._method = method
        self._name = method.__name__
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> reify[_T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...

    def __get__(self, instance: object | None, owner: type) -> reify[_T] | _T:
        if instance is None:
            return self
        value = self._method(instance)
        # PERF: setattr() keeps the attributes in the instance, where `instance.__dict__` would move them to a dict.
        setattr(instance, self._name, value)
        return value
