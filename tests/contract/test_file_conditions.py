"""FileResponse and the conditions of RFC 9110, section 13: If-Match, If-None-Match, If-(Un)Modified-Since."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.contract.backends import Backend
from tests.contract.served_files import (
    AFTER,
    AT_MODIFIED,
    BEFORE,
    CONTENT,
    ETAG,
    MODIFIED,
    ask_file,
    make_file,
)

WEAK = "W/" + ETAG


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_file(tmp_path / "file.txt")


def is_whole(response: httpx.Response) -> bool:
    assert (response.headers["ETag"], response.headers["Last-Modified"]) == (ETAG, AT_MODIFIED)
    return (response.status_code, response.content) == (200, CONTENT)


def is_not_modified(response: httpx.Response) -> bool:
    """A 304 with what RFC 9110, section 15.4.5, wants of a 200's headers and nothing about a body."""
    if response.status_code != 304:
        return False
    assert response.content == b""
    assert (response.headers["ETag"], response.headers["Last-Modified"]) == (ETAG, AT_MODIFIED)
    for name in ("Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Accept-Ranges"):
        assert name not in response.headers
    return True


def is_failed(response: httpx.Response) -> bool:
    if response.status_code != 412:
        return False
    assert response.content == b""
    assert response.headers.get("Content-Length", "0") == "0"
    for name in ("ETag", "Last-Modified", "Content-Encoding", "Content-Range", "Accept-Ranges"):
        assert name not in response.headers
    return True


# Entity tags

LISTS_WITH_THE_TAG = [ETAG, f'"x", {ETAG}', f'{ETAG}, "x"', f'"x",{ETAG},"y"', f'W/"x", {ETAG}', "*"]
LISTS_WITHOUT_THE_TAG = ['"x"', '"x", "y"', '""', '"17979cfe362a0000-b"', '"17979CFE362A0000-A"', 'W/"x"']
NO_TAGS = [f'"a b", {ETAG}', "garbage", '"unclosed', ETAG.strip('"'), "''", f'"x" {ETAG}', "w/" + ETAG, "W/", ETAG[:-1]]


@pytest.mark.parametrize("value", [*LISTS_WITH_THE_TAG, WEAK, f'"x", {WEAK}'])
async def test_if_none_match_that_matches(backend: Backend, path: Path, value: str) -> None:
    assert is_not_modified(await ask_file(backend, path, request_headers={"If-None-Match": value}))


@pytest.mark.parametrize("value", [*LISTS_WITHOUT_THE_TAG, *NO_TAGS, ""])
async def test_if_none_match_that_does_not_match(backend: Backend, path: Path, value: str) -> None:
    assert is_whole(await ask_file(backend, path, request_headers={"If-None-Match": value}))


@pytest.mark.parametrize("value", [*LISTS_WITH_THE_TAG, ""])
async def test_if_match_that_matches(backend: Backend, path: Path, value: str) -> None:
    assert is_whole(await ask_file(backend, path, request_headers={"If-Match": value}))


@pytest.mark.parametrize("value", [*LISTS_WITHOUT_THE_TAG, *NO_TAGS])
async def test_if_match_that_does_not_match(backend: Backend, path: Path, value: str) -> None:
    assert is_failed(await ask_file(backend, path, request_headers={"If-Match": value}))


@pytest.mark.parametrize("value", [WEAK, f'"x", {WEAK}'])
async def test_if_match_compares_strongly(backend: Backend, path: Path, value: str) -> None:
    assert is_failed(await ask_file(backend, path, request_headers={"If-Match": value}))


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
async def test_very_many_tags(backend: Backend, path: Path, name: str) -> None:
    value = ", ".join(f'"{number}"' for number in range(600))
    response = await ask_file(backend, path, request_headers={name: value})
    assert is_failed(response) if name == "If-Match" else is_whole(response)


async def test_head_if_none_match(backend: Backend, path: Path) -> None:
    assert is_not_modified(await ask_file(backend, path, "HEAD", {"If-None-Match": ETAG}))


async def test_head_if_match(backend: Backend, path: Path) -> None:
    assert is_failed(await ask_file(backend, path, "HEAD", {"If-Match": '"x"'}))


