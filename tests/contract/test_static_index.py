"""add_static(show_index=True): the page that lists a directory."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

import httpx
import pytest

from tests.contract.backends import Backend
from tests.contract.served_files import CONTENT, folder, make_file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("b.txt", "a.txt", "C.txt", "sub/z.txt", "sub/deep/y.txt"):
        make_file(root / name, name.encode())
    (root / "empty").mkdir()
    return root


def links_of(response: httpx.Response) -> list[tuple[str, str]]:
    """What the links of the page lead to, and say, in the page's order."""
    assert response.status_code == 200
    found = re.findall(r'<a href="([^"]*)">([^<]*)</a>', response.text)
    return [(html.unescape(href), html.unescape(text)) for href, text in found]


def labels_of(response: httpx.Response) -> list[str]:
    return [text for _, text in links_of(response)]


@pytest.mark.parametrize("path", ["/static", "/static/"])
async def test_page(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root, show_index=True) as client:
        response = await client.get(path)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Length"] == str(len(response.content))
    assert links_of(response) == [
        ("/static/C.txt", "C.txt"),
        ("/static/a.txt", "a.txt"),
        ("/static/b.txt", "b.txt"),
        ("/static/empty", "empty/"),
        ("/static/sub", "sub/"),
    ]


async def test_title(backend: Backend, root: Path) -> None:
    async with folder(backend, root, show_index=True) as client:
        top, sub = await client.get("/static/"), await client.get("/static/sub/deep/")
    name = "Index of /." if backend.name == "aiohttp" else "Index of /"
    assert f"<title>{name}</title>" in top.text
    assert f"<h1>{name}</h1>" in top.text
    assert "<title>Index of /sub/deep</title>" in sub.text
    assert "<h1>Index of /sub/deep</h1>" in sub.text


@pytest.mark.parametrize("path", ["/static/sub", "/static/sub/", "/static/sub/."])
async def test_sub_directory(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root, show_index=True) as client:
        response = await client.get(path)
    assert links_of(response) == [("/static/sub/deep", "deep/"), ("/static/sub/z.txt", "z.txt")]


@pytest.mark.parametrize("path", ["/static/empty", "/static/empty/"])
async def test_empty_directory(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root, show_index=True) as client:
        response = await client.get(path)
    assert links_of(response) == []
    assert "<li>" not in response.text


async def test_head(backend: Backend, root: Path) -> None:
    async with folder(backend, root, show_index=True) as client:
        response, page = await client.head("/static/"), await client.get("/static/")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == str(len(page.content))
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_other_methods(backend: Backend, root: Path) -> None:
    async with folder(backend, root, show_index=True) as client:
        response = await client.post("/static/")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET,HEAD")


