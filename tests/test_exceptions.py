from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest
from aiohttp import web as aiohttp_web
from yarl import URL

import framework.exceptions
from framework.exceptions import (
    HTTPException,
    HTTPFound,
    HTTPMethodNotAllowed,
    HTTPMove,
    HTTPNotFound,
    HTTPRequestEntityTooLarge,
    HTTPUnavailableForLegalReasons,
)
from framework.responses import Response

NAMES = framework.exceptions.__all__
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "HTTPMethodNotAllowed": ("get", ["PUT", "POST", "PUT"]),
    "HTTPRequestEntityTooLarge": (10, 20),
    "HTTPUnavailableForLegalReasons": ("http://example.com/why",),
}


def make(module: Any, name: str, **kwargs: Any) -> Any:
    kind = getattr(module, name)
    arguments = ("/there",) if issubclass(kind, module.HTTPMove) else ARGUMENTS.get(name, ())
    return kind(*arguments, **kwargs)


def described(error: Any) -> dict[str, Any]:
    attributes = ["status", "status_code", "reason", "text", "body", "content_type", "charset", "args", "empty_body"]
    extra = ["location", "method", "allowed_methods", "link", "__cause__", "__context__"]
    return {
        **{name: getattr(error, name) for name in attributes},
        **{name: getattr(error, name, None) for name in extra},
        "headers": list(error.headers.items()),
        "str": str(error),
        "repr": repr(error),
        "bool": bool(error),
        "len": len(error),
    }


def test_the_tree_is_aiohttps() -> None:
    assert sorted(NAMES) == sorted(name for name in aiohttp_web.__all__ if name.startswith("HTTP"))
    for name in NAMES:
        expected = [kind.__name__ for kind in getattr(aiohttp_web, name).__mro__ if kind.__name__.startswith("HTTP")]
        kind = getattr(framework.exceptions, name)
        assert [base.__name__ for base in kind.__mro__ if base.__name__.startswith("HTTP")] == expected
        assert issubclass(kind, Response)
        assert issubclass(kind, Exception)


@pytest.mark.parametrize("name", NAMES)
def test_the_constructors_are_aiohttps(name: str) -> None:
    ours, expected = (
        [
            (parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(getattr(module, name)).parameters.values()
        ]
        for module in (framework.exceptions, aiohttp_web)
    )
    assert ours == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"text": "é"},
        {"text": ""},
        {"reason": "Because"},
        {"reason": ""},
        {"content_type": "application/json"},
        {"text": "{}", "content_type": "application/json"},
        {"headers": {"X-Name": "1"}},
        {"headers": [("X-Name", "1"), ("X-Name", "2")], "text": "x"},
        {"headers": {"Content-Type": "application/json"}, "text": "{}"},
        {"headers": {"Location": "/else", "Allow": "X", "Link": "x"}},
    ],
    ids=str,
)
def test_an_exception_says_what_aiohttps_says(name: str, kwargs: dict[str, Any]) -> None:
    assert described(make(framework.exceptions, name, **kwargs)) == described(make(aiohttp_web, name, **kwargs))


def test_an_exception_can_be_raised_and_caught() -> None:
    with pytest.raises(HTTPException) as caught:
        raise HTTPNotFound(text="gone fishing") from KeyError("id")
    assert caught.value.text == "gone fishing"
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_subclass_sets_the_status() -> None:
    class Teapot(framework.exceptions.HTTPClientError):
        status_code = 418

    error = Teapot()
    assert (error.status, error.text) == (418, "418: I'm a Teapot")


def test_a_body_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="body argument"):
        assert HTTPNotFound(body=b"x").body == b"x"


def test_body_and_text_exclude_each_other() -> None:
    with (
        pytest.warns(DeprecationWarning, match="body argument"),
        pytest.raises(ValueError, match="body and text are not allowed together"),
    ):
        HTTPNotFound(body=b"a", text="b")


def test_a_redirect_can_be_copied() -> None:
    assert copy.copy(HTTPFound("/there")).location == "/there"


@pytest.mark.parametrize(
    "location", ["/a b", "/é", "//host/x", "?q=1", "/a%2Fb#c", URL("/a?b=c&d"), "http://é.example/"]
)
def test_a_location_is_percent_encoded(location: Any) -> None:
    error = HTTPFound(location)
    assert error.headers["Location"] == aiohttp_web.HTTPFound(location).headers["Location"]
    assert error.location is location


@pytest.mark.parametrize("location", ["", None, URL()])
def test_a_redirect_needs_a_location(location: Any) -> None:
    with pytest.raises(ValueError, match="HTTP redirects need a location to redirect to"):
        HTTPFound(location)


def test_a_redirect_needs_a_url() -> None:
    with pytest.raises(TypeError):
        HTTPFound(5)  # type: ignore[arg-type]


MOVES = [name for name in NAMES if issubclass(getattr(framework.exceptions, name), HTTPMove)]


@pytest.mark.parametrize("name", MOVES)
def test_s07_a_redirects_body_has_nothing_of_the_location(name: str) -> None:
    error = getattr(framework.exceptions, name)("/<script>alert(1)</script>")
    assert error.text is not None
    assert "script" not in error.text
    assert error.content_type == "text/plain"
    assert "<" not in error.headers["Location"]


@pytest.mark.parametrize("location", ["/a\r\nX: y", "/a\nb", "/a\rb", "/\x00", "/\x1b", "/\x7f"])
@pytest.mark.parametrize("name", MOVES)
def test_s08_control_characters_in_a_location_are_refused(name: str, location: str) -> None:
    with pytest.raises(ValueError, match="must not contain"):
        getattr(framework.exceptions, name)(location)


def test_s08_control_characters_in_a_link_are_refused() -> None:
    with pytest.raises(ValueError, match="must not contain"):
        HTTPUnavailableForLegalReasons("http://example.com/\r\nX: y")


@pytest.mark.parametrize("method", ["GET\r\nX: y", "G\x00"])
def test_s08_control_characters_in_an_allowed_method_are_refused(method: str) -> None:
    with pytest.raises(ValueError, match="Allow"):
        HTTPMethodNotAllowed("GET", [method])


@pytest.mark.parametrize("reason", ["a\r\nX: y", "a\nb", "\x00"])
def test_s08_control_characters_in_a_reason_are_refused(reason: str) -> None:
    with pytest.raises(ValueError, match="Reason cannot contain"):
        HTTPNotFound(reason=reason)


def test_s08_control_characters_in_a_header_are_refused() -> None:
    with pytest.raises(ValueError, match="X-Name"):
        HTTPNotFound(headers={"X-Name": "a\r\nb"})


def test_legal_reasons_without_a_link() -> None:
    error = HTTPUnavailableForLegalReasons(None)
    assert error.link is None
    assert "Link" not in error.headers
    assert HTTPUnavailableForLegalReasons(URL("http://a/b")).link == URL("http://a/b")


def test_the_text_of_too_large_can_be_replaced() -> None:
    assert HTTPRequestEntityTooLarge(10, 20, text="too much").text == "too much"
    assert HTTPRequestEntityTooLarge(max_size=10).text == "Maximum request body size 10 exceeded."
