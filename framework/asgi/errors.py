"""What a client is told when a handler fails: nothing but that it did, unless the application is in debug mode."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import Final

from framework import hdrs
from framework.requests import BaseRequest
from framework.responses import Response
from framework.typedefs import Scope

logger = logging.getLogger("framework.web")

__all__ = ("EXCEPTION_REPORT", "error_response", "report_exception")

#: The extension of the scope by which a test's client asks for the exceptions that are answered with a 500 here: a
#: dict whose ``report`` is called with each.
EXCEPTION_REPORT: Final = "framework.exception_report"

_TROUBLE: Final = "Server got itself in trouble"

#: When the program began, as good as: what was changed since may not be what runs.
_BEGAN: Final = time.time()


def report_exception(scope: Scope, exc: BaseException) -> None:
    """Tell a test's client, where there is one, what was raised."""
    extension = (scope.get("extensions") or {}).get(EXCEPTION_REPORT)
    if extension is not None:
        extension["report"](exc)


def error_response(request: BaseRequest, status: int = 500, exc: BaseException | None = None) -> Response:
    """The answer to a request whose handler raised.

    ``exc`` is given in debug mode only, and is shown with its traceback. The page is HTML where the client accepts
    that, else plain text.
    """
    title = f"{status} {HTTPStatus(status).phrase}"
    is_html = "text/html" in request.headers.get(hdrs.ACCEPT, "")
    response = None if exc is None else _debug_response(request.scope, title, exc, is_html=is_html)
    if response is not None:
        response.set_status(status)
    elif status == 504:
        # As aiohttp answers a handler that timed out: without a word.
        response = Response(content_type="text/plain", status=status)
    elif is_html:
        page = f"<html><head><title>{title}</title></head><body>\n<h1>{title}</h1>\n{_TROUBLE}\n</body></html>\n"
        response = Response(status=status, text=page, content_type="text/html")
    else:
        response = Response(status=status, text=f"{title}\n\n{_TROUBLE}")
    response.force_close()
    return response


def _debug_response(scope: Scope, title: str, exc: BaseException, *, is_html: bool) -> Response | None:
    # Imported when there is something to show: half of the standard library that deals with source comes along.
    from framework.debug.page import debug_page, debug_text

    try:
        return debug_page(scope, title, exc, began=_BEGAN) if is_html else debug_text(scope, title, exc)
    except Exception:
        # An exception whose attributes are the program's own code, most likely. It was logged, and shall be answered.
        logger.exception("The exception cannot be shown")
        return None
