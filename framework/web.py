"""The façade: aiohttp.web's names. A program changes one import, ``from framework import web``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from framework.applications import Application
from framework.cleanup import CleanupError
from framework.compression import ContentCoding
from framework.exceptions import *  # noqa: F403 - the tree of HTTP exceptions, all of which are public
from framework.exceptions import __all__ as _exceptions
from framework.file_field import FileField
from framework.files import FileResponse
from framework.keys import AppKey, NotAppKeyWarning, RequestKey, ResponseKey
from framework.middlewares import middleware, normalize_path_middleware
from framework.requests import BaseRequest, Request
from framework.responses import Response, StreamResponse, json_bytes_response, json_response
from framework.routing.definitions import (
    AbstractRouteDef,
    RouteDef,
    RouteTableDef,
    StaticDef,
    delete,
    get,
    head,
    options,
    patch,
    post,
    put,
    route,
    static,
    view,
)
from framework.routing.dispatcher import UrlDispatcher
from framework.routing.match_info import UrlMappingMatchInfo
from framework.routing.resources import (
    AbstractResource,
    DynamicResource,
    PlainResource,
    PrefixedSubAppResource,
    Resource,
)
from framework.routing.routes import AbstractRoute, ResourceRoute
from framework.routing.static import StaticResource
from framework.routing.views import View
from framework.streams import PayloadAccessError, RequestPayloadError

if TYPE_CHECKING:
    from framework.event_source import EventSourceResponse, sse_response, stop_event_streams
    from framework.request_ids import RequestIdFilter, request_id, request_id_middleware
    from framework.sansio.ws_messages import WebSocketError, WSCloseCode, WSMessage, WSMessageTypeError, WSMsgType
    from framework.serving.access_log import AccessLogMiddleware
    from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger
    from framework.serving.json_access_log import JSONAccessLogger
    from framework.serving.low_level import Server
    from framework.serving.run import run_app
    from framework.serving.runner_sites import BaseSite, NamedPipeSite, SockSite, TCPSite, UnixSite
    from framework.serving.runners import AppRunner, BaseRunner, GracefulExit, ServerRunner
    from framework.websockets import WebSocketReady, WebSocketResponse

__all__ = (  # noqa: PLE0604 - the names of the exceptions are listed by their module
    *_exceptions,
    "AbstractAccessLogger",
    "AbstractResource",
    "AbstractRoute",
    "AbstractRouteDef",
    "AccessLogMiddleware",
    "AccessLogger",
    "AppKey",
    "AppRunner",
    "Application",
    "BaseRequest",
    "BaseRunner",
    "BaseSite",
    "CleanupError",
    "ContentCoding",
    "DynamicResource",
    "EventSourceResponse",
    "FileField",
    "FileResponse",
    "GracefulExit",
    "JSONAccessLogger",
    "NamedPipeSite",
    "NotAppKeyWarning",
    "PayloadAccessError",
    "PlainResource",
    "PrefixedSubAppResource",
    "Request",
    "RequestIdFilter",
    "RequestKey",
    "RequestPayloadError",
    "Resource",
    "ResourceRoute",
    "Response",
    "ResponseKey",
    "RouteDef",
    "RouteTableDef",
    "Server",
    "ServerRunner",
    "SockSite",
    "StaticDef",
    "StaticResource",
    "StreamResponse",
    "TCPSite",
    "UnixSite",
    "UrlDispatcher",
    "UrlMappingMatchInfo",
    "View",
    "WSCloseCode",
    "WSMessage",
    "WSMessageTypeError",
    "WSMsgType",
    "WebSocketError",
    "WebSocketReady",
    "WebSocketResponse",
    "delete",
    "get",
    "head",
    "json_bytes_response",
    "json_response",
    "middleware",
    "normalize_path_middleware",
    "options",
    "patch",
    "post",
    "put",
    "request_id",
    "request_id_middleware",
    "route",
    "run_app",
    "sse_response",
    "static",
    "stop_event_streams",
    "view",
)

# Imported when a program first asks for them, to keep the import of the rest cheap: 2 ms of 70.
_LAZY = {
    "AbstractAccessLogger": "framework.serving.access_loggers",
    "AccessLogMiddleware": "framework.serving.access_log",
    "AccessLogger": "framework.serving.access_loggers",
    "AppRunner": "framework.serving.runners",
    "BaseRunner": "framework.serving.runners",
    "BaseSite": "framework.serving.runner_sites",
    "EventSourceResponse": "framework.event_source",
    "GracefulExit": "framework.serving.runners",
    "JSONAccessLogger": "framework.serving.json_access_log",
    "NamedPipeSite": "framework.serving.runner_sites",
    "RequestIdFilter": "framework.request_ids",
    "Server": "framework.serving.low_level",
    "ServerRunner": "framework.serving.runners",
    "SockSite": "framework.serving.runner_sites",
    "TCPSite": "framework.serving.runner_sites",
    "UnixSite": "framework.serving.runner_sites",
    "WSCloseCode": "framework.sansio.ws_messages",
    "WSMessage": "framework.sansio.ws_messages",
    "WSMessageTypeError": "framework.sansio.ws_messages",
    "WSMsgType": "framework.sansio.ws_messages",
    "WebSocketError": "framework.sansio.ws_messages",
    "WebSocketReady": "framework.websockets",
    "WebSocketResponse": "framework.websockets",
    "request_id": "framework.request_ids",
    "request_id_middleware": "framework.request_ids",
    "run_app": "framework.serving.run",
    "sse_response": "framework.event_source",
    "stop_event_streams": "framework.event_source",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    # Imported here: who imports this module has no use for a command line.
    from framework.cli.entry_function import main

    main()
