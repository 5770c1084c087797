"""A foreign ASGI application below a prefix, as a resource of the routing table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from yarl import URL

from framework import hdrs
from framework.routing.match_info import UrlMappingMatchInfo
from framework.routing.resources import PrefixResource, Resolution, path_to_match
from framework.routing.routes import AbstractRoute, ResourceRoute
from framework.routing.templates import is_dynamic, quote_path, requote_path

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.stream_responses import StreamResponse
    from framework.typedefs import ASGIApp

__all__ = ("MountResource",)


class MountResource(PrefixResource):
    """What lies at and below a prefix is the mounted application's to answer, whatever the method.

    Args:
        prefix: where the application is; empty or ``/`` for all that no other route answers.
        app: the ASGI application.
        answer: has ``app`` answer a request; it is given the prefix, percent-decoded.
        name: for `url_for` by ``app.router[name]``.

    Raises ValueError for a prefix that has dynamic parts or does not begin with a slash.
    """

    def __init__(
        self,
        prefix: str,
        app: ASGIApp,
        answer: Callable[[Request, str], Awaitable[StreamResponse]],
        *,
        name: str | None = None,
    ) -> None:
        if is_dynamic(prefix):
            raise ValueError(f"The prefix of a mounted application has no dynamic parts, got {prefix!r}")
        super().__init__(prefix.removesuffix("/"), name=name)
        self._prefix = _safe(self._prefix)
        self._app = app
        self._answer = answer
        # What the server says of the client, the mounted application receives itself.
        self._route = ResourceRoute(hdrs.METH_ANY, self._handle, self, handler_cancellation=False)

    async def _handle(self, request: Request) -> StreamResponse:
        return await self._answer(request, URL.build(path=self._prefix, encoded=True).path)

    @property
    def app(self) -> ASGIApp:
        """The mounted application."""
        return self._app

    def add_prefix(self, prefix: str) -> None:
        super().add_prefix(prefix)
        self._prefix = _safe(self._prefix)

    async def resolve(self, request: Request) -> Resolution:
        if not self.covers(path_to_match(request)):
            return None, set()
        return UrlMappingMatchInfo({}, self._route), {hdrs.METH_ANY}

    def url_for(self, *, path: str = "") -> URL:  # type: ignore[override]
        """The URL of a path of the mounted application, which begins with a slash there."""
        return URL.build(path=requote_path(self._prefix) + quote_path(path) or "/", encoded=True)

    def get_info(self) -> dict[str, Any]:
        return {"app": self._app, "prefix": self._prefix}

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[AbstractRoute]:
        yield self._route

    def __repr__(self) -> str:
        name = f"'{self.name}' " if self.name is not None else ""
        return f"<MountResource {name}{self._prefix or '/'} -> {self._app!r}>"


def _safe(prefix: str) -> str:
    """A prefix in the form that paths are matched in."""
    return URL.build(path=prefix, encoded=True).path_safe if prefix else ""
