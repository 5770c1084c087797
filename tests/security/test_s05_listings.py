"""S5: what a list of files and the errors of static files show is escaped."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from framework import web
from tests.driver import Driver

NAMES = [
    "<script>alert(1)<|script>",
    "<img src=x onerror=alert(1)>.txt",
    "\"><b onmouseover='x'>",
    "'quotes' & ampersands;",
    "&lt;already&gt;",
    "a?b#c%20d%2f.txt",
    "javascript:alert(1)",
    "new\nline\r\ttab",
    "é ☃ 🎉.txt",
    "a\\b",
    " leading and trailing ",
    "..hidden",
]


class Reader(HTMLParser):
    """The tags, texts of list items and links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert all(name in {"href", "charset"} for name, _ in attrs)
        self.links += [value for name, value in attrs if name == "href" and value is not None]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


async def listing(folder: Path, target: str, **scope: Any) -> Reader:
    app = web.Application()
    app.router.add_static("/static", folder, show_index=True)
    driver = await Driver.http(app, target=target, **scope).run()
    assert driver.status == 200
    assert driver.headers[b"content-type"] == b"text/html; charset=utf-8"
    return Reader(driver.body.decode())


@pytest.mark.parametrize("name", NAMES)
async def test_s05_file_names_in_a_list(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("found")
    page = await listing(tmp_path, "/static/")
    assert page.tags == {"html", "head", "meta", "title", "body", "h1", "ul", "li", "a"}
    assert name in page.texts
    (link,) = page.links
    assert link.startswith("/static/")
    app = web.Application()
    app.router.add_static("/static", tmp_path)
    driver = await Driver.http(app, target=link).run()
    assert (driver.status, driver.body) == (200, b"found")


@pytest.mark.parametrize("name", NAMES)
async def test_s05_the_name_of_the_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "file").touch()
    (link,) = (await listing(tmp_path, "/static/")).links
    page = await listing(tmp_path, link)
    assert page.tags == {"html", "head", "meta", "title", "body", "h1", "ul", "li", "a"}
    assert page.texts.count(f"Index of /{name}") == 2
    assert page.links == [f"{link}/file"]


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode on Windows")
async def test_s05_names_that_are_no_utf_8(tmp_path: Path) -> None:
    directory = os.fsencode(tmp_path) + b"/directory\xff<"
    os.mkdir(directory)  # noqa: PTH102 - of octets
    (tmp_path / "plain").touch()
    page = await listing(tmp_path, "/static/")
    assert "directory\ufffd</" in page.texts
    assert page.links == ["/static/plain"]


async def test_s05_the_path_in_an_error(tmp_path: Path) -> None:
    app = web.Application(debug=True)
    app.router.add_static("/static", tmp_path)
    for target in ("/static/<script>", "/static/%3Cscript%3E", "/static/a%22'<b>"):
        driver = await Driver.http(app, target=target).run()
        assert driver.status == 404
        assert b"<" not in driver.body


async def test_s05_below_a_root_path_the_links_are_below_it(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    page = await listing(tmp_path, "/static/", root_path='/m"<>')
    assert page.links == ["/m%22%3C%3E/static/a"]
