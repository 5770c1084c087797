"""FileResponse and Range, If-Range: 206, 416, and when a range does not count (RFC 9110, section 14)."""

from __future__ import annotations

import email
import email.policy
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
    ask_file,
    make_file,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_file(tmp_path / "file.txt")


async def ask_range(backend: Backend, path: Path, value: str, **headers: str) -> httpx.Response:
    others = {name.replace("_", "-"): text for name, text in headers.items()}
    return await ask_file(backend, path, request_headers={"Range": value, **others})


def assert_whole(response: httpx.Response) -> None:
    assert (response.status_code, response.content) == (200, CONTENT)
    assert response.headers["Content-Length"] == "10"
    assert "Content-Range" not in response.headers


def assert_part(response: httpx.Response, start: int, stop: int, content: bytes = CONTENT) -> None:
    assert (response.status_code, response.content) == (206, content[start:stop])
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(content)}"
    assert response.headers["Content-Length"] == str(stop - start)


def assert_not_satisfiable(response: httpx.Response, size: int = 10) -> None:
    assert (response.status_code, response.content) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{size}"
    for name in ("ETag", "Last-Modified", "Content-Encoding"):
        assert name not in response.headers


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-3", 0, 4),
        ("bytes=0-0", 0, 1),
        ("bytes=5-5", 5, 6),
        ("bytes=9-9", 9, 10),
        ("bytes=2-8", 2, 9),
        ("bytes=0-", 0, 10),
        ("bytes=4-", 4, 10),
        ("bytes=9-", 9, 10),
        ("bytes=-1", 9, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-10", 0, 10),
        ("bytes=0-9", 0, 10),
        ("bytes=0-10", 0, 10),
        ("bytes=5-9999", 5, 10),
        ("bytes=-11", 0, 10),
        ("bytes=-9999", 0, 10),
        ("bytes=0-9223372036854775807", 0, 10),
        ("bytes=0001-0003", 1, 4),
        ("Bytes=0-3", 0, 4),
        ("BYTES=0-3", 0, 4),
    ],
)
async def test_range(backend: Backend, path: Path, value: str, start: int, stop: int) -> None:
    assert_part(await ask_range(backend, path, value), start, stop)


async def test_headers_of_a_part(backend: Backend, path: Path) -> None:
    response = await ask_range(backend, path, "bytes=0-3")
    assert response.headers["Content-Type"] == "text/plain"
    assert (response.headers["ETag"], response.headers["Last-Modified"]) == (ETAG, AT_MODIFIED)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Transfer-Encoding" not in response.headers


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=10-20", "bytes=9999-", "bytes=" + "9" * 30 + "-"])
async def test_start_beyond_the_end(backend: Backend, path: Path, value: str) -> None:
    assert_not_satisfiable(await ask_range(backend, path, value))


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-18446744073709551615", 0, 10),
        ("bytes=0-" + "9" * 300, 0, 10),
        ("bytes=-" + "9" * 300, 0, 10),
        ("bytes=" + "0" * 300 + "1-3", 1, 4),
    ],
    ids=["2**64-1", "last", "suffix", "zeros"],
)
async def test_positions_of_many_digits(backend: Backend, path: Path, value: str, start: int, stop: int) -> None:
    assert_part(await ask_range(backend, path, value), start, stop)


@pytest.mark.parametrize("value", ["bytes=3-2", "bytes=9-0", "bytes=9999-5"])
async def test_inverted(backend: Backend, path: Path, value: str) -> None:
    assert_not_satisfiable(await ask_range(backend, path, value))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "garbage",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=0x1-3",
        "bytes=+1-3",
        "bytes=1_0-",
        "bytes=0.5-1",
        "bytes=1",
        "bytes=--5",
        "bytes=0--5",
        "bytes=0-3;",
        "bytes=0 - 3",
        "bytes = 0-3",
        "bytes:0-3",
        "=0-3",
        "0-3",
    ],
)
async def test_malformed(backend: Backend, path: Path, value: str) -> None:
    assert_not_satisfiable(await ask_range(backend, path, value))


@pytest.mark.parametrize(
    "digit", ["\u0661", "\u00b2", "\uff11"], ids=["ARABIC-INDIC ONE", "SUPERSCRIPT TWO", "FULLWIDTH ONE"]
)
async def test_digits_that_are_not_ascii(backend: Backend, path: Path, digit: str) -> None:
    response = await ask_file(backend, path, request_headers={"Range": f"bytes={digit}-".encode()})
    assert_not_satisfiable(response)


@pytest.mark.parametrize("value", ["items=0-3", "lines=1-2"])
async def test_unknown_unit(backend: Backend, path: Path, value: str) -> None:
    response = await ask_range(backend, path, value)
    # RFC 9110, section 14.2: a unit that is not known is ignored.
    if backend.name == "aiohttp":
        assert_not_satisfiable(response)
    else:
        assert_whole(response)


