"""The routes of an application as a list of plain values."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from typing import TYPE_CHECKING, Any

from framework import hdrs
from framework.routing.mounts import MountResource
from framework.routing.resources import DynamicResource, MatchedSubAppResource, PrefixedSubAppResource
from framework.routing.static import StaticResource
from framework.routing.views import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.applications import Application
    from framework.routing.resources import AbstractResource
    from framework.routing.routes import AbstractRoute

__all__ = ["ListedRoute", "list_routes"]


@dataclasses.dataclass(frozen=True)
class ListedRoute:
    """What is known of a handler at a path."""

    #: In upper case, in the order of their registration; ``*`` is any.
    methods: list[str]
    #: With the prefixes of sub-applications, the dynamic parts as they were written. Everything below a prefix ends
    #: with ``/…``.
    path: str
    #: The rule on the Host of a sub-application, or None.
    domain: str | None
    #: The name of its resource, or None.
    name: str | None
    #: Module and qualified name of the handler; of a folder or a mounted application, which it is.
    handler: str
    #: Where the handler is written, below the working directory by a relative path; None if it is not in a file.
    file: str | None
    #: The line at which it begins, its decorators included.
    line: int | None
    #: The route's own middlewares, the outermost first.
    middlewares: list[str]


def list_routes(app: Application) -> list[ListedRoute]:
    """All routes of an application and its sub-applications, in the order of registration.

    Methods of one path that have the same handler are one item.
    """
    return list(_routes_of(app, None))


def _routes_of(app: Application, domain: str | None) -> Iterator[ListedRoute]:
    for resource in app.router.resources():
        if isinstance(resource, PrefixedSubAppResource):
            rule = _domain(resource) if isinstance(resource, MatchedSubAppResource) else None
            # One inside of another must satisfy both.
            yield from _routes_of(resource.app, " ".join(filter(None, (domain, rule))) or None)
        else:
            yield from _routes_at(resource, domain)


def _domain(resource: MatchedSubAppResource) -> str:
    # As it was written; the canonical form of one with asterisks is an expression.
    return resource.rule.get_info().get("domain") or resource.canonical


def _routes_at(resource: AbstractResource, domain: str | None) -> Iterator[ListedRoute]:
    routes = list(resource)
    while routes:
        first = routes[0]
        same = [route for route in routes if _is_alike(route, first)]
        routes = [route for route in routes if not _is_alike(route, first)]
        handler, place = _describe(first, resource)
        file, line = _source(place)
        yield ListedRoute(
            methods=_methods(same),
            path=_path(resource),
            domain=domain,
            name=resource.name,
            handler=handler,
            file=file,
            line=line,
            middlewares=[_qualified_name(middleware) for middleware in first.middlewares],
        )


def _is_alike(route: AbstractRoute, other: AbstractRoute) -> bool:
    # Bound methods are made anew each time.
    return bool(route.handler == other.handler) and route.middlewares == other.middlewares


def _methods(routes: list[AbstractRoute]) -> list[str]:
    methods = [route.method for route in routes]
    view: Any = routes[0].handler
    if methods == [hdrs.METH_ANY] and inspect.isclass(view) and issubclass(view, View):
        # To the others it answers 405 by itself.
        methods = [method for method in sorted(hdrs.METH_ALL) if hasattr(view, method.lower())]
    # add_get() adds HEAD to GET, before it.
    return sorted(methods, key=lambda method: method == hdrs.METH_HEAD)


def _path(resource: AbstractResource) -> str:
    if isinstance(resource, DynamicResource):
        return resource.template.orig_path
    if isinstance(resource, StaticResource | MountResource):
        return f"{resource.canonical}/…"
    return resource.canonical or "/"


def _describe(route: AbstractRoute, resource: AbstractResource) -> tuple[str, Any]:
    """What a route is called, and what has been written for it."""
    handler: Any = route.handler
    if isinstance(resource, StaticResource):
        return f"files in {_shown_path(str(resource.get_info()['directory']))}", None
    if isinstance(resource, MountResource):
        app: Any = resource.app
        if inspect.isroutine(app) or inspect.isclass(app):
            return f"ASGI application {_qualified_name(app)}", app
        return f"ASGI application {_qualified_name(type(app))}", None
    return _qualified_name(handler), handler


def _qualified_name(thing: Any) -> str:
    thing = _written(thing)
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    return f"{thing.__module__}.{thing.__qualname__}".replace("<locals>.", "")


def _written(thing: Any) -> Any:
    """The function or class that decorators and partials are about."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    thing = inspect.unwrap(thing)
    return getattr(thing, "__func__", thing)


def _source(thing: Any) -> tuple[str | None, int | None]:
    if thing is None:
        return None, None
    thing = _written(thing)
    code = getattr(thing, "__code__", None)
    if code is not None:
        return _shown_path(code.co_filename), code.co_firstlineno
    try:
        found = thing if inspect.isclass(thing) else type(thing)
        file = inspect.getsourcefile(found)
        return (None, None) if file is None else (_shown_path(file), inspect.getsourcelines(found)[1])
    except (OSError, TypeError):
        # Written in C, or at a prompt.
        return None, None


def _shown_path(file: str) -> str:
    try:
        relative = os.path.relpath(file)
    except ValueError:
        # Another drive.
        return file
    return file if relative.startswith(os.pardir) else relative
