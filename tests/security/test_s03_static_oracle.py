"""S3: whether a file outside of a static folder is there makes no difference to the answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from framework import web
from tests.driver import Driver

OPTIONS: list[dict[str, Any]] = [
    {},
    {"show_index": True},
    {"html": True},
    {"fallback": "index.html"},
    {"html": True, "show_index": True, "fallback": "index.html"},
]

#: A path that leads to something outside, and one that leads to nothing at the same place.
PAIRS = [
    ("../secret.txt", "../nothing.txt"),
    ("..%2fsecret.txt", "..%2fnothing.txt"),
    ("..%2fstatic%2fa.txt", "..%2fnothing%2fa.txt"),
    ("%2fetc%2fpasswd", "%2fetc%2fnothing"),
    ("%2fetc", "%2fnothing"),
    ("/etc/passwd", "/etc/nothing"),
    ("sub/../../secret.txt", "sub/../../nothing.txt"),
    ("file", "dangling"),
    ("directory/key.txt", "directory/nothing.txt"),
    ("directory", "dangling"),
    ("directory/", "dangling/"),
    ("directory/inner", "directory/nothing"),
    ("directory/inner/", "directory/nothing/"),
    ("directory/fifo", "directory/nothing"),
    ("unreadable", "dangling"),
    ("device", "dangling"),
    ("file/x", "dangling/x"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("index")
    (tmp_path / "secret.txt").write_text("SECRET")
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "key.txt").write_text("SECRET")
    (outside / "index.html").write_text("SECRET")
    (outside / "inner" / "index.html").write_text("SECRET")
    (outside / "unreadable").touch(mode=0)
    os.mkfifo(outside / "fifo")
    (folder / "file").symlink_to(tmp_path / "secret.txt")
    (folder / "directory").symlink_to(outside)
    (folder / "unreadable").symlink_to(outside / "unreadable")
    (folder / "device").symlink_to("/dev/null")
    (folder / "dangling").symlink_to(tmp_path / "nothing")
    return folder


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
async def test_s03_existing_and_missing_files_outside_have_the_same_answer(
    pair: tuple[str, str], options: dict[str, Any], folder: Path
) -> None:
    app = web.Application()
    app.router.add_static("/static", folder, **options)
    answers = []
    for target in pair:
        for method in ("GET", "HEAD"):
            driver = await Driver.http(app, method, f"/static/{target}").run()
            assert b"SECRET" not in driver.body
            answers.append((driver.status, driver.sent[0]["headers"], driver.body))
    assert answers[:2] == answers[2:]


async def test_s03_a_list_does_not_tell_what_a_link_leads_to(folder: Path) -> None:
    app = web.Application()
    app.router.add_static("/static", folder, show_index=True)
    driver = await Driver.http(app, target="/static/").run()
    assert b">sub/<" in driver.body
    assert b">directory<" in driver.body
    assert b">dangling<" in driver.body