async def test_suffix_of_nothing(backend: Backend, path: Path) -> None:
    response = await ask_range(backend, path, "bytes=-0")
    # RFC 9110, section 14.1.2: not satisfiable.
    if backend.name == "aiohttp":
        assert_part(response, 0, 10)
    else:
        assert_not_satisfiable(response)


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-6"])
async def test_empty_file(backend: Backend, tmp_path: Path, value: str) -> None:
    empty = make_file(tmp_path / "empty.txt", b"")
    assert_not_satisfiable(await ask_range(backend, empty, value), 0)


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-65535", 0, 65536),
        ("bytes=65535-65536", 65535, 65537),
        ("bytes=262143-262144", 262143, 262145),
        ("bytes=1-", 1, 600_000),
        ("bytes=-1", 599_999, 600_000),
        ("bytes=100000-400000", 100_000, 400_001),
    ],
)
async def test_large_file(backend: Backend, tmp_path: Path, value: str, start: int, stop: int) -> None:
    content = bytes(range(240)) * 2500
    assert_part(await ask_range(backend, make_file(tmp_path / "large", content), value), start, stop, content)


@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
async def test_range_in_chunks(backend: Backend, tmp_path: Path, chunk_size: int) -> None:
    content = bytes(range(240)) * 20
    large = make_file(tmp_path / "large", content)
    response = await ask_file(backend, large, request_headers={"Range": "bytes=1001-3000"}, chunk_size=chunk_size)
    assert_part(response, 1001, 3001, content)


async def test_parts_make_the_whole(backend: Backend, path: Path) -> None:
    parts = [(await ask_range(backend, path, f"bytes={start}-{start + 3}")).content for start in (0, 4, 8)]
    assert b"".join(parts) == CONTENT


async def test_content_type_of_the_program(backend: Backend, path: Path) -> None:
    headers = {"Content-Type": "text/x-mine", "X-A": "b"}
    response = await ask_file(backend, path, request_headers={"Range": "bytes=0-3"}, headers=headers)
    assert_part(response, 0, 4)
    assert (response.headers["Content-Type"], response.headers["X-A"]) == ("text/x-mine", "b")


async def test_content_range_of_the_program_is_replaced(backend: Backend, path: Path) -> None:
    headers = {"Content-Range": "bytes 7-8/9"}
    response = await ask_file(backend, path, request_headers={"Range": "bytes=0-3"}, headers=headers)
    assert response.headers.get_list("Content-Range") == ["bytes 0-3/10"]


# Methods


async def test_head(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, "HEAD", {"Range": "bytes=2-4"})
    assert (response.status_code, response.content) == (206, b"")
    assert (response.headers["Content-Range"], response.headers["Content-Length"]) == ("bytes 2-4/10", "3")


async def test_head_beyond_the_end(backend: Backend, path: Path) -> None:
    assert_not_satisfiable(await ask_file(backend, path, "HEAD", {"Range": "bytes=20-"}))


async def test_other_methods(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, "POST", {"Range": "bytes=2-4"})
    # RFC 9110, section 14.2: Range is defined for GET alone.
    if backend.name == "aiohttp":
        assert_part(response, 2, 5)
    else:
        assert_whole(response)


# If-Range


@pytest.mark.parametrize(
    "date", [AT_MODIFIED, "Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023"], ids=["IMF", "850", "asctime"]
)
async def test_if_range_of_the_same_date(backend: Backend, path: Path, date: str) -> None:
    assert_part(await ask_range(backend, path, "bytes=0-3", If_Range=date), 0, 4)


@pytest.mark.parametrize("date", [BEFORE, "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_if_range_of_an_earlier_date(backend: Backend, path: Path, date: str) -> None:
    assert_whole(await ask_range(backend, path, "bytes=0-3", If_Range=date))


async def test_if_range_of_the_tag(backend: Backend, path: Path) -> None:
    assert_part(await ask_range(backend, path, "bytes=0-3", If_Range=ETAG), 0, 4)


@pytest.mark.parametrize(
    "value",
    ['"x"', "W/" + ETAG, AFTER, "garbage", "", f'{ETAG}, "x"', ETAG.strip('"')],
    ids=["another tag", "weak", "later date", "garbage", "empty", "list", "no quotes"],
)
async def test_if_range_that_names_another_content(backend: Backend, path: Path, value: str) -> None:
    response = await ask_range(backend, path, "bytes=0-3", If_Range=value)
    # RFC 9110, section 13.1.5: a tag compared strongly, or exactly the date. aiohttp compares dates only, and sends the
    # range where it is no date: a client that resumes a download puts two files together.
    if backend.name == "aiohttp":
        assert_part(response, 0, 4)
    else:
        assert_whole(response)


async def test_if_range_that_fails_comes_before_416(backend: Backend, path: Path) -> None:
    assert_whole(await ask_range(backend, path, "bytes=90-", If_Range=BEFORE))


async def test_if_range_without_range(backend: Backend, path: Path) -> None:
    assert_whole(await ask_file(backend, path, request_headers={"If-Range": ETAG}))
    assert_whole(await ask_file(backend, path, request_headers={"If-Range": BEFORE}))


async def test_head_if_range(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, "HEAD", {"Range": "bytes=0-3", "If-Range": BEFORE})
    assert (response.status_code, response.headers["Content-Length"]) == (200, "10")


# With other conditions


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": '"x"'}, 206),
        ({"If-Modified-Since": AT_MODIFIED}, 304),
        ({"If-Modified-Since": BEFORE}, 206),
        ({"If-Match": ETAG}, 206),
        ({"If-Match": '"x"'}, 412),
        ({"If-Unmodified-Since": AT_MODIFIED}, 206),
        ({"If-Unmodified-Since": BEFORE}, 412),
        ({"If-None-Match": ETAG, "If-Range": BEFORE}, 304),
        ({"If-Match": ETAG, "If-Range": BEFORE}, 200),
    ],
)
async def test_conditions_come_first(backend: Backend, path: Path, conditions: dict[str, str], status: int) -> None:
    response = await ask_file(backend, path, request_headers={"Range": "bytes=0-3", **conditions})
    assert response.status_code == status


