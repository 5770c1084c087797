"""The router: `UrlDispatcher`, the registry of resources and the answer to «which route is this request for?»."""

from __future__ import annotations

import abc
import keyword
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sized
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from framework import hdrs
from framework.routing.match_info import MatchInfoError, UrlMappingMatchInfo
from framework.routing.matcher import ChainBuilder, Irregular, Matcher, index_key, miss
from framework.routing.resources import (
    AbstractResource,
    DynamicResource,
    MatchedSubAppResource,
    PlainResource,
    Resource,
    path_to_match,
)
from framework.routing.routes import AbstractRoute, ExpectHandler
from framework.routing.static import CacheControl, StaticResource
from framework.routing.templates import is_dynamic

if TYPE_CHECKING:
    from framework.applications import Application
    from framework.requests import Request
    from framework.routing.definitions import AbstractRouteDef
    from framework.routing.views import AbstractView
    from framework.typedefs import Handler, Middleware, PathLike

__all__ = ("AbstractRouter", "ResourcesView", "RoutesView", "UrlDispatcher")


class AbstractRouter(abc.ABC):
    """What an application asks for the route of a request."""

    def __init__(self) -> None:
        self._frozen = False

    def post_init(self, app: Application) -> None:  # noqa: B027 - a hook
        """Called when ``app`` takes the router."""

    @property
    def frozen(self) -> bool:
        """Whether the table can no longer change."""
        return self._frozen

    def freeze(self) -> None:
        """Refuse changes from now on."""
        self._frozen = True

    @abc.abstractmethod
    async def resolve(self, request: Request) -> UrlMappingMatchInfo:
        """The match info of a request; for 404 and 405 one whose handler raises."""


class ResourcesView(Sized, Iterable[AbstractResource], Container[AbstractResource]):
    """All resources, in the order of registration."""

    def __init__(self, resources: list[AbstractResource]) -> None:
        self._resources = resources

    def __len__(self) -> int:
        return len(self._resources)

    def __iter__(self) -> Iterator[AbstractResource]:
        return iter(self._resources)

    def __contains__(self, resource: object) -> bool:
        return resource in self._resources


class RoutesView(Sized, Iterable[AbstractRoute], Container[AbstractRoute]):
    """All routes of all resources."""

    def __init__(self, resources: list[AbstractResource]) -> None:
        self._routes = [route for resource in resources for route in resource]

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._routes)

    def __contains__(self, route: object) -> bool:
        return route in self._routes


def _no_chain(route: AbstractRoute | None, apps: tuple[Application, ...]) -> Handler:
    """A table that is only asked for match infos needs no middlewares."""

    async def handler(request: Request) -> Any:
        raise RuntimeError("This endpoint was compiled for matching only")

    return handler


