"""S2: a precompressed sibling that is a symbolic link, out of the folder or not, is not served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from framework import web
from framework.opened_files import open_file
from tests.driver import Driver


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A file whose siblings are links to a secret outside of its folder."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("public")
    for extension in (".gz", ".br", ".zst"):
        (folder / f"a.txt{extension}").symlink_to(secret)
    return folder / "a.txt"


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"*"])
async def test_s02_a_sibling_that_is_a_link_is_not_served(coding: bytes, linked: Path) -> None:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(linked)

    app = web.Application()
    app.router.add_get("/", handler)
    app.router.add_static("/static", linked.parent)
    app.router.add_static("/follow", linked.parent, follow_symlinks=True)
    for target in ("/", "/static/a.txt", "/follow/a.txt"):
        driver = await Driver.http(app, target=target, headers=[(b"accept-encoding", coding)]).run()
        assert (driver.status, driver.body) == (200, b"public")
        assert b"content-encoding" not in driver.headers


@pytest.mark.parametrize("kind", ["directory", "fifo", "socket"])
def test_s02_a_sibling_that_is_no_file_is_not_served(kind: str, tmp_path: Path) -> None:
    path, sibling = tmp_path / "a.txt", tmp_path / "a.txt.gz"
    path.write_text("public")
    if kind == "directory":
        sibling.mkdir()
    elif kind == "fifo":
        os.mkfifo(sibling)
    else:
        os.mknod(sibling, 0o140600)
    opened = open_file(str(path), "gzip")
    assert (opened.content, opened.coding, opened.negotiated) == (b"public", None, False)


def test_s02_a_sibling_that_becomes_a_link_is_not_followed(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the opening, somebody may put a link there."""
    monkeypatch.setattr(os, "lstat", os.stat)
    opened = open_file(str(linked), "gzip")
    assert (opened.content, opened.coding) == (b"public", None)
