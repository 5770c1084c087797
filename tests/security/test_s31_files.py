"""S31: an answer that another Accept-Encoding could have changed says so, also where it has no coding itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from framework import web
from tests.driver import Driver


async def ask(path: Path, method: str = "GET", **headers: str) -> Driver:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    app = web.Application()
    app.router.add_get("/", handler)
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return await Driver.http(app, method, headers=pairs).run()


ASKED: list[dict[str, Any]] = [
    {},
    {"accept_encoding": "gzip"},
    {"accept_encoding": "identity"},
    {"accept_encoding": "br"},
    {"range": "bytes=0-1"},
    {"range": "bytes=9000-"},
    {"if_none_match": "*"},
    {"if_match": '"x"'},
]


@pytest.mark.parametrize("headers", ASKED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_s31_every_answer_beside_a_sibling_varies(headers: Any, method: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"plain")
    (tmp_path / "a.txt.gz").write_bytes(b"coded")
    driver = await ask(path, method, **headers)
    assert driver.headers[b"vary"] == b"Accept-Encoding"


async def test_s31_the_tags_of_a_file_and_its_sibling_differ(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a longer one")
    (tmp_path / "a.txt.gz").write_bytes(b"coded")
    plain, coded = await ask(path), await ask(path, accept_encoding="gzip")
    assert plain.headers[b"etag"] != coded.headers[b"etag"]
    again = await ask(path, accept_encoding="gzip", if_none_match=plain.headers[b"etag"].decode())
    assert again.status == 200


async def test_s31_no_answer_without_a_sibling_varies(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"plain")
    assert b"vary" not in (await ask(path, accept_encoding="gzip")).headers