async def test_off_by_default(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        assert (await client.get("/static/")).status_code == 403
    async with folder(backend, root, show_index=False) as client:
        assert (await client.get("/static/sub/")).status_code == 403


async def test_missing_directory(backend: Backend, root: Path) -> None:
    async with folder(backend, root, show_index=True) as client:
        assert (await client.get("/static/missing/")).status_code == 404
        assert (await client.get("/static/../")).status_code == 404
        assert (await client.get("/")).status_code == 404


async def test_files_are_served_beside_it(backend: Backend, root: Path) -> None:
    async with folder(backend, root, show_index=True) as client:
        assert (await client.get("/static/a.txt")).content == b"a.txt"


async def test_index_html_is_not_shown_in_its_place(backend: Backend, root: Path) -> None:
    make_file(root / "index.html", b"<p>mine</p>")
    async with folder(backend, root, show_index=True) as client:
        response = await client.get("/static/")
    assert "index.html" in labels_of(response)
    assert "mine" not in response.text


@pytest.mark.parametrize(
    "name",
    [
        "a b.txt",
        "<script>alert(1)<-script>",
        '"><img src=x onerror=alert(1)>',
        "'single'.txt",
        "a&b.txt",
        "a#b.txt",
        "a?b=c.txt",
        "100%.txt",
        "%2e%2e",
        "ü.txt",
        "日本.txt",
        "😀",
        "javascript:alert(1)",
        "{x}",
        "a\nb",
        "a\\b",
        ".hidden",
        "+",
    ],
)
@pytest.mark.parametrize("directory", ["", "sub/"])
async def test_s05_name(backend: Backend, root: Path, name: str, directory: str) -> None:
    """A name stands in the page as text, and its link leads to the file."""
    make_file(root / directory / name, b"the file")
    async with folder(backend, root, show_index=True) as client:
        page = await client.get("/static/" + directory)
        (href,) = [href for href, text in links_of(page) if text == name]
        response = await client.get(href)
    assert href.startswith("/static/" + directory)
    assert (response.status_code, response.content) == (200, b"the file")
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert set(re.findall(r"<([a-z0-9]+)", page.text)) <= {
        "html",
        "head",
        "meta",
        "title",
        "body",
        "h1",
        "ul",
        "li",
        "a",
    }


async def test_s05_name_that_looks_like_a_character_reference(backend: Backend, root: Path) -> None:
    make_file(root / "sub" / "&lt;.txt", b"the file")
    async with folder(backend, root, show_index=True) as client:
        page = await client.get("/static/sub/")
        (href,) = [href for href, text in links_of(page) if text == "&lt;.txt"]
        response = await client.get(href)
    # aiohttp escapes the text and not the attribute, so that a browser asks for another file.
    assert (href, response.status_code) == (
        ("/static/sub/<.txt", 404) if backend.name == "aiohttp" else ("/static/sub/&lt;.txt", 200)
    )


@pytest.mark.parametrize("name", ["<b>x<", "a&b", '"quoted"', "a b", "ü"])
async def test_s05_name_of_the_directory(backend: Backend, root: Path, name: str) -> None:
    make_file(root / name / "f.txt", b"the file")
    async with folder(backend, root, show_index=True) as client:
        top = await client.get("/static/")
        (href,) = [href for href, text in links_of(top) if text == name + "/"]
        page = await client.get(href)
        ((file_href, label),) = links_of(page)
        assert (await client.get(file_href)).content == b"the file"
    assert label == "f.txt"
    assert f"<title>{html.escape('Index of /' + name)}</title>" in page.text
    assert "<b>" not in page.text


async def test_name_that_is_not_utf_8(backend: Backend, root: Path) -> None:
    make_file(Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt")))
    async with folder(backend, root, show_index=True) as client:
        response = await client.get("/static/")
    if backend.name == "aiohttp":
        assert response.status_code == 500
    else:
        # It is listed, without a link: no URL names it.
        assert "\N{REPLACEMENT CHARACTER}.txt" in response.text
        assert "a.txt" in labels_of(response)
        assert "\N{REPLACEMENT CHARACTER}.txt" not in labels_of(response)


@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_links_inside(backend: Backend, root: Path, follow_symlinks: bool) -> None:
    (root / "file-link").symlink_to("a.txt")
    (root / "folder-link").symlink_to("sub")
    (root / "dangling").symlink_to("gone")
    (root / "loop").symlink_to("loop")
    async with folder(backend, root, show_index=True, follow_symlinks=follow_symlinks) as client:
        page = await client.get("/static/")
        through = await client.get("/static/folder-link/")
    assert {"file-link", "folder-link/", "dangling", "loop"} <= set(labels_of(page))
    assert labels_of(through) == ["deep/", "z.txt"]


async def test_page_of_a_linked_directory(backend: Backend, root: Path) -> None:
    (root / "folder-link").symlink_to("sub")
    async with folder(backend, root, show_index=True) as client:
        page = await client.get("/static/folder-link/")
    # aiohttp shows the directory that the link leads to; here the links stay below the path that was asked for.
    base = "/static/sub" if backend.name == "aiohttp" else "/static/folder-link"
    assert links_of(page) == [(base + "/deep", "deep/"), (base + "/z.txt", "z.txt")]


async def test_s03_link_out_of_the_folder(backend: Backend, root: Path, tmp_path: Path) -> None:
    make_file(tmp_path / "outside" / "secret.txt")
    (root / "out").symlink_to(tmp_path / "outside")
    async with folder(backend, root, show_index=True) as client:
        page = await client.get("/static/")
        assert (await client.get("/static/out/")).status_code == 404
    # aiohttp's slash tells that there is a directory at the other end.
    assert [text for text in labels_of(page) if text.startswith("out")] == (
        ["out/"] if backend.name == "aiohttp" else ["out"]
    )


async def test_followed_link_out_of_the_folder(backend: Backend, root: Path, tmp_path: Path) -> None:
    make_file(tmp_path / "outside" / "other.txt")
    (root / "out").symlink_to(tmp_path / "outside")
    async with folder(backend, root, show_index=True, follow_symlinks=True) as client:
        page = await client.get("/static/")
        listing = await client.get("/static/out/")
        file = await client.get("/static/out/other.txt")
    assert "out/" in labels_of(page)
    assert file.content == CONTENT
    if backend.name == "aiohttp":
        assert listing.status_code == 500
    else:
        assert links_of(listing) == [("/static/out/other.txt", "other.txt")]


async def test_special_files(backend: Backend, root: Path) -> None:
    os.mkfifo(root / "fifo")
    async with folder(backend, root, show_index=True) as client:
        assert "fifo" in labels_of(await client.get("/static/"))


async def test_at_the_root(backend: Backend, root: Path) -> None:
    async with folder(backend, root, "/", show_index=True) as client:
        assert ("/a.txt", "a.txt") in links_of(await client.get("/"))
        assert ("/sub/z.txt", "z.txt") in links_of(await client.get("/sub"))


async def test_in_a_sub_application(backend: Backend, root: Path) -> None:
    app, sub = backend.web.Application(), backend.web.Application()
    sub.router.add_static("/static", root, show_index=True)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        page = await client.get("/sub/static/")
        assert ("/sub/static/a.txt", "a.txt") in links_of(page)


async def test_many_files(backend: Backend, root: Path) -> None:
    names = [f"{number:04}.txt" for number in range(300)]
    (root / "many").mkdir()
    for name in names:
        (root / "many" / name).touch()
    async with folder(backend, root, show_index=True) as client:
        assert labels_of(await client.get("/static/many/")) == names


async def test_directory_changes(backend: Backend, root: Path) -> None:
    async with folder(backend, root, show_index=True) as client:
        assert labels_of(await client.get("/static/empty/")) == []
        make_file(root / "empty" / "new.txt")
        assert labels_of(await client.get("/static/empty/")) == ["new.txt"]


async def test_middleware_sees_a_response(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    seen: list[str] = []

    async def look(request: object, response: object) -> None:
        seen.append(type(response).__name__)

    app.router.add_static("/static", root, show_index=True)
    app.on_response_prepare.append(look)
    async with backend.client(app) as client:
        await client.get("/static/")
    assert seen == ["Response"]
