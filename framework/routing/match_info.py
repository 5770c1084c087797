"""What the router found: the values of the path's dynamic parts, the route, and the applications on the way to it."""

from __future__ import annotations

import abc
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from framework.exceptions import HTTPException
from framework.routing.routes import AbstractRoute, SystemRoute

if TYPE_CHECKING:
    from framework.applications import Application
    from framework.routing.matcher import Endpoint
    from framework.routing.routes import ExpectHandler
    from framework.routing.views import AbstractView
    from framework.typedefs import Handler

__all__ = ("AbstractMatchInfo", "MatchInfoError", "UrlMappingMatchInfo")


class AbstractMatchInfo(abc.ABC):
    """What a router's ``resolve`` gives."""

    @property
    @abc.abstractmethod
    def handler(self) -> Handler | type[AbstractView]:
        """What answers the request."""

    @property
    @abc.abstractmethod
    def expect_handler(self) -> ExpectHandler:
        """What answers ``Expect: 100-continue``."""

    @property
    @abc.abstractmethod
    def http_exception(self) -> HTTPException | None:
        """The exception the handler raises when nothing matched, else None."""

    @abc.abstractmethod
    def get_info(self) -> dict[str, Any]:
        """What is known of the matched route's path."""

    @property
    @abc.abstractmethod
    def apps(self) -> tuple[Application, ...]:
        """The applications on the way to the handler, the outermost first."""

    @abc.abstractmethod
    def add_app(self, app: Application) -> None:
        """Put ``app`` before the applications gathered so far."""

    @abc.abstractmethod
    def freeze(self) -> None:
        """Refuse `add_app` from now on."""


class UrlMappingMatchInfo(dict[str, str], AbstractMatchInfo):
    """``request.match_info``: a dict of the path's dynamic parts, decoded."""

    def __init__(
        self,
        match_dict: Mapping[str, str] | Iterable[tuple[str, str]],
        route: AbstractRoute,
        apps: tuple[Application, ...] = (),
        current_app: Application | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__(match_dict)
        self._route = route
        self._apps = apps
        self._current_app = current_app
        self._frozen = frozen

    def __repr__(self) -> str:
        return f"<MatchInfo {super().__repr__()}: {self._route}>"

    # A dict of path parts is compared by its parts, but two matches are never the same match.
    __hash__ = None  # type: ignore[assignment]

    @property
    def handler(self) -> Handler | type[AbstractView]:
        return self._route.handler

    @property
    def route(self) -> AbstractRoute:
        """The matched route; a `SystemRoute` for 404 and 405."""
        return self._route

    @property
    def expect_handler(self) -> ExpectHandler:
        return self._route.handle_expect_header

    @property
    def http_exception(self) -> HTTPException | None:
        return None

    def get_info(self) -> dict[str, Any]:
        return self._route.get_info()

    @property
    def apps(self) -> tuple[Application, ...]:
        return self._apps

    def add_app(self, app: Application) -> None:
        """Put ``app`` before the applications gathered so far; RuntimeError once frozen."""
        if self._frozen:
            raise RuntimeError("Cannot change apps stack after .freeze() call")
        if self._current_app is None:
            self._current_app = app
        self._apps = (app, *self._apps)

    @property
    def current_app(self) -> Application:
        """The application whose middlewares or handler run now; RuntimeError outside of any."""
        app = self._current_app
        if app is None:
            raise RuntimeError("The match info has no current application: it was not made by one")
        return app

    @current_app.setter
    def current_app(self, app: Application) -> None:
        if not any(app is each for each in self._apps):
            raise RuntimeError(f"Expected one of the following apps {self._apps!r}, got {app!r}")
        self._current_app = app

    @contextmanager
    def set_current_app(self, app: Application) -> Generator[None, None, None]:
        """Make ``app`` the current one inside the ``with`` block."""
        previous = self._current_app
        self.current_app = app
        try:
            yield
        finally:
            self._current_app = previous

    def freeze(self) -> None:
        self._frozen = True


class CompiledMatchInfo(UrlMappingMatchInfo):
    """The match info that a compiled table gives: its route and its applications are those of an endpoint.

    PERF: made for every request with dynamic parts. It is constructed by dict itself and given its endpoint, in
    0.35 µs; an ``__init__`` that sets route and applications took 0.65.
    """

    endpoint: Endpoint
    _current_app = None
    _frozen = True

    __init__ = dict.__init__

    @property
    def _route(self) -> AbstractRoute:  # type: ignore[override]
        return cast("AbstractRoute", self.endpoint.route)

    @property
    def _apps(self) -> tuple[Application, ...]:  # type: ignore[override]
        return self.endpoint.apps

    @property
    def current_app(self) -> Application:
        return cast("Application", self._current_app or self.endpoint.app)

    @current_app.setter
    def current_app(self, app: Application) -> None:
        UrlMappingMatchInfo.current_app.fset(self, app)  # type: ignore[attr-defined]


class MatchInfoError(UrlMappingMatchInfo):
    """The match info of a 404 or a 405."""

    def __init__(
        self,
        http_exception: HTTPException,
        apps: tuple[Application, ...] = (),
        current_app: Application | None = None,
        frozen: bool = False,
    ) -> None:
        self._exception = http_exception
        super().__init__({}, SystemRoute(http_exception), apps, current_app, frozen)

    @property
    def http_exception(self) -> HTTPException:
        return self._exception

    def __repr__(self) -> str:
        return f"<MatchInfoError {self._exception.status}: {self._exception.reason}>"
