"""The storage of requests and responses: what handlers and middlewares tell each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, MutableMapping
from typing import Any

from framework.keys import NotAppKeyWarning

__all__ = ("Storage",)


class Storage(MutableMapping[Any, Any]):
    """A mapping that is made when it is first used; ``key_class`` is what keys should be.

    A key of another kind is taken with a `NotAppKeyWarning`. An object with an empty storage is true.
    """

    key_class: type[Any]
    _state: dict[Any, Any] | None = None

    def _storage(self) -> dict[Any, Any]:
        if self._state is None:
            self._state = {}
        return self._state

    def __getitem__(self, key: Any) -> Any:
        return self._storage()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, self.key_class):
            warnings.warn(
                f"It is recommended to use web.{self.key_class.__name__} instances for keys.",
                NotAppKeyWarning,
                stacklevel=2,
            )
        self._storage()[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._storage()[key]

    def __len__(self) -> int:
        return 0 if self._state is None else len(self._state)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._storage())

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return True
