"""`install_as_aiohttp`: libraries that import ``aiohttp.web`` are given `framework.web`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Final

from framework import hdrs, multipart, multipart_writer, test_utils, typedefs, web
from framework.routing.dispatcher import AbstractRouter
from framework.routing.match_info import AbstractMatchInfo
from framework.routing.views import AbstractView
from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger

__all__ = ("install_as_aiohttp",)

#: The modules of aiohttp whose public names are in ``aiohttp.web`` too.
_PARTS: Final = (
    "web",
    "web_app",
    "web_exceptions",
    "web_fileresponse",
    "web_log",
    "web_middlewares",
    "web_request",
    "web_response",
    "web_routedef",
    "web_runner",
    "web_urldispatcher",
    "web_ws",
)
_ABSTRACT: Final = (AbstractMatchInfo, AbstractRouter, AbstractView)
#: What programs for servers take from ``aiohttp`` itself.
_TOP_LEVEL: Final = {
    multipart: ("BodyPartReader", "MultipartReader"),
    multipart_writer: ("MultipartWriter",),
    web: ("WSCloseCode", "WSMessage", "WSMsgType"),
}


def install_as_aiohttp() -> None:
    """Put `framework.web` in the place of ``aiohttp.web``, for libraries and programs that import that.

    Call it before anything has imported ``aiohttp.web``. Where aiohttp is installed it keeps its client, and its
    ``aiohttp.abc`` is told that the views and routers of this package are such. Where it is not, a package of the name
    ``aiohttp`` is made up that has ``web``, ``hdrs``, ``abc``, ``typedefs`` and ``test_utils``, and no client.

    Calling it again does nothing. RuntimeError where aiohttp's own ``aiohttp.web`` was imported already.
    """
    if sys.modules.get("aiohttp.web") is web:
        return
    if imported := [name for name in _PARTS if f"aiohttp.{name}" in sys.modules]:
        raise RuntimeError(f"aiohttp.{imported[0]} was imported already: call install_as_aiohttp() before all imports")
    try:
        aiohttp = importlib.import_module("aiohttp")
    except ModuleNotFoundError as exc:
        if exc.name != "aiohttp":
            raise
        aiohttp = _made_up()
    else:
        abstract = importlib.import_module("aiohttp.abc")
        for base in _ABSTRACT:
            getattr(abstract, base.__name__).register(base)
        # A class of the program's own, derived from aiohttp's, is an access_log_class here.
        AbstractAccessLogger.register(abstract.AbstractAccessLogger)
        abstract.AbstractAccessLogger.register(AccessLogger)
    for name in _PARTS:
        _put(aiohttp, name, web)


def _made_up() -> ModuleType:
    aiohttp = sys.modules["aiohttp"] = ModuleType("aiohttp", "aiohttp's names, by framework.install_as_aiohttp()")
    vars(aiohttp).update(__path__=[], __version__="3.14.0")
    abstract = ModuleType("aiohttp.abc")
    vars(abstract).update({base.__name__: base for base in (*_ABSTRACT, AbstractAccessLogger)})
    for name, module in (("abc", abstract), ("hdrs", hdrs), ("test_utils", test_utils), ("typedefs", typedefs)):
        _put(aiohttp, name, module)
    for module, names in _TOP_LEVEL.items():
        vars(aiohttp).update({name: getattr(module, name) for name in names})
    return aiohttp


def _put(package: ModuleType, name: str, module: ModuleType) -> None:
    sys.modules[f"{package.__name__}.{name}"] = module
    setattr(package, name, module)
