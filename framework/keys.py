"""Typed keys for the mappings of `Application`, `Request` and `Response`.

A key is compared by identity: two libraries may both call theirs ``"db"`` and never meet.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, Generic, TypeVar, get_args

__all__ = ("AppKey", "NotAppKeyWarning", "RequestKey", "ResponseKey")

_T = TypeVar("_T")


class NotAppKeyWarning(UserWarning):
    """Issued when a `str` is used as a key of an `Application` where an `AppKey` would be type-safe."""


# Silent unless a program, or its tests, ask for it, as in aiohttp: most programs there use plain keys.
warnings.simplefilter("ignore", NotAppKeyWarning, append=True)


class BaseKey(Generic[_T]):
    """What the three kinds of keys have in common.

    Args:
        name: shown in ``repr``, after the name of the module that makes the key.
        t: the type of the value. ``AppKey[str]("name")`` says the same to a type checker.
    """

    # Set by typing when the key is made as AppKey[str]("name").
    __orig_class__: type[object]

    def __init__(self, name: str, t: type[_T] | None = None) -> None:
        self._name = f"{_calling_module()}.{name}"
        self._t = t

    def __lt__(self, other: object) -> bool:
        # Only so that sorted() and pprint accept mappings whose keys are partly str; the order means nothing.
        if isinstance(other, BaseKey):
            return self._name < other._name
        return True

    def __gt__(self, other: object) -> bool:
        if isinstance(other, BaseKey):
            return self._name > other._name
        return False

    def __repr__(self) -> str:
        value_type: Any = self._t
        if value_type is None:
            arguments = get_args(getattr(self, "__orig_class__", None))
            value_type = arguments[0] if arguments else None
        if value_type is None:
            shown = "<<Unknown>>"
        elif isinstance(value_type, type) and not get_args(value_type):
            if value_type.__module__ == "builtins":
                shown = value_type.__qualname__
            else:
                shown = f"{value_type.__module__}.{value_type.__qualname__}"
        else:
            shown = repr(value_type)
        return f"<{type(self).__name__}({self._name}, type={shown})>"


def _calling_module() -> str:
    """The module whose body makes the key, or the nearest caller's where a function makes it."""
    # 0 is this function, 1 BaseKey.__init__, 2 whoever makes the key (typing's generic alias may stand between).
    frame = sys._getframe(2)  # noqa: SLF001
    nearest: str | None = None
    while frame is not None:
        module: str = frame.f_globals.get("__name__", "<unknown>")
        if module != "typing":
            if nearest is None:
                nearest = module
            if frame.f_code.co_name == "<module>":
                return module
        if frame.f_back is None:
            break
        frame = frame.f_back
    return nearest or "<unknown>"


class AppKey(BaseKey[_T]):
    """A key for `Application`: ``app[db_key] = pool``."""


class RequestKey(BaseKey[_T]):
    """A key for `Request`: ``request[user_key] = user``."""


class ResponseKey(BaseKey[_T]):
    """A key for `StreamResponse`: ``response[metrics_key] = metrics``."""
