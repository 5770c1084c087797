"""Route definitions: what ``web.get(...)`` returns and the decorators of `RouteTableDef` collect.

A definition is a description. It becomes a route when a router registers it, so that one table can fill any number of
applications.
"""

from __future__ import annotations

import abc
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from framework import hdrs
from framework.typedefs import Handler, PathLike

if TYPE_CHECKING:
    from framework.routing.dispatcher import UrlDispatcher
    from framework.routing.resources import AbstractResource
    from framework.routing.routes import AbstractRoute
    from framework.routing.views import AbstractView

__all__ = (
    "AbstractRouteDef",
    "RouteDef",
    "RouteTableDef",
    "StaticDef",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "route",
    "static",
    "view",
)

HandlerType = Handler | type["AbstractView"]
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

#: Methods with an ``add_<method>`` of their own, which a subclass of the router may have overridden.
_ROUTER_METHODS = frozenset(
    {
        hdrs.METH_DELETE,
        hdrs.METH_GET,
        hdrs.METH_HEAD,
        hdrs.METH_OPTIONS,
        hdrs.METH_PATCH,
        hdrs.METH_POST,
        hdrs.METH_PUT,
    }
)


class AbstractRouteDef(abc.ABC):
    """Something `Application.add_routes` accepts; subclass it to define routes of your own kind."""

    @abc.abstractmethod
    def register(self, router: UrlDispatcher) -> list[AbstractRoute | AbstractResource]:
        """Add the described routes to ``router`` and return what was added."""


@dataclass(frozen=True, repr=False, slots=True)
class RouteDef(AbstractRouteDef):
    """One handler at one path for one method; ``kwargs`` are those of the router's ``add_route``."""

    method: str
    path: str
    handler: HandlerType
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        name = getattr(self.handler, "__name__", self.handler)
        extras = "".join(f", {key}={value!r}" for key, value in sorted(self.kwargs.items()))
        return f"<RouteDef {self.method} {self.path} -> {name!r}{extras}>"

    def register(self, router: UrlDispatcher) -> list[AbstractRoute | AbstractResource]:
        if self.method in _ROUTER_METHODS:
            add = getattr(router, f"add_{self.method.lower()}")
            return [add(self.path, self.handler, **self.kwargs)]
        return [router.add_route(self.method, self.path, self.handler, **self.kwargs)]


@dataclass(frozen=True, repr=False, slots=True)
class StaticDef(AbstractRouteDef):
    """A folder of files under a prefix; ``kwargs`` are those of the router's ``add_static``."""

    prefix: str
    path: PathLike
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        extras = "".join(f", {key}={value!r}" for key, value in sorted(self.kwargs.items()))
        return f"<StaticDef {self.prefix} -> {os.fspath(self.path)}{extras}>"

    def register(self, router: UrlDispatcher) -> list[AbstractRoute | AbstractResource]:
        resource = router.add_static(self.prefix, self.path, **self.kwargs)
        return [*resource]


def route(method: str, path: str, handler: HandlerType, **kwargs: Any) -> RouteDef:
    """Describe ``handler`` at ``path`` for ``method`` (``"*"`` for any method).

    ``kwargs`` are those of `UrlDispatcher.add_route`: ``name``, ``expect_handler``, ``client_max_size``,
    ``handler_cancellation`` and ``middlewares``.
    """
    return RouteDef(method, path, handler, kwargs)


def head(path: str, handler: HandlerType, **kwargs: Any) -> RouteDef:
    """Describe a HEAD route."""
    return route(hdrs.METH_HEAD, path, handler, **kwargs)


def options(path: str, handler: HandlerType, **kwargs: Any) -> RouteDef:
    """Describe an OPTIONS route."""
    return route(hdrs.METH_OPTIONS, path, handler, **kwargs)


def get(
    path: str, handler: HandlerType, *, name: str | None = None, allow_head: bool = True, **kwargs: Any
) -> RouteDef:
    """Describe a GET route, which answers HEAD too unless ``allow_head`` is false."""
    return route(hdrs.METH_GET, path, handler, name=name, allow_head=allow_head, **kwargs)


def post(path: str, handler: HandlerType, **kwargs: Any) -> RouteDef:
    """Describe a POST route."""
    return route(hdrs.METH_POST, path, handler, **kwargs)


def put(path: str, handler: HandlerType, **kwargs: Any) -> RouteDef:
    """Describe a PUT route."""
    return route(hdrs.METH_PUT, path, handler, **kwargs)


def patch(path: str, handler: HandlerType, **kwargs: Any) -> RouteDef:
    """Describe a PATCH route."""
    return route(hdrs.METH_PATCH, path, handler, **kwargs)


def delete(path: str, handler: HandlerType, **kwargs: Any) -> RouteDef:
    """Describe a DELETE route."""
    return route(hdrs.METH_DELETE, path, handler, **kwargs)


def view(path: str, handler: type[AbstractView], **kwargs: Any) -> RouteDef:
    """Describe a class-based view: every method, answered by the view's method of that name."""
    return route(hdrs.METH_ANY, path, handler, **kwargs)


def static(prefix: str, path: PathLike, **kwargs: Any) -> StaticDef:
    """Describe a folder of files served under ``prefix``; ``kwargs`` are those of `UrlDispatcher.add_static`."""
    return StaticDef(prefix, path, kwargs)


class RouteTableDef(Sequence[AbstractRouteDef]):
    """A table that decorators fill and `Application.add_routes` registers.

    The order of the decorators is the order of registration. The decorators return what they decorate, so that one
    handler can stand at several paths.
    """

    def __init__(self) -> None:
        self._items: list[AbstractRouteDef] = []

    def __repr__(self) -> str:
        return f"<RouteTableDef count={len(self._items)}>"

    @overload
    def __getitem__(self, index: int) -> AbstractRouteDef: ...

    @overload
    def __getitem__(self, index: slice) -> list[AbstractRouteDef]: ...

    def __getitem__(self, index: int | slice) -> AbstractRouteDef | list[AbstractRouteDef]:
        return self._items[index]

    def __iter__(self) -> Iterator[AbstractRouteDef]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def route(self, method: str, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for ``method`` at ``path``; ``kwargs`` as in `route`."""

        def decorate(handler: _Decorated) -> _Decorated:
            self._items.append(RouteDef(method, path, handler, kwargs))
            return handler

        return decorate

    def head(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for HEAD."""
        return self.route(hdrs.METH_HEAD, path, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for GET, and for HEAD unless ``allow_head=False`` is given."""
        return self.route(hdrs.METH_GET, path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for POST."""
        return self.route(hdrs.METH_POST, path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for PUT."""
        return self.route(hdrs.METH_PUT, path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for PATCH."""
        return self.route(hdrs.METH_PATCH, path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for DELETE."""
        return self.route(hdrs.METH_DELETE, path, **kwargs)

    def options(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated handler for OPTIONS."""
        return self.route(hdrs.METH_OPTIONS, path, **kwargs)

    def view(self, path: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
        """Register the decorated class-based view for every method."""
        return self.route(hdrs.METH_ANY, path, **kwargs)

    def static(self, prefix: str, path: PathLike, **kwargs: Any) -> None:
        """Serve the folder ``path`` under ``prefix``; ``kwargs`` as in `static`."""
        self._items.append(StaticDef(prefix, path, kwargs))
