"""Resources: what a path of the routing table names. Each holds the routes of its methods."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any

from yarl import URL

from framework import hdrs
from framework.exceptions import HTTPMethodNotAllowed
from framework.routing.domains import Domain
from framework.routing.match_info import UrlMappingMatchInfo
from framework.routing.routes import AbstractRoute, ExpectHandler, ResourceRoute
from framework.routing.templates import Template, quote_path, requote_path
from framework.sansio.paths import strip_root_path, unquote_path_safe

if TYPE_CHECKING:
    from framework.applications import Application
    from framework.requests import Request
    from framework.routing.views import AbstractView
    from framework.typedefs import Handler, Middleware

__all__ = (
    "AbstractResource",
    "DynamicResource",
    "MatchedSubAppResource",
    "PlainResource",
    "PrefixResource",
    "PrefixedSubAppResource",
    "Resource",
    "path_to_match",
)

Resolution = tuple[UrlMappingMatchInfo | None, set[str]]


def path_to_match(request: Request) -> str:
    """The safe path of a request below the ``root_path`` that the application is served at."""
    return strip_root_path(request.rel_url.path_safe, request.scope.get("root_path", ""))


class AbstractResource(Sized, abc.ABC):
    """What a routing table is made of. Subclass it to match requests by rules of your own.

    A resource that is no subclass of the ones in this module is asked by its `resolve` for every request that comes
    to its place in the table.
    """

    def __init__(self, *, name: str | None = None) -> None:
        self._name = name

    @property
    def name(self) -> str | None:
        """The name `UrlDispatcher` knows the resource by, for ``url_for``."""
        return self._name

    @property
    @abc.abstractmethod
    def canonical(self) -> str:
        """The path, template or prefix of the resource, for instance ``/users/{id}``."""

    @abc.abstractmethod
    def url_for(self, **kwargs: str) -> URL:
        """The URL of the resource, its dynamic parts filled in from ``kwargs``."""

    @abc.abstractmethod
    async def resolve(self, request: Request) -> Resolution:
        """Match a request: the match info or None, and the methods the path allows here."""

    @abc.abstractmethod
    def add_prefix(self, prefix: str) -> None:
        """Put ``prefix`` before the path; called when the application becomes a sub-application."""

    @abc.abstractmethod
    def get_info(self) -> dict[str, Any]:
        """What is known of the path: ``path``, or ``formatter`` and ``pattern``, or ``prefix`` and more."""

    def freeze(self) -> None:
        """Called once when the table is frozen."""

    @abc.abstractmethod
    def raw_match(self, path: str) -> bool:
        """Whether ``path``, as it was registered, is this resource's own."""

    @abc.abstractmethod
    def __iter__(self) -> Iterator[AbstractRoute]:
        """The routes of the resource."""