async def test_tags_of_an_empty_file(backend: Backend, tmp_path: Path) -> None:
    empty = make_file(tmp_path / "empty", b"")
    tag = '"17979cfe362a0000-0"'
    assert (await ask_file(backend, empty, request_headers={"If-None-Match": tag})).status_code == 304
    assert (await ask_file(backend, empty, request_headers={"If-Match": tag})).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_if_match_with_other_methods(backend: Backend, path: Path, method: str) -> None:
    assert is_failed(await ask_file(backend, path, method, {"If-Match": '"x"'}))
    assert is_whole(await ask_file(backend, path, method, {"If-Match": ETAG}))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_if_none_match_with_other_methods(backend: Backend, path: Path, method: str) -> None:
    response = await ask_file(backend, path, method, {"If-None-Match": ETAG})
    # RFC 9110, section 13.1.2: 304 is for GET and HEAD, 412 for the rest.
    assert is_not_modified(response) if backend.name == "aiohttp" else is_failed(response)


# Dates

#: The three formats of RFC 9110, section 5.6.7.
SAME_DATE = [AT_MODIFIED, "Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023"]
NO_DATES = ["garbage", "0", "-1", "1700000000", "Tue, 14 Nov 2023", "Tue, 99 Nov 2023 22:13:20 GMT", ""]


@pytest.mark.parametrize("value", [*SAME_DATE, AFTER, "Fri, 01 Jan 2100 00:00:00 GMT"])
async def test_not_modified_since(backend: Backend, path: Path, value: str) -> None:
    assert is_not_modified(await ask_file(backend, path, request_headers={"If-Modified-Since": value}))


@pytest.mark.parametrize("value", [BEFORE, "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_modified_since(backend: Backend, path: Path, value: str) -> None:
    assert is_whole(await ask_file(backend, path, request_headers={"If-Modified-Since": value}))


@pytest.mark.parametrize("value", [*SAME_DATE, AFTER])
async def test_unmodified_since(backend: Backend, path: Path, value: str) -> None:
    assert is_whole(await ask_file(backend, path, request_headers={"If-Unmodified-Since": value}))


@pytest.mark.parametrize("value", [BEFORE, "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_not_unmodified_since(backend: Backend, path: Path, value: str) -> None:
    assert is_failed(await ask_file(backend, path, request_headers={"If-Unmodified-Since": value}))


@pytest.mark.parametrize("value", NO_DATES)
@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
async def test_malformed_date_is_ignored(backend: Backend, path: Path, name: str, value: str) -> None:
    assert is_whole(await ask_file(backend, path, request_headers={name: value}))


async def test_head_if_modified_since(backend: Backend, path: Path) -> None:
    assert is_not_modified(await ask_file(backend, path, "HEAD", {"If-Modified-Since": AT_MODIFIED}))


async def test_head_if_unmodified_since(backend: Backend, path: Path) -> None:
    assert is_failed(await ask_file(backend, path, "HEAD", {"If-Unmodified-Since": BEFORE}))


async def test_if_modified_since_with_other_methods(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, "POST", {"If-Modified-Since": AT_MODIFIED})
    # RFC 9110, section 13.1.3: ignored where the method is neither GET nor HEAD.
    assert is_not_modified(response) if backend.name == "aiohttp" else is_whole(response)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("If-Modified-Since", AT_MODIFIED, 200),
        ("If-Modified-Since", AFTER, 304),
        ("If-Unmodified-Since", AT_MODIFIED, 412),
        ("If-Unmodified-Since", AFTER, 200),
    ],
)
async def test_file_modified_within_the_second(
    backend: Backend, tmp_path: Path, name: str, value: str, status: int
) -> None:
    """What a date with whole seconds tells is compared with the date that was sent, which is rounded up."""
    path = make_file(tmp_path / "file", nanoseconds=MODIFIED * 10**9 + 500_000_000)
    assert (await ask_file(backend, path, request_headers={name: value})).status_code == status


async def test_what_was_sent_is_not_modified(backend: Backend, tmp_path: Path) -> None:
    path = make_file(tmp_path / "file", nanoseconds=MODIFIED * 10**9 + 123_456_789)
    first = await ask_file(backend, path)
    by_date = {"If-Modified-Since": first.headers["Last-Modified"]}
    by_tag = {"If-None-Match": first.headers["ETag"]}
    for conditions in (by_date, by_tag, {**by_date, **by_tag}):
        assert (await ask_file(backend, path, request_headers=conditions)).status_code == 304


async def test_what_was_sent_is_unmodified(backend: Backend, tmp_path: Path) -> None:
    path = make_file(tmp_path / "file", nanoseconds=MODIFIED * 10**9 + 123_456_789)
    first = await ask_file(backend, path)
    by_date = {"If-Unmodified-Since": first.headers["Last-Modified"]}
    by_tag = {"If-Match": first.headers["ETag"]}
    for conditions in (by_date, by_tag, {**by_date, **by_tag}):
        assert (await ask_file(backend, path, request_headers=conditions)).status_code == 200


# Several conditions (RFC 9110, section 13.2.2)


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If-None-Match": ETAG, "If-Modified-Since": BEFORE}, 304),
        ({"If-None-Match": '"x"', "If-Modified-Since": AFTER}, 200),
        ({"If-None-Match": "*", "If-Modified-Since": BEFORE}, 304),
        ({"If-None-Match": "garbage", "If-Modified-Since": BEFORE}, 200),
        ({"If-None-Match": ETAG, "If-Modified-Since": "garbage"}, 304),
        ({"If-Match": ETAG, "If-Unmodified-Since": BEFORE}, 200),
        ({"If-Match": '"x"', "If-Unmodified-Since": AFTER}, 412),
        ({"If-Match": "*", "If-Unmodified-Since": BEFORE}, 200),
        ({"If-Match": ETAG, "If-None-Match": ETAG}, 304),
        ({"If-Match": ETAG, "If-None-Match": '"x"'}, 200),
        ({"If-Match": '"x"', "If-None-Match": ETAG}, 412),
        ({"If-Match": '"x"', "If-None-Match": '"x"'}, 412),
        ({"If-Match": ETAG, "If-Modified-Since": AT_MODIFIED}, 304),
        ({"If-Unmodified-Since": AT_MODIFIED, "If-Modified-Since": AT_MODIFIED}, 304),
        ({"If-Unmodified-Since": BEFORE, "If-Modified-Since": AT_MODIFIED}, 412),
        ({"If-Unmodified-Since": BEFORE, "If-None-Match": ETAG}, 412),
    ],
)
async def test_conditions_together(backend: Backend, path: Path, conditions: dict[str, str], status: int) -> None:
    assert (await ask_file(backend, path, request_headers=conditions)).status_code == status


