"""The HTTPException tree: classes, constructors, and what a raised one answers."""

from __future__ import annotations

import asyncio
import inspect
from http import HTTPStatus
from typing import Any

import pytest
from yarl import URL

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import Backend

web = modules.web

STATUSES = {
    "HTTPOk": 200,
    "HTTPCreated": 201,
    "HTTPAccepted": 202,
    "HTTPNonAuthoritativeInformation": 203,
    "HTTPNoContent": 204,
    "HTTPResetContent": 205,
    "HTTPPartialContent": 206,
    "HTTPMultipleChoices": 300,
    "HTTPMovedPermanently": 301,
    "HTTPFound": 302,
    "HTTPSeeOther": 303,
    "HTTPNotModified": 304,
    "HTTPUseProxy": 305,
    "HTTPTemporaryRedirect": 307,
    "HTTPPermanentRedirect": 308,
    "HTTPBadRequest": 400,
    "HTTPUnauthorized": 401,
    "HTTPPaymentRequired": 402,
    "HTTPForbidden": 403,
    "HTTPNotFound": 404,
    "HTTPMethodNotAllowed": 405,
    "HTTPNotAcceptable": 406,
    "HTTPProxyAuthenticationRequired": 407,
    "HTTPRequestTimeout": 408,
    "HTTPConflict": 409,
    "HTTPGone": 410,
    "HTTPLengthRequired": 411,
    "HTTPPreconditionFailed": 412,
    "HTTPRequestEntityTooLarge": 413,
    "HTTPRequestURITooLong": 414,
    "HTTPUnsupportedMediaType": 415,
    "HTTPRequestRangeNotSatisfiable": 416,
    "HTTPExpectationFailed": 417,
    "HTTPMisdirectedRequest": 421,
    "HTTPUnprocessableEntity": 422,
    "HTTPFailedDependency": 424,
    "HTTPUpgradeRequired": 426,
    "HTTPPreconditionRequired": 428,
    "HTTPTooManyRequests": 429,
    "HTTPRequestHeaderFieldsTooLarge": 431,
    "HTTPUnavailableForLegalReasons": 451,
    "HTTPInternalServerError": 500,
    "HTTPNotImplemented": 501,
    "HTTPBadGateway": 502,
    "HTTPServiceUnavailable": 503,
    "HTTPGatewayTimeout": 504,
    "HTTPVersionNotSupported": 505,
    "HTTPVariantAlsoNegotiates": 506,
    "HTTPInsufficientStorage": 507,
    "HTTPNotExtended": 510,
    "HTTPNetworkAuthenticationRequired": 511,
}
MOVES = ["HTTPMultipleChoices", "HTTPMovedPermanently", "HTTPFound", "HTTPSeeOther", "HTTPUseProxy"]
MOVES += ["HTTPTemporaryRedirect", "HTTPPermanentRedirect"]
EMPTY = ["HTTPNoContent", "HTTPResetContent", "HTTPNotModified"]
NAMES_OF_REASONS = {413: "Request Entity Too Large", 414: "Request-URI Too Long"}
NAMES_OF_REASONS |= {416: "Requested Range Not Satisfiable", 422: "Unprocessable Entity"}


def instance(web: Any, name: str, **options: Any) -> Any:
    arguments: dict[str, tuple[Any, ...]] = {
        "HTTPMethodNotAllowed": ("PATCH", ["GET", "POST"]),
        "HTTPRequestEntityTooLarge": (5, 6),
        "HTTPUnavailableForLegalReasons": ("http://example.com/law",),
    }
    default = ("/there",) if name in MOVES else ()
    return getattr(web, name)(*arguments.get(name, default), **options)


