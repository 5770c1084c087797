"""S22: ranges cost no more than the file does, however many are asked for and however they overlap."""

from __future__ import annotations

from pathlib import Path

import pytest

from framework import web
from tests.driver import Driver

SIZE = 100_000


async def ask(tmp_path: Path, value: bytes) -> Driver:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(SIZE))

    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    app = web.Application()
    app.router.add_get("/", handler)
    return await Driver.http(app, headers=[(b"range", value)]).run()


@pytest.mark.parametrize(
    "ranges",
    [
        [b"0-"] * 60,
        [b"0-", b"-100000"] * 30,
        [b"%d-" % start for start in range(60)],
        [b"%d-%d" % (start * 1000, start * 1000) for start in range(60)],
        [b"-%d" % length for length in range(1, 61)],
        [b"0-0"] * 1000,
        [b"%d-%d" % (start, start) for start in range(0, 50_000, 2)],
    ],
    ids=["whole", "whole twice", "overlapping", "apart", "suffixes", "many", "very many"],
)
async def test_s22_the_answer_is_hardly_larger_than_the_file(ranges: list[bytes], tmp_path: Path) -> None:
    driver = await ask(tmp_path, b"bytes=" + b",".join(ranges))
    assert driver.status in {200, 206}
    assert len(driver.body) <= SIZE + 64 * 200


@pytest.mark.parametrize(
    "value",
    [
        b"bytes=5-2", b"bytes=1-0", b"bytes=100000-", b"bytes=99999999999999999999-", b"bytes=" + b"9" * 60_000 + b"-",
        b"bytes=-0", b"bytes=\xd9\xa1-\xd9\xa2", b"bytes=\xc2\xb2-", b"bytes=0-0,5-2", b"bytes=-" + b"9" * 2000,
        b"bytes=" + b"0" * 2000 + b"-", b"bytes=0x1-0x2", b"bytes=1e1-", b"bytes=+1-2", b"bytes=1_0-2_0",
        b"bytes=", b"bytes", b"",
    ],
)  # fmt: skip
async def test_s22_what_is_no_range_of_the_file_is_refused(value: bytes, tmp_path: Path) -> None:
    driver = await ask(tmp_path, value)
    assert (driver.status, driver.body) == (416, b"")
    assert driver.headers[b"content-range"] == b"bytes */100000"


async def test_s22_the_end_of_a_range_may_be_beyond_the_file(tmp_path: Path) -> None:
    driver = await ask(tmp_path, b"bytes=99999-9999999999999999999")
    assert (driver.status, len(driver.body)) == (206, 1)
