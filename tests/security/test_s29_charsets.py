"""S29: the charsets that clients name leave nothing behind, in this package or in Python's own tables."""

from __future__ import annotations

import encodings

import pytest

from framework import web
from framework.sansio.text import decode_text
from tests.driver import Driver


@pytest.mark.parametrize("pattern", ["unknown-{}", "utf8\xe9{}", "utf-8.{}", "x" * 5000 + "{}", "{}\0"])
async def test_s29_charsets_that_nobody_knows_are_forgotten(pattern: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    app = web.Application()
    app.router.add_post("/", handler)
    remembered = len(vars(encodings)["_cache"])
    for number in range(20):
        content_type = f"text/plain; charset={pattern.format(number)}".encode()
        driver = await Driver.http(app, "POST", headers=[(b"content-type", content_type)], body=b"hi").run()
        assert driver.status == 415
        assert len(driver.body) < 200
    assert len(vars(encodings)["_cache"]) == remembered


@pytest.mark.parametrize(
    "name", ["latin-1", "ISO-8859-15", "iso8859_15", "Shift_JIS", "cp1252", "utf_8_sig", "KOI8-U", "US-ASCII"]
)
def test_charsets_are_known_by_all_their_names(name: str) -> None:
    assert decode_text(b"hi", name) == "hi"