class UrlDispatcher(AbstractRouter, Mapping[str, AbstractResource]):
    """The routing table of an application, and a mapping of the named resources.

    ``app.router["user"].url_for(id="1")`` gives the URL of the resource that was registered as ``user``.
    """

    NAME_SPLIT_RE = re.compile(r"[.:-]")

    def __init__(self) -> None:
        super().__init__()
        self._resources: list[AbstractResource] = []
        self._named_resources: dict[str, AbstractResource] = {}
        # Rules 1 to 3 of the matcher, as a walk: literal prefix → resources in the order of registration.
        self._index: dict[str, list[AbstractResource]] = {}
        self._matched_sub_apps: list[MatchedSubAppResource] = []
        # The most slashes of a key in the index.
        self._index_depth = 0
        self._matcher: Matcher | None = None
        self._irregular = False

    def compile(self, apps: tuple[Application, ...], chain: ChainBuilder) -> Matcher:
        """The table compiled for ``apps``, the applications down to this table's own.

        Raises `Irregular` where the table, or a subclass of the router, decides by code of its own.
        """
        if type(self).resolve is not UrlDispatcher.resolve:
            raise Irregular(self)
        return Matcher(self, apps, chain)

    async def resolve(self, request: Request) -> UrlMappingMatchInfo:
        """The match info of ``request``; for 404 and 405 one whose handler raises."""
        matcher = self._compiled_table()
        if matcher is None or matcher.needs_host:
            return await self._walk(request)
        endpoint, values = matcher.match(path_to_match(request), request.method)
        # Not frozen yet: the applications further out add themselves.
        return endpoint.match_info(request.method, values, frozen=False)

    def _compiled_table(self) -> Matcher | None:
        """The table compiled for itself, remembered once it is frozen; None for one that only the walk can ask."""
        if self._irregular or self._matcher is not None:
            return self._matcher
        try:
            matcher = Matcher(self, (), _no_chain)
        except Irregular:
            self._irregular = self.frozen
            return None
        if self.frozen:
            self._matcher = matcher
        return matcher

    async def _walk(self, request: Request) -> UrlMappingMatchInfo:
        allowed: set[str] = set()
        for resource in self._matched_sub_apps:
            match_info, methods = await resource.resolve(request)
            if match_info is not None:
                return match_info
            allowed |= methods
        path = path_to_match(request)
        # No prefix in the table has more slashes: a path of nothing but slashes must not cost its length squared.
        depth = self._index_depth
        prefix = "/".join(path.split("/", depth + 1)[: depth + 1]) if path.count("/") > depth else path
        prefix = prefix or path[:1]
        while prefix:
            for candidate in self._index.get(prefix, ()):
                match_info, methods = await candidate.resolve(request)
                if match_info is not None:
                    return match_info
                allowed |= methods
            if prefix == "/":
                break
            prefix = prefix.rpartition("/")[0] or "/"
        return MatchInfoError(miss(request.method, allowed))

    def __iter__(self) -> Iterator[str]:
        return iter(self._named_resources)

    def __len__(self) -> int:
        return len(self._named_resources)

    def __contains__(self, name: object) -> bool:
        return name in self._named_resources

    def __getitem__(self, name: str) -> AbstractResource:
        return self._named_resources[name]

    def resources(self) -> ResourcesView:
        """All resources, named or not."""
        return ResourcesView(self._resources)

    def routes(self) -> RoutesView:
        """All routes."""
        return RoutesView(self._resources)

    def named_resources(self) -> Mapping[str, AbstractResource]:
        """The resources that have a name."""
        return MappingProxyType(self._named_resources)

    def register_resource(self, resource: AbstractResource) -> None:
        """Add a resource made beforehand.

        RuntimeError for a frozen table; ValueError for a name that is taken, or is no sequence of identifiers joined
        by dashes, dots or colons.
        """
        if not isinstance(resource, AbstractResource):
            raise TypeError(f"Instance of AbstractResource class is required, got {resource!r}")
        if self.frozen:
            raise RuntimeError("Cannot register a resource into frozen router.")
        name = resource.name
        if name is not None:
            self._check_name(name)
            self._named_resources[name] = resource
        self._resources.append(resource)
        if isinstance(resource, MatchedSubAppResource):
            self._matched_sub_apps.append(resource)
        else:
            self.index_resource(resource)

    def _check_name(self, name: str) -> None:
        for part in self.NAME_SPLIT_RE.split(name):
            if keyword.iskeyword(part):
                raise ValueError(f"Incorrect route name {name!r}, python keywords cannot be used for route name")
            if not part.isidentifier():
                raise ValueError(
                    f"Incorrect route name {name!r}, the name should be a sequence of "
                    "python identifiers separated by dash, dot or column"
                )
        if name in self._named_resources:
            raise ValueError(f"Duplicate {name!r}, already handled by {self._named_resources[name]!r}")

    def index_resource(self, resource: AbstractResource) -> None:
        """Put a resource in the index by its literal prefix."""
        key = index_key(resource)
        self._index.setdefault(key, []).append(resource)
        self._index_depth = max(self._index_depth, key.count("/"))

    def unindex_resource(self, resource: AbstractResource) -> None:
        """Take a resource out of the index, before its path changes."""
        if resource in self._index.get(index_key(resource), ()):
            self._index[index_key(resource)].remove(resource)

    def add_resource(self, path: str, *, name: str | None = None) -> Resource:
        """The resource for ``path``: a new one, or the last one added where path and name are the same.

        ValueError for a path that does not begin with a slash, or is no valid template.
        """
        if path and not path.startswith("/"):
            raise ValueError("path should be started with / or be empty")
        if self._resources:
            last = self._resources[-1]
            if last.name == name and last.raw_match(path) and isinstance(last, Resource):
                return last
        resource: Resource
        if is_dynamic(path):
            resource = DynamicResource(path, name=name)
        else:
            resource = PlainResource(path, name=name)
        self.register_resource(resource)
        return resource

    def add_route(
        self,
        method: str,
        path: str,
        handler: Handler | type[AbstractView],
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        client_max_size: int | None = None,
        handler_cancellation: bool | None = None,
        middlewares: Iterable[Middleware] = (),
    ) -> AbstractRoute:
        """Add ``handler`` at ``path`` for ``method`` (``"*"``: for any) and return the route.

        ``client_max_size`` is the most bytes of body that this route takes instead of the application's number, 0 for
        any number; ``handler_cancellation`` says instead of the application whether the handler is cancelled when its
        client leaves. ``middlewares`` are the route's own, the outermost first, inside those of the application. Raises
        as `add_resource` and `Resource.add_route` do.
        """
        resource = self.add_resource(path, name=name)
        return resource.add_route(
            method,
            handler,
            expect_handler=expect_handler,
            client_max_size=client_max_size,
            handler_cancellation=handler_cancellation,
            middlewares=middlewares,
        )

    def add_static(
        self,
        prefix: str,
        path: PathLike,
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        chunk_size: int = 256 * 1024,
        show_index: bool = False,
        follow_symlinks: bool = False,
        append_version: bool = False,
        cache_control: CacheControl | None = None,
        html: bool = False,
        fallback: str | None = None,
    ) -> AbstractResource:
        """Serve the files of the folder ``path`` under ``prefix``; the arguments are those of `StaticResource`.

        Raises as `StaticResource` and `register_resource` do.
        """
        if not prefix.startswith("/"):
            raise ValueError(f"The prefix {prefix!r} must start with a slash")
        resource = StaticResource(
            prefix.removesuffix("/"),
            path,
            name=name,
            expect_handler=expect_handler,
            chunk_size=chunk_size,
            show_index=show_index,
            follow_symlinks=follow_symlinks,
            append_version=append_version,
            cache_control=cache_control,
            html=html,
            fallback=fallback,
        )
        self.register_resource(resource)
        return resource

    def add_head(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a HEAD route."""
        return self.add_route(hdrs.METH_HEAD, path, handler, **kwargs)

    def add_options(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add an OPTIONS route."""
        return self.add_route(hdrs.METH_OPTIONS, path, handler, **kwargs)

    def add_get(
        self, path: str, handler: Handler, *, name: str | None = None, allow_head: bool = True, **kwargs: Any
    ) -> AbstractRoute:
        """Add a GET route, and a HEAD route for the same handler unless ``allow_head`` is false."""
        resource = self.add_resource(path, name=name)
        if allow_head:
            resource.add_route(hdrs.METH_HEAD, handler, **kwargs)
        return resource.add_route(hdrs.METH_GET, handler, **kwargs)

    def add_post(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a POST route."""
        return self.add_route(hdrs.METH_POST, path, handler, **kwargs)

    def add_put(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a PUT route."""
        return self.add_route(hdrs.METH_PUT, path, handler, **kwargs)

    def add_patch(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a PATCH route."""
        return self.add_route(hdrs.METH_PATCH, path, handler, **kwargs)

    def add_delete(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a DELETE route."""
        return self.add_route(hdrs.METH_DELETE, path, handler, **kwargs)

    def add_view(self, path: str, handler: type[AbstractView], **kwargs: Any) -> AbstractRoute:
        """Add a class-based view for every method."""
        return self.add_route(hdrs.METH_ANY, path, handler, **kwargs)

    def add_routes(self, routes: Iterable[AbstractRouteDef]) -> list[AbstractRoute]:
        """Register route definitions, a `RouteTableDef` or a list, and return the routes."""
        added: list[Any] = []
        for route_def in routes:
            added.extend(route_def.register(self))
        return added

    def freeze(self) -> None:
        """Refuse changes from now on."""
        super().freeze()
        for resource in self._resources:
            resource.freeze()