async def test_conditions_come_before_416(backend: Backend, path: Path) -> None:
    headers = {"Range": "bytes=90-", "If-None-Match": ETAG}
    assert (await ask_file(backend, path, request_headers=headers)).status_code == 304


@pytest.mark.parametrize("status", [201, 204, 404, 500])
async def test_other_statuses(backend: Backend, path: Path, status: int) -> None:
    response = await ask_file(backend, path, request_headers={"Range": "bytes=0-3"}, status=status)
    # A range is of a 200 (RFC 9110, section 14.2); an error page in pieces would pass for a download that went well.
    if backend.name == "aiohttp":
        assert_part(response, 0, 4)
    else:
        assert response.status_code == status
        assert "Content-Range" not in response.headers
        assert response.content == (b"" if status == 204 else CONTENT)


# Several ranges


@pytest.mark.parametrize(
    "value", ["bytes=0-1,4000-4005", "bytes=0-1, -2", "bytes=8000-, 0-1", "bytes=0-0,2000-2001,9999-"]
)
async def test_several_ranges(backend: Backend, tmp_path: Path, value: str) -> None:
    content = CONTENT * 1000
    response = await ask_range(backend, make_file(tmp_path / "file.txt", content), value)
    if backend.name == "aiohttp":
        assert_not_satisfiable(response, 10_000)
        return
    assert response.status_code == 206
    assert "Content-Range" not in response.headers
    assert response.headers["Content-Length"] == str(len(response.content))
    message = email.message_from_bytes(
        b"Content-Type: " + response.headers["Content-Type"].encode() + b"\r\n\r\n" + response.content,
        policy=email.policy.HTTP,
    )
    assert message.get_content_type() == "multipart/byteranges"
    parts = list(message.iter_parts())
    assert len(parts) == value.count(",") + 1
    for part in parts:
        assert part["Content-Type"] == "text/plain"
        unit, _, positions = part["Content-Range"].partition(" ")
        span, _, size = positions.partition("/")
        first, _, last = span.partition("-")
        assert (unit, size) == ("bytes", "10000")
        assert part.get_payload(decode=True) == content[int(first) : int(last) + 1]


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-1,", 0, 2),
        ("bytes=,0-1", 0, 2),
        ("bytes=0-1,2-3", 0, 4),
        ("bytes=0-5,3-7", 0, 8),
        ("bytes=2-3,90-", 2, 4),
    ],
)
async def test_several_ranges_that_are_one(backend: Backend, path: Path, value: str, start: int, stop: int) -> None:
    # Ranges that touch, overlap, or lie closer than the head of a part is long are sent as one.
    response = await ask_range(backend, path, value)
    if backend.name == "aiohttp":
        assert_not_satisfiable(response)
    else:
        assert_part(response, start, stop)


@pytest.mark.parametrize("value", ["bytes=90-91,95-", "bytes=0-1,garbage", "bytes=0-1,5-4", "bytes=,", "bytes=0-1;2-3"])
async def test_several_ranges_that_fail(backend: Backend, path: Path, value: str) -> None:
    assert_not_satisfiable(await ask_range(backend, path, value))


async def test_very_many_ranges(backend: Backend, path: Path) -> None:
    response = await ask_range(backend, path, "bytes=" + ",".join(["0-0", "2-2"] * 500))
    if backend.name == "aiohttp":
        assert_not_satisfiable(response)
    else:
        # Whatever is made of them, the answer is no larger than a few of them.
        assert response.status_code in {200, 206, 416}
        assert len(response.content) < 1000


async def test_several_ranges_of_an_empty_file(backend: Backend, tmp_path: Path) -> None:
    assert_not_satisfiable(await ask_range(backend, make_file(tmp_path / "empty", b""), "bytes=0-0,1-1"), 0)
