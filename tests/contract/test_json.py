"""JSON in and out: request.json(), json_response() and json_bytes_response()."""

from __future__ import annotations

import enum
import json
import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.contract import modules
from tests.contract.asking import ask, observe
from tests.contract.backends import Backend

web = modules.web


class Number(enum.IntEnum):
    ONE = 1


class Plain(enum.Enum):
    ONE = 1


class Name(enum.StrEnum):
    ANN = "ann"


class Names(list[str]):
    pass


@dataclass
class Point:
    x: int


# --- request.json() -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\xc3\xa9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b" \n {} \t ", {}),
        (b"null", None),
        (b'"x"', "x"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"[1e999, -1e999]", [math.inf, -math.inf]),
        (b"[Infinity, -Infinity]", [math.inf, -math.inf]),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ud800"', "\ud800"),
        (b'"\\u0000\\/"', "\0/"),
    ],
)
async def test_request_json(backend: Backend, body: bytes, value: Any) -> None:
    assert await observe(backend, lambda request: request.json(), "POST", content=body) == value


async def test_request_json_keeps_int_and_float_apart(backend: Backend) -> None:
    value = await observe(backend, lambda request: request.json(), "POST", content=b"[1, 1.0, 1E2, -0]")
    assert [type(number) for number in value] == [int, float, float, int]