class Resource(AbstractResource):
    """A path, plain or a template, with one route for each method."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._routes: dict[str, ResourceRoute] = {}

    def add_route(
        self,
        method: str,
        handler: Handler | type[AbstractView],
        *,
        expect_handler: ExpectHandler | None = None,
        client_max_size: int | None = None,
        handler_cancellation: bool | None = None,
        middlewares: Iterable[Middleware] = (),
    ) -> ResourceRoute:
        """Add a route; RuntimeError when its method, or ``"*"``, is taken already."""
        if route := self._routes.get(method) or self._routes.get(hdrs.METH_ANY):
            raise RuntimeError(f"Added route will never be executed, method {route.method} is already registered")
        route = ResourceRoute(
            method,
            handler,
            self,
            expect_handler=expect_handler,
            client_max_size=client_max_size,
            handler_cancellation=handler_cancellation,
            middlewares=middlewares,
        )
        self.register_route(route)
        return route

    def register_route(self, route: ResourceRoute) -> None:
        """Add a route made beforehand."""
        self._routes[route.method] = route

    async def resolve(self, request: Request) -> Resolution:
        match_dict = self.match(path_to_match(request))
        if match_dict is None:
            return None, set()
        route = self._routes.get(request.method) or self._routes.get(hdrs.METH_ANY)
        if route is None:
            return None, set(self._routes)
        return UrlMappingMatchInfo(match_dict, route), set(self._routes)

    @abc.abstractmethod
    def match(self, path: str) -> dict[str, str] | None:
        """The dynamic parts of ``path`` (decoded but for ``%2F`` and ``%25``), or None where it does not match."""

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[ResourceRoute]:
        return iter(self._routes.values())


class PlainResource(Resource):
    """A path without dynamic parts."""

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._path = path

    @property
    def canonical(self) -> str:
        return self._path

    def freeze(self) -> None:
        if not self._path:
            self._path = "/"

    def add_prefix(self, prefix: str) -> None:
        _check_prefix(prefix)
        self._path = prefix + self._path

    def match(self, path: str) -> dict[str, str] | None:
        return {} if path == self._path else None

    def raw_match(self, path: str) -> bool:
        return self._path == path

    def get_info(self) -> dict[str, Any]:
        return {"path": self._path}

    def url_for(self) -> URL:  # type: ignore[override]
        """The URL of the path."""
        return URL.build(path=self._path, encoded=True)

    def __repr__(self) -> str:
        name = f"'{self.name}' " if self.name is not None else ""
        return f"<PlainResource {name} {self._path}>"


class DynamicResource(Resource):
    """A path template such as ``/users/{id}`` or ``/files/{tail:.*}``."""

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._orig_path = path
        self._prefix = ""
        self._template = Template(path)

    @property
    def template(self) -> Template:
        """The parsed path, prefixes of sub-applications included."""
        return self._template

    @property
    def canonical(self) -> str:
        return self._template.formatter

    def add_prefix(self, prefix: str) -> None:
        _check_prefix(prefix)
        # A prefix comes quoted and has no dynamic part: to parse it with the template keeps one reading of both.
        self._prefix = prefix + self._prefix
        self._template = Template(self._prefix + self._orig_path)

    def match(self, path: str) -> dict[str, str] | None:
        match = self._template.pattern.fullmatch(path)
        if match is None:
            return None
        return {name: unquote_path_safe(value) for name, value in match.groupdict().items()}

    def raw_match(self, path: str) -> bool:
        return self._orig_path == path

    def get_info(self) -> dict[str, Any]:
        return {"formatter": self._template.formatter, "pattern": self._template.pattern}

    def url_for(self, **parts: str) -> URL:
        """The URL with every dynamic part filled in.

        Parts are percent-encoded. TypeError for a part that is no str, KeyError for one that is missing.
        """
        return URL.build(path=self._template.formatter.format_map(_quote_parts(parts)), encoded=True)

    def __repr__(self) -> str:
        name = f"'{self.name}' " if self.name is not None else ""
        return f"<DynamicResource {name} {self._template.formatter}>"


class PrefixResource(AbstractResource):
    """What answers every path below a prefix."""

    def __init__(self, prefix: str, *, name: str | None = None) -> None:
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"The prefix {prefix!r} must start with a slash")
        if prefix.endswith("/"):
            raise ValueError(f"The prefix {prefix!r} must not end with a slash")
        super().__init__(name=name)
        self._prefix = requote_path(prefix)

    @property
    def canonical(self) -> str:
        return self._prefix

    def add_prefix(self, prefix: str) -> None:
        _check_prefix(prefix)
        self._prefix = prefix + self._prefix

    def covers(self, path: str) -> bool:
        """Whether ``path`` is the prefix or lies below it."""
        return path == self._prefix or path.startswith(self._prefix + "/")

    def raw_match(self, prefix: str) -> bool:
        return False


class PrefixedSubAppResource(PrefixResource):
    """A sub-application below a prefix. What lies below the prefix is its own to answer, 404 included."""

    def __init__(self, prefix: str, app: Application) -> None:
        prefix = prefix.rstrip("/")
        if not prefix:
            raise ValueError("Prefix cannot be empty")
        super().__init__(prefix)
        self._app = app
        self._add_prefix_to_resources(self._prefix)

    @property
    def app(self) -> Application:
        """The sub-application."""
        return self._app

    def add_prefix(self, prefix: str) -> None:
        super().add_prefix(prefix)
        self._add_prefix_to_resources(prefix)

    def _add_prefix_to_resources(self, prefix: str) -> None:
        router = self._app.router
        for resource in router.resources():
            # The router's index goes by the path, which is about to change.
            router.unindex_resource(resource)
            resource.add_prefix(prefix)
            router.index_resource(resource)

    def url_for(self, *args: str, **kwargs: str) -> URL:
        raise RuntimeError(".url_for() is not supported by sub-application root")

    def get_info(self) -> dict[str, Any]:
        return {"app": self._app, "prefix": self._prefix}

    async def resolve(self, request: Request) -> Resolution:
        if not self.covers(path_to_match(request)):
            return None, set()
        return await _resolve_in(self._app, request)

    def __len__(self) -> int:
        return len(self._app.router.routes())

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._app.router.routes())

    def __repr__(self) -> str:
        return f"<PrefixedSubAppResource {self._prefix} -> {self._app!r}>"


class MatchedSubAppResource(PrefixedSubAppResource):
    """A sub-application for the requests whose ``Host`` satisfies a rule."""

    def __init__(self, rule: Domain, app: Application) -> None:
        AbstractResource.__init__(self)
        self._prefix = ""
        self._app = app
        self._rule = rule

    @property
    def canonical(self) -> str:
        return self._rule.canonical

    @property
    def rule(self) -> Domain:
        """The rule that the ``Host`` must satisfy."""
        return self._rule

    def get_info(self) -> dict[str, Any]:
        return {"app": self._app, "rule": self._rule}

    async def resolve(self, request: Request) -> Resolution:
        if not await self._rule.match(request):
            return None, set()
        return await _resolve_in(self._app, request)

    def __repr__(self) -> str:
        return f"<MatchedSubAppResource -> {self._app!r}>"


async def _resolve_in(app: Application, request: Request) -> Resolution:
    match_info = await app.router.resolve(request)
    match_info.add_app(app)
    exception = match_info.http_exception
    methods = exception.allowed_methods if isinstance(exception, HTTPMethodNotAllowed) else set()
    return match_info, methods


def _check_prefix(prefix: str) -> None:
    if not prefix.startswith("/") or prefix.endswith("/") or len(prefix) < 2:
        raise ValueError(f"A prefix starts with a slash and does not end with one, got {prefix!r}")


def _quote_parts(parts: dict[str, str]) -> dict[str, str]:
    quoted = {}
    for name, value in parts.items():
        if not isinstance(value, str):
            raise TypeError(f"Argument should be str: {name}={value!r}; convert it with str()")
        quoted[name] = quote_path(value)
    return quoted