# With statuses of the program's


@pytest.mark.parametrize("status", [200, 201, 203])
@pytest.mark.parametrize(
    ("condition", "expected"), [({"If-None-Match": ETAG}, 304), ({"If-Match": '"x"'}, 412)], ids=["304", "412"]
)
async def test_conditions_with_success(
    backend: Backend, path: Path, status: int, condition: dict[str, str], expected: int
) -> None:
    response = await ask_file(backend, path, request_headers=condition, status=status)
    assert response.status_code == expected


@pytest.mark.parametrize("status", [404, 410, 500])
@pytest.mark.parametrize(
    ("condition", "aiohttp_status"), [({"If-None-Match": ETAG}, 304), ({"If-Match": '"x"'}, 412)], ids=["304", "412"]
)
async def test_conditions_with_an_error(
    backend: Backend, path: Path, status: int, condition: dict[str, str], aiohttp_status: int
) -> None:
    response = await ask_file(backend, path, request_headers=condition, status=status)
    if backend.name == "aiohttp":
        assert response.status_code == aiohttp_status
    else:
        # RFC 9110, section 13.2.1: conditions are for what would be a success; an error page stays an error.
        assert (response.status_code, response.content) == (status, CONTENT)


async def test_headers_of_the_program_are_on_the_304(backend: Backend, path: Path) -> None:
    headers = {"X-A": "b", "Cache-Control": "max-age=60", "Vary": "Cookie"}
    response = await ask_file(backend, path, request_headers={"If-None-Match": "*"}, headers=headers)
    assert response.status_code == 304
    assert {name: response.headers[name] for name in headers} == headers


async def test_cookie_is_on_the_304(backend: Backend, path: Path) -> None:
    response = await ask_file(
        backend, path, "GET", {"If-None-Match": "*"}, lambda response: response.set_cookie("a", "b")
    )
    assert (response.status_code, response.headers["Set-Cookie"]) == (304, "a=b; Path=/")


async def test_compressed_response_is_not_modified(backend: Backend, path: Path) -> None:
    response = await ask_file(
        backend,
        path,
        "GET",
        {"If-Modified-Since": AT_MODIFIED, "Accept-Encoding": "gzip"},
        lambda response: response.enable_compression(),
    )
    assert (response.status_code, response.content) == (304, b"")
