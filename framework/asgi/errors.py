"""What a client is told when a handler fails: nothing but that it did, unless the application is in debug mode."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from framework import hdrs
from framework.requests import BaseRequest
from framework.responses import Response
from framework.typedefs import Scope

__all__ = ("EXCEPTION_REPORT", "error_response", "report_exception")

#: The extension of the scope by which a test's client asks for the exceptions that are answered with a 500 here: a
#: dict whose ``report`` is called with each.
EXCEPTION_REPORT: Final = "framework.exception_report"


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
    if status == 504:
        # As aiohttp answers a handler that timed out: without a word.
        response = Response(status=status, content_type="text/plain")
        response.force_close()
        return response
    title = f"{status} {HTTPStatus(status).phrase}"
    trace = escaped = None
    if exc is not None:
        # Imported when there is a page to write: the table of entities is large.
        import html
        import traceback

        # A message may quote octets of the client that are no UTF-8, which `text` would refuse.
        trace = "".join(traceback.format_exception(exc)).encode("utf-8", "backslashreplace").decode()
        escaped = html.escape(trace)
    if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
        message = "Server got itself in trouble"
        if trace is not None:
            message = f"<h2>Traceback:</h2>\n<pre>{escaped}</pre>"
        page = f"<html><head><title>{title}</title></head><body>\n<h1>{title}</h1>\n{message}\n</body></html>\n"
        response = Response(status=status, text=page, content_type="text/html")
    else:
        text = f"{title}\n\nServer got itself in trouble" if trace is None else f"{title}\n\n{trace}"
        response = Response(status=status, text=text)
    response.force_close()
    return response