def parent(web: Any, name: str) -> Any:
    if name in MOVES:
        return web.HTTPMove
    family = {2: web.HTTPSuccessful, 3: web.HTTPRedirection, 4: web.HTTPClientError, 5: web.HTTPServerError}
    return family[STATUSES[name] // 100]


def test_the_tree_has_no_other_leaves(web: Any) -> None:
    found = {
        name
        for name in web.__all__
        if inspect.isclass(getattr(web, name)) and issubclass(getattr(web, name), web.HTTPException)
    }
    inner = {"HTTPException", "HTTPError", "HTTPSuccessful", "HTTPRedirection", "HTTPMove"}
    assert found == set(STATUSES) | inner | {"HTTPClientError", "HTTPServerError"}


def test_the_inner_classes(web: Any) -> None:
    assert issubclass(web.HTTPException, web.Response)
    assert issubclass(web.HTTPException, Exception)
    assert issubclass(web.HTTPMove, web.HTTPRedirection)
    assert issubclass(web.HTTPClientError, web.HTTPError)
    assert issubclass(web.HTTPServerError, web.HTTPError)
    for name in ("HTTPError", "HTTPRedirection", "HTTPSuccessful"):
        assert getattr(web, name).__bases__ == (web.HTTPException,)
    assert web.HTTPException.status_code == -1
    assert web.HTTPException.empty_body is False


@pytest.mark.parametrize("name", STATUSES)
def test_class(web: Any, name: str) -> None:
    exception_type = getattr(web, name)
    assert exception_type.__bases__ == (parent(web, name),)
    assert exception_type.status_code == STATUSES[name]
    assert exception_type.empty_body is (name in EMPTY)


@pytest.mark.parametrize("name", STATUSES)
def test_instance(web: Any, name: str) -> None:
    exception, status = instance(web, name), STATUSES[name]
    reason = NAMES_OF_REASONS.get(status, HTTPStatus(status).phrase)
    assert (exception.status, exception.reason) == (status, reason)
    assert str(exception) == reason
    assert exception.args == (reason,)
    assert repr(exception) == f"<{name} {reason} not prepared>"
    if name in EMPTY:
        assert (exception.body, exception.text, exception.content_type) == (None, None, "application/octet-stream")
    elif name == "HTTPRequestEntityTooLarge":
        assert exception.text == "Maximum request body size 5 exceeded."
    else:
        assert exception.text == f"{status}: {reason}"
        assert exception.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("name", STATUSES)
async def test_raised(backend: Backend, name: str) -> None:
    async def handler(request: Any) -> Any:
        raise instance(backend.web, name, headers={"X-A": "1"})

    exception = instance(backend.web, name)
    response = await ask(backend, handler)
    assert response.status_code == STATUSES[name]
    assert response.headers["X-A"] == "1"
    assert response.text == (exception.text or "")
    if name not in EMPTY:
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["Content-Length"] == str(len(exception.text))


async def test_raised_class(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        raise backend.web.HTTPNotFound

    assert (await ask(backend, handler)).text == "404: Not Found"


async def test_returned_is_deprecated_and_works(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.HTTPNotFound()

    with pytest.warns(DeprecationWarning, match="returning HTTPException object is deprecated"):
        response = await ask(backend, handler)
    assert (response.status_code, response.text) == (404, "404: Not Found")


async def test_raised_for_head(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        raise backend.web.HTTPNotFound

    response = await ask(backend, handler, "HEAD")
    assert (response.status_code, response.content) == (404, b"")
    assert response.headers["Content-Length"] == "14"


async def test_raised_from_a_deep_call_and_a_task(backend: Backend) -> None:
    async def deep() -> None:
        raise backend.web.HTTPForbidden(text="no")

    async def handler(request: Any) -> Any:
        await asyncio.create_task(deep())

    response = await ask(backend, handler)
    assert (response.status_code, response.text) == (403, "no")


async def test_caught_in_the_handler(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        try:
            raise web.HTTPConflict(reason="Taken")
        except web.HTTPClientError as exc:
            return web.Response(text=f"{exc.status} {exc.reason} {exc}")

    assert (await ask(backend, handler)).text == "409 Taken Taken"


# --- Arguments ------------------------------------------------------------------------------------


def test_reason(web: Any) -> None:
    exception = web.HTTPNotFound(reason="Lost")
    assert (exception.reason, exception.text, str(exception)) == ("Lost", "404: Lost", "Lost")


@pytest.mark.parametrize("reason", ["a\r\nb", "a\nb"])
def test_reason_of_two_lines(web: Any, reason: str) -> None:
    with pytest.raises(ValueError, match="Reason cannot contain"):
        web.HTTPNotFound(reason=reason)


def test_text(web: Any) -> None:
    exception = web.HTTPNotFound(text="é")
    assert (exception.text, exception.body) == ("é", "é".encode())
    assert exception.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_empty_text_stays_empty(web: Any) -> None:
    assert web.HTTPNotFound(text="").body == b""


def test_body_is_deprecated(web: Any) -> None:
    with pytest.warns(DeprecationWarning, match="body argument is deprecated for http web exceptions"):
        exception = web.HTTPNotFound(body=b"x")
    assert (exception.body, exception.content_type) == (b"x", "application/octet-stream")
    assert "Content-Type" not in exception.headers


def test_content_type(web: Any) -> None:
    exception = web.HTTPNotFound(text="{}", content_type="application/json")
    assert exception.headers["Content-Type"] == "application/json; charset=utf-8"


def test_content_type_of_the_default_text(web: Any) -> None:
    exception = web.HTTPNotFound(content_type="text/html")
    assert (exception.text, exception.content_type) == ("404: Not Found", "text/html")


def test_headers(web: Any) -> None:
    exception = web.HTTPUnauthorized(headers={"WWW-Authenticate": "Basic"})
    assert exception.headers["WWW-Authenticate"] == "Basic"
    assert exception.text == "401: Unauthorized"


def test_content_type_header(web: Any) -> None:
    exception = web.HTTPNotFound(headers={"Content-Type": "application/json"}, text="{}")
    assert exception.headers.getall("Content-Type") == ["application/json; charset=utf-8"]
    with pytest.raises(ValueError, match="passing both Content-Type header and content_type"):
        web.HTTPNotFound(headers={"Content-Type": "a/b"}, text="{}", content_type="c/d")


def test_arguments_are_keywords(web: Any) -> None:
    with pytest.raises(TypeError):
        web.HTTPNotFound("text")


def test_text_of_an_empty_class(web: Any) -> None:
    assert web.HTTPNoContent(text="x").text == "x"


async def test_text_of_a_204_is_not_sent(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        raise backend.web.HTTPNoContent(text="x")

    response = await ask(backend, handler)
    assert (response.status_code, response.content) == (204, b"")


def test_exception_is_a_response(web: Any) -> None:
    exception = web.HTTPBadRequest()
    exception.text = "changed"
    exception.set_status(422, "Odd")
    exception.set_cookie("a", "1")
    key = web.ResponseKey("detail", str)
    exception[key] = "d"
    assert (exception.status, exception.reason, exception.text, exception[key]) == (422, "Odd", "changed", "d")
    assert isinstance(exception, web.Response)
    assert bool(exception)


def test_subclasses(web: Any) -> None:
    class Teapot(web.HTTPClientError):  # type: ignore[misc]
        status_code = 418

    class Silent(web.HTTPClientError):  # type: ignore[misc]
        status_code = 499
        empty_body = True

    assert (Teapot().status, Teapot().text) == (418, "418: I'm a Teapot")
    assert (Silent().status, Silent().reason, Silent().body) == (499, "", None)


async def test_subclass_with_its_own_constructor(backend: Backend) -> None:
    web = backend.web

    class Problem(web.HTTPBadRequest):  # type: ignore[misc, name-defined]
        def __init__(self, field: str) -> None:
            super().__init__(text=f'{{"field": "{field}"}}', content_type="application/problem+json")
            self.field = field

    async def handler(request: Any) -> Any:
        raise Problem("name")

    response = await ask(backend, handler)
    assert response.json() == {"field": "name"}
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"


def test_traceback_is_kept(web: Any) -> None:
    with pytest.raises(web.HTTPNotFound) as caught:
        raise web.HTTPNotFound from ValueError("why")
    assert isinstance(caught.value.__cause__, ValueError)


# --- Redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MOVES)
def test_location(web: Any, name: str) -> None:
    move = getattr(web, name)("/there", headers={"X-A": "1", "Location": "/elsewhere"})
    assert move.location == "/there"
    assert move.headers.getall("Location") == ["/there"]
    assert move.headers["X-A"] == "1"


@pytest.mark.parametrize(
    ("location", "header"),
    [
        ("/there", "/there"),
        ("http://example.com/x?y=1#z", "http://example.com/x?y=1#z"),
        ("?a=1", "?a=1"),
        ("#f", "#f"),
        (".", "."),
        ("/a b?c=d é", "/a%20b?c=d+%C3%A9"),
        ("é", "%C3%A9"),
        ("/a%2Fb%20c", "/a%2Fb%20c"),
        ("/%zz", "/%25zz"),
        ('/a"<b>', "/a%22%3Cb%3E"),
        ("//example.com/x", "//example.com/x"),
        (URL("/x?a=b c"), "/x?a=b+c"),
        (URL("http://é.example/é"), "http://xn--9ca.example/%C3%A9"),
    ],
)
def test_location_header(web: Any, location: Any, header: str) -> None:
    move = web.HTTPFound(location)
    assert move.headers["Location"] == header
    assert move.location == location


@pytest.mark.parametrize("location", ["", None, URL("")])
def test_location_that_is_empty(web: Any, location: Any) -> None:
    with pytest.raises(ValueError, match="HTTP redirects need a location to redirect to"):
        web.HTTPFound(location)


@pytest.mark.parametrize("location", [1, b"/x"])
def test_location_of_another_type(web: Any, location: Any) -> None:
    with pytest.raises(TypeError):
        web.HTTPFound(location)


def test_location_is_required_and_may_be_named(web: Any) -> None:
    assert web.HTTPFound(location="/x").location == "/x"
    with pytest.raises(TypeError, match="location"):
        web.HTTPFound()


async def test_redirect(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        raise backend.web.HTTPSeeOther(request.url.join(URL("/there")))

    response = await ask(backend, handler, "POST")
    assert response.status_code == 303
    assert response.headers["Location"] == str(response.request.url.join("/there"))


# --- Classes with arguments of their own ----------------------------------------------------------


def test_method_not_allowed(web: Any) -> None:
    exception = web.HTTPMethodNotAllowed("get", ["PUT", "GET"])
    assert (exception.method, exception.allowed_methods) == ("GET", {"PUT", "GET"})
    assert exception.headers["Allow"] == "GET,PUT"
    assert exception.text == "405: Method Not Allowed"


async def test_allow_header_is_sent(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        raise backend.web.HTTPMethodNotAllowed(request.method, {"PUT", "GET", "DELETE"})

    response = await ask(backend, handler, "POST")
    assert (response.status_code, response.headers["Allow"]) == (405, "DELETE,GET,PUT")


def test_method_not_allowed_without_methods(web: Any) -> None:
    assert web.HTTPMethodNotAllowed("GET", []).headers["Allow"] == ""
    with pytest.raises(TypeError, match="allowed_methods"):
        web.HTTPMethodNotAllowed("GET")


def test_request_entity_too_large(web: Any) -> None:
    assert web.HTTPRequestEntityTooLarge(5).text == "Maximum request body size 5 exceeded."
    exception = web.HTTPRequestEntityTooLarge(max_size=5, actual_size=6, text="big", headers={"X-A": "1"})
    assert (exception.status, exception.text, exception.headers["X-A"]) == (413, "big", "1")


@pytest.mark.parametrize("link", ["http://example.com/law", URL("http://example.com/law")])
def test_unavailable_for_legal_reasons(web: Any, link: Any) -> None:
    exception = web.HTTPUnavailableForLegalReasons(link)
    assert exception.link == URL("http://example.com/law")
    assert exception.headers["Link"] == '<http://example.com/law>; rel="blocked-by"'


@pytest.mark.parametrize("link", [None, ""])
def test_unavailable_for_legal_reasons_without_link(web: Any, link: Any) -> None:
    exception = web.HTTPUnavailableForLegalReasons(link)
    assert exception.link is None
    assert "Link" not in exception.headers
