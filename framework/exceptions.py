"""The answers that a handler may raise, the tree of `aiohttp.web`'s exceptions.

Each one is a `Response` and an `Exception` at once: it can be raised, returned, and given headers and cookies before.

    Response + Exception
      HTTPException
        HTTPSuccessful                      2xx
        HTTPRedirection                     3xx
          HTTPMove                          the ones with a Location
        HTTPError
          HTTPClientError                   4xx
          HTTPServerError                   5xx
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from framework import hdrs
from framework.responses import Response

if TYPE_CHECKING:
    from framework.typedefs import LooseHeaders, StrOrURL

__all__ = (
    "HTTPAccepted",
    "HTTPBadGateway",
    "HTTPBadRequest",
    "HTTPClientError",
    "HTTPConflict",
    "HTTPCreated",
    "HTTPError",
    "HTTPException",
    "HTTPExpectationFailed",
    "HTTPFailedDependency",
    "HTTPForbidden",
    "HTTPFound",
    "HTTPGatewayTimeout",
    "HTTPGone",
    "HTTPInsufficientStorage",
    "HTTPInternalServerError",
    "HTTPLengthRequired",
    "HTTPMethodNotAllowed",
    "HTTPMisdirectedRequest",
    "HTTPMove",
    "HTTPMovedPermanently",
    "HTTPMultipleChoices",
    "HTTPNetworkAuthenticationRequired",
    "HTTPNoContent",
    "HTTPNonAuthoritativeInformation",
    "HTTPNotAcceptable",
    "HTTPNotExtended",
    "HTTPNotFound",
    "HTTPNotImplemented",
    "HTTPNotModified",
    "HTTPOk",
    "HTTPPartialContent",
    "HTTPPaymentRequired",
    "HTTPPermanentRedirect",
    "HTTPPreconditionFailed",
    "HTTPPreconditionRequired",
    "HTTPProxyAuthenticationRequired",
    "HTTPRedirection",
    "HTTPRequestEntityTooLarge",
    "HTTPRequestHeaderFieldsTooLarge",
    "HTTPRequestRangeNotSatisfiable",
    "HTTPRequestTimeout",
    "HTTPRequestURITooLong",
    "HTTPResetContent",
    "HTTPSeeOther",
    "HTTPServerError",
    "HTTPServiceUnavailable",
    "HTTPSuccessful",
    "HTTPTemporaryRedirect",
    "HTTPTooManyRequests",
    "HTTPUnauthorized",
    "HTTPUnavailableForLegalReasons",
    "HTTPUnprocessableEntity",
    "HTTPUnsupportedMediaType",
    "HTTPUpgradeRequired",
    "HTTPUseProxy",
    "HTTPVariantAlsoNegotiates",
    "HTTPVersionNotSupported",
)

# What would end the header that a URL is put into; yarl drops some of them without a word.
_FORBIDDEN_IN_URL: Final = re.compile("[\x00-\x1f\x7f]")


def _checked_url(value: StrOrURL) -> URL:
    if isinstance(value, str) and (found := _FORBIDDEN_IN_URL.search(value)) is not None:
        raise ValueError(f"A URL in a header must not contain {found[0]!r} (header injection)")
    return URL(value)


class HTTPException(Response, Exception):
    """Base of the answers that can be raised.

    Args:
        headers: sent with the answer.
        reason: the reason phrase; the standard one if None.
        body: the content; excludes ``text``. Deprecated, as in aiohttp: issues a `DeprecationWarning`.
        text: the content as text; ``"404: Not Found"`` in the manner of the status if neither is given.
        content_type: the media type of the content.
    """

    # Set by subclasses.
    status_code = -1
    # Whether the status forbids content (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5), so that none is made up.
    empty_body = False

    def __init__(
        self,
        *,
        headers: LooseHeaders | None = None,
        reason: str | None = None,
        body: Any = None,
        text: str | None = None,
        content_type: str | None = None,
    ) -> None:
        if body is not None:
            warnings.warn(
                "body argument is deprecated for http web exceptions: pass text, or return a Response",
                DeprecationWarning,
                stacklevel=2,
            )
        if reason is None:
            reason = _REASONS.get(self.status_code, "")
        if body is None and text is None and not self.empty_body:
            text = f"{self.status_code}: {reason}"
        Response.__init__(
            self,
            status=self.status_code,
            headers=headers,
            body=body,
            text=text,
            reason=reason,
            content_type=content_type,
        )
        Exception.__init__(self, reason)

    def __bool__(self) -> bool:
        # A mapping that is empty would be false.
        return True


_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class HTTPError(HTTPException):
    """Base of 4xx and 5xx."""


class HTTPRedirection(HTTPException):
    """Base of 3xx."""


class HTTPSuccessful(HTTPException):
    """Base of 2xx, which are raised where returning would take a detour."""


class HTTPMove(HTTPRedirection):
    """Base of the redirections to another location.

    The content names the status and never the location, so that nothing of it has to be escaped there.

    Args:
        location: where to; percent-encoded as needed.

    Raises:
        ValueError: there is no location, or it has a control character.
    """

    def __init__(
        self,
        location: StrOrURL,
        *,
        headers: LooseHeaders | None = None,
        reason: str | None = None,
        body: Any = None,
        text: str | None = None,
        content_type: str | None = None,
    ) -> None:
        if not location:
            raise ValueError("HTTP redirects need a location to redirect to.")
        url = _checked_url(location)
        super().__init__(headers=headers, reason=reason, body=body, text=text, content_type=content_type)
        self.headers[hdrs.LOCATION] = str(url)
        self.location = location


class HTTPClientError(HTTPError):
    """Base of 4xx: the request is at fault."""


class HTTPServerError(HTTPError):
    """Base of 5xx: the server is at fault."""


class HTTPOk(HTTPSuccessful):
    """200 OK: RFC 9110, section 15.3.1."""

    status_code = 200


class HTTPCreated(HTTPSuccessful):
    """201 Created: RFC 9110, section 15.3.2."""

    status_code = 201


class HTTPAccepted(HTTPSuccessful):
    """202 Accepted: RFC 9110, section 15.3.3."""

    status_code = 202


class HTTPNonAuthoritativeInformation(HTTPSuccessful):
    """203 Non-Authoritative Information: RFC 9110, section 15.3.4."""

    status_code = 203


class HTTPNoContent(HTTPSuccessful):
    """204 No Content: RFC 9110, section 15.3.5."""

    status_code = 204
    empty_body = True


class HTTPResetContent(HTTPSuccessful):
    """205 Reset Content: RFC 9110, section 15.3.6."""

    status_code = 205
    empty_body = True


class HTTPPartialContent(HTTPSuccessful):
    """206 Partial Content: RFC 9110, section 15.3.7."""

    status_code = 206


class HTTPMultipleChoices(HTTPMove):
    """300 Multiple Choices: RFC 9110, section 15.4.1."""

    status_code = 300


class HTTPMovedPermanently(HTTPMove):
    """301 Moved Permanently: RFC 9110, section 15.4.2."""

    status_code = 301


class HTTPFound(HTTPMove):
    """302 Found: RFC 9110, section 15.4.3."""

    status_code = 302


class HTTPSeeOther(HTTPMove):
    """303 See Other: RFC 9110, section 15.4.4."""

    status_code = 303


class HTTPNotModified(HTTPRedirection):
    """304 Not Modified: RFC 9110, section 15.4.5."""

    status_code = 304
    empty_body = True


class HTTPUseProxy(HTTPMove):
    """305 Use Proxy: RFC 9110, section 15.4.6 (deprecated)."""

    status_code = 305


class HTTPTemporaryRedirect(HTTPMove):
    """307 Temporary Redirect: RFC 9110, section 15.4.8."""

    status_code = 307


class HTTPPermanentRedirect(HTTPMove):
    """308 Permanent Redirect: RFC 9110, section 15.4.9."""

    status_code = 308


class HTTPBadRequest(HTTPClientError):
    """400 Bad Request: RFC 9110, section 15.5.1."""

    status_code = 400


class HTTPUnauthorized(HTTPClientError):
    """401 Unauthorized: RFC 9110, section 15.5.2."""

    status_code = 401


class HTTPPaymentRequired(HTTPClientError):
    """402 Payment Required: RFC 9110, section 15.5.3."""

    status_code = 402


class HTTPForbidden(HTTPClientError):
    """403 Forbidden: RFC 9110, section 15.5.4."""

    status_code = 403


class HTTPNotFound(HTTPClientError):
    """404 Not Found: RFC 9110, section 15.5.5."""

    status_code = 404


class HTTPMethodNotAllowed(HTTPClientError):
    """405 Method Not Allowed: RFC 9110, section 15.5.6.

    Args:
        method: the method of the request.
        allowed_methods: what the resource takes; sent sorted in the Allow header.
    """

    status_code = 405

    def __init__(
        self,
        method: str,
        allowed_methods: Iterable[str],
        *,
        headers: LooseHeaders | None = None,
        reason: str | None = None,
        body: Any = None,
        text: str | None = None,
        content_type: str | None = None,
    ) -> None:
        methods = sorted(allowed_methods)
        super().__init__(headers=headers, reason=reason, body=body, text=text, content_type=content_type)
        self.headers[hdrs.ALLOW] = ",".join(methods)
        self.allowed_methods: set[str] = set(methods)
        self.method = method.upper()


class HTTPNotAcceptable(HTTPClientError):
    """406 Not Acceptable: RFC 9110, section 15.5.7."""

    status_code = 406


class HTTPProxyAuthenticationRequired(HTTPClientError):
    """407 Proxy Authentication Required: RFC 9110, section 15.5.8."""

    status_code = 407


class HTTPRequestTimeout(HTTPClientError):
    """408 Request Timeout: RFC 9110, section 15.5.9."""

    status_code = 408


class HTTPConflict(HTTPClientError):
    """409 Conflict: RFC 9110, section 15.5.10."""

    status_code = 409


class HTTPGone(HTTPClientError):
    """410 Gone: RFC 9110, section 15.5.11."""

    status_code = 410


class HTTPLengthRequired(HTTPClientError):
    """411 Length Required: RFC 9110, section 15.5.12."""

    status_code = 411


class HTTPPreconditionFailed(HTTPClientError):
    """412 Precondition Failed: RFC 9110, section 15.5.13."""

    status_code = 412


class HTTPRequestEntityTooLarge(HTTPClientError):
    """413 Content Too Large: RFC 9110, section 15.5.14.

    Args:
        max_size: what the application takes, in bytes.
        actual_size: what came so far, in bytes. The client is not told.
        kwargs: as for `HTTPException`.
    """

    status_code = 413

    def __init__(self, max_size: float, actual_size: float = 0, **kwargs: Any) -> None:
        kwargs.setdefault("text", f"Maximum request body size {max_size} exceeded.")
        super().__init__(**kwargs)


class HTTPRequestURITooLong(HTTPClientError):
    """414 Request-URI Too Long: RFC 9110, section 15.5.15."""

    status_code = 414


class HTTPUnsupportedMediaType(HTTPClientError):
    """415 Unsupported Media Type: RFC 9110, section 15.5.16."""

    status_code = 415


class HTTPRequestRangeNotSatisfiable(HTTPClientError):
    """416 Requested Range Not Satisfiable: RFC 9110, section 15.5.17."""

    status_code = 416


class HTTPExpectationFailed(HTTPClientError):
    """417 Expectation Failed: RFC 9110, section 15.5.18."""

    status_code = 417


class HTTPMisdirectedRequest(HTTPClientError):
    """421 Misdirected Request: RFC 9110, section 15.5.20."""

    status_code = 421


class HTTPUnprocessableEntity(HTTPClientError):
    """422 Unprocessable Entity: RFC 9110, section 15.5.21."""

    status_code = 422


class HTTPFailedDependency(HTTPClientError):
    """424 Failed Dependency: RFC 4918, section 11.4."""

    status_code = 424


class HTTPUpgradeRequired(HTTPClientError):
    """426 Upgrade Required: RFC 9110, section 15.5.22."""

    status_code = 426


class HTTPPreconditionRequired(HTTPClientError):
    """428 Precondition Required: RFC 6585, section 3."""

    status_code = 428


class HTTPTooManyRequests(HTTPClientError):
    """429 Too Many Requests: RFC 6585, section 4."""

    status_code = 429


class HTTPRequestHeaderFieldsTooLarge(HTTPClientError):
    """431 Request Header Fields Too Large: RFC 6585, section 5."""

    status_code = 431


class HTTPUnavailableForLegalReasons(HTTPClientError):
    """451 Unavailable For Legal Reasons: RFC 7725, section 3.

    Args:
        link: who blocks the resource; sent as a Link header if it is given (section 4).
    """

    status_code = 451

    def __init__(
        self,
        link: StrOrURL | None,
        *,
        headers: LooseHeaders | None = None,
        reason: str | None = None,
        body: Any = None,
        text: str | None = None,
        content_type: str | None = None,
    ) -> None:
        super().__init__(headers=headers, reason=reason, body=body, text=text, content_type=content_type)
        self._link: URL | None = None
        if link:
            self._link = _checked_url(link)
            self.headers[hdrs.LINK] = f'<{self._link}>; rel="blocked-by"'

    @property
    def link(self) -> URL | None:
        """Who blocks the resource."""
        return self._link


class HTTPInternalServerError(HTTPServerError):
    """500 Internal Server Error: RFC 9110, section 15.6.1."""

    status_code = 500


class HTTPNotImplemented(HTTPServerError):
    """501 Not Implemented: RFC 9110, section 15.6.2."""

    status_code = 501


class HTTPBadGateway(HTTPServerError):
    """502 Bad Gateway: RFC 9110, section 15.6.3."""

    status_code = 502


class HTTPServiceUnavailable(HTTPServerError):
    """503 Service Unavailable: RFC 9110, section 15.6.4."""

    status_code = 503


class HTTPGatewayTimeout(HTTPServerError):
    """504 Gateway Timeout: RFC 9110, section 15.6.5."""

    status_code = 504


class HTTPVersionNotSupported(HTTPServerError):
    """505 HTTP Version Not Supported: RFC 9110, section 15.6.6."""

    status_code = 505


class HTTPVariantAlsoNegotiates(HTTPServerError):
    """506 Variant Also Negotiates: RFC 2295, section 8.1."""

    status_code = 506


class HTTPInsufficientStorage(HTTPServerError):
    """507 Insufficient Storage: RFC 4918, section 11.5."""

    status_code = 507


class HTTPNotExtended(HTTPServerError):
    """510 Not Extended: RFC 2774, section 7 (historic)."""

    status_code = 510


class HTTPNetworkAuthenticationRequired(HTTPServerError):
    """511 Network Authentication Required: RFC 6585, section 6."""

    status_code = 511