async def test_request_json_reads_nan(backend: Backend) -> None:
    assert math.isnan(await observe(backend, lambda request: request.json(), "POST", content=b"NaN"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"a":', "Expecting value: line 1 column 6 (char 5)"),
        (b"{} x", "Extra data: line 1 column 4 (char 3)"),
        (b"[1\n2]", "Expecting ',' delimiter: line 2 column 1 (char 3)"),
        (b'"a\nb"', "Invalid control character at: line 1 column 3 (char 2)"),
        (b"{'a': 1}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
    ],
)
async def test_request_json_of_bad_json(backend: Backend, body: bytes, message: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        await observe(backend, lambda request: request.json(), "POST", content=body)
    assert str(caught.value) == message
    assert caught.value.doc == body.decode()


async def test_request_json_of_no_body(backend: Backend) -> None:
    with pytest.raises(json.JSONDecodeError):
        await observe(backend, lambda request: request.json())


async def test_request_json_too_deep(backend: Backend) -> None:
    with pytest.raises((RecursionError, json.JSONDecodeError)):
        await observe(backend, lambda request: request.json(), "POST", content=b"[" * 100_000)


async def test_request_json_ignores_the_content_type(backend: Backend) -> None:
    headers = {"Content-Type": "text/plain"}
    assert await observe(backend, lambda request: request.json(), "POST", content=b"1", headers=headers) == 1


async def test_request_json_follows_the_charset(backend: Backend) -> None:
    headers = {"Content-Type": "application/json; charset=latin-1"}
    assert await observe(backend, lambda r: r.json(), "POST", content=b'"\xe9"', headers=headers) == "é"


async def test_request_json_that_is_not_utf8(backend: Backend) -> None:
    with pytest.raises(UnicodeDecodeError):
        await observe(backend, lambda request: request.json(), "POST", content=b'"\xff"')


async def test_request_json_with_loads(backend: Backend) -> None:
    def loads(text: str) -> Any:
        return type(text), text

    assert await observe(backend, lambda r: r.json(loads=loads), "POST", content=b"x") == (str, "x")


async def test_request_json_twice_gives_two_objects(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        return await request.json(), await request.json()

    first, second = await observe(backend, look, "POST", content=b"[1]")
    assert first == second
    assert first is not second


async def test_error_of_bad_json_can_be_caught_as_value_error(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        try:
            return web.json_response(await request.json())
        except ValueError as exc:
            raise web.HTTPBadRequest(text=f"bad: {exc}") from exc

    response = await ask(backend, handler, "POST", content=b"{")
    assert response.status_code == 400
    assert response.text.startswith("bad: Expecting property name")


# --- json_response() ------------------------------------------------------------------------------


async def test_json_response(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.json_response({"a": [1, None]}, status=201, headers={"X-A": "b"})

    response = await ask(backend, handler)
    assert response.status_code == 201
    assert response.json() == {"a": [1, None]}
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Content-Length"] == str(len(response.content))
    assert response.headers["X-A"] == "b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ([], "[]"),
        ({}, "{}"),
        ([1, 2.0, True, False, None], "[1, 2.0, true, false, null]"),
        ({"b": 1, "a": {"c": []}}, '{"b": 1, "a": {"c": []}}'),
        ((1, 2), "[1, 2]"),
        ("é😀", '"\\u00e9\\ud83d\\ude00"'),
        ('"\\/\u2028\x7f\n', '"\\"\\\\/\\u2028\\u007f\\n"'),
        ("\ud800", '"\\ud800"'),
        ({1: "a", None: "b", 1.5: "c", False: "d"}, '{"1": "a", "null": "b", "1.5": "c", "false": "d"}'),
        ([1e16, 0.1, -0.0, 1e-7, 1e100, 123456789.123], "[1e+16, 0.1, -0.0, 1e-07, 1e+100, 123456789.123]"),
        ([math.inf, -math.inf, math.nan], "[Infinity, -Infinity, NaN]"),
        (2**70, "1180591620717411303424"),
        (Number.ONE, "1"),
        (Name.ANN, '"ann"'),
        (Names(["ann"]), '["ann"]'),
    ],
)
def test_json_response_means_what_json_dumps_writes(web: Any, value: Any, text: str) -> None:
    """Whitespace between tokens and the spelling of strings and numbers are the encoder's, the values are not."""
    read = json.loads(web.json_response(value).text)
    assert repr(read) == repr(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        frozenset(),
        b"x",
        date(2020, 1, 1),
        Decimal("1.1"),
        UUID(int=1),
        Point(1),
        Plain.ONE,
        {(1, 2): 3},
        [{"a": object()}],
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_response_of_what_json_cannot_write(web: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=r"not JSON serializable|keys must be str"):
        web.json_response(value)


def test_json_response_of_a_circular_value(web: Any) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises((ValueError, RecursionError)):
        web.json_response(value)


def test_json_response_with_dumps(web: Any) -> None:
    response = web.json_response({"a": 1}, dumps=lambda value: json.dumps(value, indent=1))
    assert response.text == '{\n "a": 1\n}'


def test_json_response_of_text(web: Any) -> None:
    response = web.json_response(text='{"a":1}')
    assert (response.text, response.headers["Content-Type"]) == ('{"a":1}', "application/json; charset=utf-8")


def test_json_response_of_a_body(web: Any) -> None:
    response = web.json_response(body=b'{"a":1}')
    assert (response.body, response.headers["Content-Type"]) == (b'{"a":1}', "application/json")


def test_json_response_without_data(web: Any) -> None:
    response = web.json_response()
    assert (response.body, response.headers["Content-Type"]) == (None, "application/json")


@pytest.mark.parametrize("argument", [{"text": "x"}, {"body": b"x"}])
@pytest.mark.parametrize("data", [{}, None, 0])
def test_json_response_of_two_contents(web: Any, data: Any, argument: Any) -> None:
    with pytest.raises(ValueError, match="only one of data, text, or body should be specified"):
        web.json_response(data, **argument)


def test_json_response_arguments(web: Any) -> None:
    response = web.json_response([], status=202, reason="Later", content_type="application/problem+json")
    assert (response.status, response.reason) == (202, "Later")
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"


def test_json_response_with_a_content_type_header(web: Any) -> None:
    with pytest.raises(ValueError, match="passing both Content-Type header and content_type"):
        web.json_response([], headers={"Content-Type": "application/problem+json"})


def test_json_response_is_a_response(web: Any) -> None:
    response = web.json_response([])
    assert type(response) is web.Response
    response.text = "changed"
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


# --- json_bytes_response() ------------------------------------------------------------------------


async def test_json_bytes_response(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.json_bytes_response([1], dumps=lambda value: json.dumps(value).encode(), status=201)

    response = await ask(backend, handler)
    assert (response.status_code, response.content) == (201, b"[1]")
    assert response.headers["Content-Type"] == "application/json"


def test_json_bytes_response_needs_dumps(web: Any) -> None:
    with pytest.raises(TypeError, match="dumps"):
        web.json_bytes_response([])


def test_json_bytes_response_of_a_body(web: Any) -> None:
    response = web.json_bytes_response(body=b"x", dumps=repr, content_type="application/problem+json")
    assert (response.body, response.headers["Content-Type"]) == (b"x", "application/problem+json")


def test_json_bytes_response_of_two_contents(web: Any) -> None:
    with pytest.raises(ValueError, match="only one of data or body should be specified"):
        web.json_bytes_response([], body=b"x", dumps=repr)
