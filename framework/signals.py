"""Signals: lists of coroutines that an application calls at certain moments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableSequence
from typing import Any, Generic, TypeVar, overload

__all__ = ("FrozenList", "Signal")

_T = TypeVar("_T")


class FrozenList(MutableSequence[_T]):
    """A list that refuses changes after `freeze`."""

    def __init__(self, items: Iterable[_T] = ()) -> None:
        self._items = list(items)
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether the list refuses changes."""
        return self._frozen

    def freeze(self) -> None:
        """Refuse changes from now on."""
        self._frozen = True

    def _check_frozen(self) -> None:
        if self._frozen:
            raise RuntimeError("Cannot modify frozen list.")

    @overload
    def __getitem__(self, index: int) -> _T: ...

    @overload
    def __getitem__(self, index: slice) -> FrozenList[_T]: ...

    def __getitem__(self, index: int | slice) -> _T | FrozenList[_T]:
        if isinstance(index, slice):
            return FrozenList(self._items[index])
        return self._items[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check_frozen()
        self._items[index] = value

    def __delitem__(self, index: int | slice) -> None:
        self._check_frozen()
        del self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def insert(self, index: int, value: _T) -> None:
        """Insert ``value``; RuntimeError once frozen."""
        self._check_frozen()
        self._items.insert(index, value)

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, (list, FrozenList)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(frozen={self._frozen}, {self._items!r})>"


class Signal(FrozenList[Callable[..., Awaitable[object]]], Generic[_T]):
    """Receivers to be awaited one after the other when `send` is called.

    Receivers are appended until the application freezes. A signal can be used as a decorator:
    ``@app.on_startup`` registers what it decorates.
    """

    def __init__(self, owner: object) -> None:
        super().__init__()
        self._owner = owner

    def __call__(self, receiver: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        self.append(receiver)
        return receiver

    async def send(self, *args: Any, **kwargs: Any) -> None:
        """Await the receivers with these arguments; RuntimeError before the signal is frozen."""
        if not self._frozen:
            raise RuntimeError("Cannot send non-frozen signal.")
        for receiver in self._items:
            await receiver(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Signal owner={self._owner!r}, frozen={self._frozen}, {self._items!r}>"
