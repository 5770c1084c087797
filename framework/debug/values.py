"""The values of variables as text, without running any code of the program.

`repr` is the program's: it may query a database, wait for a lock, raise, or never return. So only values of exactly
the built-in types below are shown; of everything else its class is. What is shown is bounded in length and depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from framework.debug.masking import MASK, is_secret, mask_urls

__all__ = ("Variable", "class_name", "show_value", "show_variables")

#: A name and its value.
Variable = tuple[str, str]

_MAX_VARIABLES: Final = 32
_MAX_LENGTH: Final = 200
_MAX_ITEMS: Final = 12
_MAX_DEPTH: Final = 3

#: The largest number of digits that Python turns into text in no time.
_MAX_BITS: Final = 2048

# By identity: a metaclass may have an `__eq__` and a `__hash__` of its own.
_ATOMS: Final = {id(kind) for kind in (bool, complex, float, type(None), type(...), type(NotImplemented))}
_TEXTS: Final = {id(kind) for kind in (str, bytes, bytearray)}
_BRACKETS: Final = {
    id(list): ("[", "]"),
    id(tuple): ("(", ")"),
    id(set): ("{", "}"),
    id(frozenset): ("frozenset({", "})"),
}


def show_variables(namespace: Mapping[str, Any]) -> tuple[list[Variable], int]:
    """The variables of a function as names and values, and how many more it has."""
    names = [name for name in list(namespace) if type(name) is str and not name.startswith("__")]
    shown = [
        (name[:_MAX_LENGTH], MASK if is_secret(name) else show_value(namespace[name]))
        for name in names[:_MAX_VARIABLES]
    ]
    return shown, len(names) - len(shown)


def show_value(value: Any) -> str:
    """``repr(value)`` where that runs nothing but Python's own code, else the class of ``value``."""
    return _cut(_show(value, _MAX_DEPTH))


def _show(value: Any, depth: int) -> str:
    kind = type(value)
    if id(kind) in _ATOMS:
        return repr(value)
    if kind is int:
        return repr(value) if value.bit_length() <= _MAX_BITS else f"<int of {value.bit_length()} bits>"
    if id(kind) in _TEXTS:
        # The octets of a file are not copied to show the first of them; but a URL is looked at as a whole.
        return _cut(mask_urls(repr(value[: 5 * _MAX_LENGTH])))
    if kind is dict:
        if depth == 0:
            return "{…}" if value else "{}"
        return _join("{", [_pair(key, each, depth) for key, each in _first(value.items())], len(value), "}")
    if id(kind) in _BRACKETS:
        if not value:
            return repr(value)
        opening, closing = _BRACKETS[id(kind)]
        if depth == 0:
            return f"{opening}…{closing}"
        if kind is tuple and len(value) == 1:
            closing = ",)"
        if kind is tuple and len(value) == 2 and _names_secret(value[0]):
            # A raw header, or an item of a dict.
            return f"({_show(value[0], depth - 1)}, {MASK})"
        return _join(opening, [_show(each, depth - 1) for each in _first(value)], len(value), closing)
    if issubclass(kind, type):
        return f"<class {class_name(value)}>"
    return f"<{class_name(kind)} object>"


def _pair(key: Any, value: Any, depth: int) -> str:
    return f"{_show(key, depth - 1)}: {MASK if _names_secret(key) else _show(value, depth - 1)}"


def _names_secret(key: Any) -> bool:
    if type(key) is bytes:
        key = key[:_MAX_LENGTH].decode("latin-1")
    return type(key) is str and is_secret(key)


def _first(items: Any) -> list[Any]:
    try:
        return list(islice(items, _MAX_ITEMS))
    except RuntimeError:  # another thread is changing it
        return []


def _join(opening: str, items: list[str], count: int, closing: str) -> str:
    more = [f"… {count - len(items)} more"] if count > len(items) else []
    return f"{opening}{', '.join([*items, *more])}{closing}"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"


def class_name(kind: type) -> str:
    """The name of a class with its module, past what a metaclass makes of attributes."""
    name: str = type.__dict__["__qualname__"].__get__(kind)
    module = type.__dict__["__dict__"].__get__(kind).get("__module__")
    return name if type(module) is not str or module in ("builtins", "__main__") else f"{module}.{name}"
