"""add_static never leaves its folder, and tells nothing of what lies outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contract.backends import Address, Backend, SocketBackend, exchange
from tests.contract.served_files import CONTENT, folder, make_file

SECRET = b"SECRET"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files, directories and links, and secrets around it.

    tmp_path/secret.txt, tmp_path/root-2/secret.txt and tmp_path/outside/secret.txt are not for the client.
    """
    root = tmp_path / "root"
    make_file(root / "a.txt")
    make_file(root / "sub" / "b.txt", b"in sub")
    for name in ("secret.txt", "root-2/secret.txt", "outside/secret.txt", "outside/deep/secret.txt"):
        make_file(tmp_path / name, SECRET)
    links = {
        "file-in": "a.txt",
        "file-out": "../secret.txt",
        "file-out-absolute": str(tmp_path / "secret.txt"),
        "folder-in": "sub",
        "folder-out": "../outside",
        "up": "..",
        "self": ".",
        "chain-in": "file-in",
        "chain-out": "file-out",
        "sub/back": "../a.txt",
        "sub/round": "../../root/a.txt",
        "dangling": "gone",
        "dangling-out": "../gone",
        "loop": "loop",
        "loop-1": "loop-2",
        "loop-2": "loop-1",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    return root


async def get_raw(address: Address, target: bytes) -> tuple[int, bytes]:
    """The status, and all the octets that came."""
    received = await exchange(address, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return int(received.split(maxsplit=2)[1]), received


# Paths as they stand on the wire, where no client has normalised them

OUTWARD = [
    "../secret.txt",
    "../../../../../../../../etc/passwd",
    "sub/../../secret.txt",
    "sub/../../outside/secret.txt",
    "../root-2/secret.txt",
    "./../secret.txt",
    ".//../secret.txt",
    "/../secret.txt",
    "//../secret.txt",
    "..//secret.txt",
    ".././secret.txt",
    "sub/../../root/../secret.txt",
    "%2e%2e/secret.txt",
    "%2E%2E/secret.txt",
    ".%2e/secret.txt",
    "%2e./secret.txt",
    "..%2fsecret.txt",
    "..%2Fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "%2f..%2fsecret.txt",
    "sub%2f..%2f..%2fsecret.txt",
    "sub/%2e%2e/%2e%2e/secret.txt",
    "%252e%252e/secret.txt",
    "%252e%252e%252fsecret.txt",
    "..%252fsecret.txt",
    "..%5csecret.txt",
    "..%5C..%5Csecret.txt",
    "%2e%2e%5csecret.txt",
    "..\\secret.txt",
    "sub\\..\\..\\secret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "%c0%ae%c0%ae%c0%afsecret.txt",
    "..%c0%afsecret.txt",
    "%uff0e%uff0e/secret.txt",
    "%ef%bc%8e%ef%bc%8e/secret.txt",
    "..;/secret.txt",
    "..;x=y/secret.txt",
    "....//secret.txt",
    "..././secret.txt",
    "..%00/secret.txt",
    "%2e%2e%00/secret.txt",
    "../secret.txt%00.txt",
    "a.txt/../../secret.txt",
    "missing/../../secret.txt",
    "..",
    "../",
    "%2e%2e",
    "%2e%2e%2f",
    "../root-2",
    "..%20/secret.txt",
    "..%09/secret.txt",
    "C:/secret.txt",
    "C:%5csecret.txt",
    "%5c%5chost%5cshare%5csecret.txt",
    "file:///etc/passwd",
    "~/secret.txt",
    "~root/secret.txt",
    "$HOME/secret.txt",
]


@pytest.mark.parametrize("path", OUTWARD)
async def test_s01_path_that_leads_out(socket_backend: SocketBackend, root: Path, path: str) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    app.router.add_static("/follow", root, follow_symlinks=True)
    async with socket_backend.serve(app) as address:
        for prefix in (b"/static/", b"/follow/"):
            status, received = await get_raw(address, prefix + path.encode())
            assert 400 <= status < 500
            assert SECRET not in received
            assert b"root:" not in received


async def test_s01_path_that_leads_out_of_the_root(socket_backend: SocketBackend, root: Path) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/", root, show_index=True)
    async with socket_backend.serve(app) as address:
        for path in OUTWARD:
            status, received = await get_raw(address, b"/" + path.encode())
            assert SECRET not in received, path
            assert b"root:" not in received, path
            assert b"secret.txt</a>" not in received, path
            # With the prefix `/`, some of these are only another name of the folder itself, as for a browser.
            assert status == 200 if b"Index of /" in received else 400 <= status < 500, path


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_s01_absolute_path(
    socket_backend: SocketBackend, root: Path, encoded: bool, follow_symlinks: bool
) -> None:
    target = os.fsencode(root.parent / "secret.txt")
    app = socket_backend.web.Application()
    app.router.add_static("/static", root, follow_symlinks=follow_symlinks)
    async with socket_backend.serve(app) as address:
        for slashes in (b"", b"/", b"//"):
            path = slashes + target
            status, received = await get_raw(address, b"/static/" + (path.replace(b"/", b"%2F") if encoded else path))
            assert status == 404
            assert SECRET not in received


@pytest.mark.parametrize("path", ["%00", "a.txt%00", "%00a.txt", "sub%00/b.txt", "a.txt%00.html", "a%00.txt"])
@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_s01_nul(backend: Backend, root: Path, path: str, follow_symlinks: bool) -> None:
    async with folder(backend, root, follow_symlinks=follow_symlinks) as client:
        response = await client.get("/static/" + path)
    assert response.status_code == 404
    assert CONTENT not in response.content


async def test_s01_nul_on_the_wire(socket_backend: SocketBackend, root: Path) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    async with socket_backend.serve(app) as address:
        status, received = await get_raw(address, b"/static/a.txt\x00")
    assert status == 400
    assert CONTENT not in received


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("sub/../a.txt", CONTENT),
        ("./a.txt", CONTENT),
        ("sub/./b.txt", b"in sub"),
        ("sub//b.txt", b"in sub"),
        ("missing/../a.txt", CONTENT),
        ("sub/%2e%2e/a.txt", CONTENT),
        ("sub%2f..%2fa.txt", CONTENT),
    ],
)
async def test_dots_that_stay_inside(socket_backend: SocketBackend, root: Path, path: str, content: bytes) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    async with socket_backend.serve(app) as address:
        status, received = await get_raw(address, b"/static/" + path.encode())
    assert (status, received.endswith(b"\r\n\r\n" + content)) == (200, True)


@pytest.mark.parametrize("path", ["..%2Froot%2Fa.txt", "sub%2F..%2F..%2Froot%2Fa.txt"])
async def test_path_that_leaves_and_comes_back(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root) as client:
        response = await client.get("/static/" + path)
    # aiohttp's answer tells whether the folder has that name on the disk.
    assert response.status_code == (200 if backend.name == "aiohttp" else 404)


@pytest.mark.parametrize(
    "path", ["/other/../static/a.txt", "/static/../static/a.txt", "/./static/a.txt", "//static/a.txt"]
)
async def test_prefix_behind_dots(socket_backend: SocketBackend, root: Path, path: str) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    async with socket_backend.serve(app) as address:
        status, _ = await get_raw(address, path.encode())
    assert status == 404


@pytest.mark.parametrize("path", ["/static%2Fa.txt", "/static%2f..%2fsecret.txt", "/static%5ca.txt", "/static\\a.txt"])
async def test_prefix_before_an_encoded_separator(socket_backend: SocketBackend, root: Path, path: str) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    async with socket_backend.serve(app) as address:
        status, received = await get_raw(address, path.encode())
    assert status == 404
    assert CONTENT not in received


async def test_absolute_form(socket_backend: SocketBackend, root: Path) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    async with socket_backend.serve(app) as address:
        status, received = await get_raw(address, b"http://a/static/a.txt")
        assert (status, received.endswith(CONTENT)) == (200, True)
        status, received = await get_raw(address, b"http://a/static/../secret.txt")
    assert status == 404
    assert SECRET not in received


@pytest.mark.parametrize("path", ["%", "%2", "%zz", "a.txt%", "%%", "a%2.txt", "%ff", "%ed%a0%80", "%80abc"])
async def test_malformed_encoding(socket_backend: SocketBackend, root: Path, path: str) -> None:
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    async with socket_backend.serve(app) as address:
        status, _ = await get_raw(address, b"/static/" + path.encode())
    assert status in {400, 404}


async def test_any_octet_in_a_name(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        for octet in (*range(1, 33), 127, 128, 255):
            response = await client.get(f"/static/x%{octet:02X}y")
            assert response.status_code == 404, octet


# Symbolic links

IN = {
    "file-in": CONTENT,
    "chain-in": CONTENT,
    "folder-in/b.txt": b"in sub",
    "sub/back": CONTENT,
    "sub/round": CONTENT,
    "self/a.txt": CONTENT,
    "self/self/a.txt": CONTENT,
    "folder-in/back": CONTENT,
}

OUT = [
    "file-out",
    "file-out-absolute",
    "chain-out",
    "folder-out/secret.txt",
    "folder-out/deep/secret.txt",
    "up/secret.txt",
    "up/outside/secret.txt",
    "self/file-out",
]


@pytest.mark.parametrize("path", IN)
@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_link_that_stays_inside(backend: Backend, root: Path, path: str, follow_symlinks: bool) -> None:
    async with folder(backend, root, follow_symlinks=follow_symlinks) as client:
        response = await client.get("/static/" + path)
    assert (response.status_code, response.content) == (200, IN[path])


@pytest.mark.parametrize("path", OUT)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_s01_link_that_leads_out(backend: Backend, root: Path, path: str, method: str) -> None:
    async with folder(backend, root) as client:
        response = await client.request(method, "/static/" + path)
    assert response.status_code == 404
    assert SECRET not in response.content
    for name in ("ETag", "Last-Modified", "Accept-Ranges"):
        assert name not in response.headers


@pytest.mark.parametrize("path", OUT)
async def test_link_that_is_followed(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root, follow_symlinks=True) as client:
        response = await client.get("/static/" + path)
    assert (response.status_code, response.content) == (200, SECRET)


async def test_links_are_not_followed_by_default(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.add_routes([backend.web.static("/static", root)])
    async with backend.client(app) as client:
        assert (await client.get("/static/file-out")).status_code == 404


@pytest.mark.parametrize("path", ["dangling", "dangling-out", "loop", "loop-1", "loop/x", "dangling/x", "loop-1/x"])
@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_link_that_leads_nowhere(backend: Backend, root: Path, path: str, follow_symlinks: bool) -> None:
    async with folder(backend, root, follow_symlinks=follow_symlinks) as client:
        assert (await client.get("/static/" + path)).status_code == 404


@pytest.mark.parametrize("path", ["folder-out", "folder-out/", "folder-out/deep", "up", "up/", "up/outside"])
async def test_s01_linked_directory_outside(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root, show_index=True) as client:
        response = await client.get("/static/" + path)
    assert response.status_code == 404
    assert b"secret" not in response.content


@pytest.mark.parametrize("path", ["folder-in", "folder-in/", "self", "self/"])
@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_linked_directory_inside(backend: Backend, root: Path, path: str, follow_symlinks: bool) -> None:
    async with folder(backend, root, follow_symlinks=follow_symlinks) as client:
        assert (await client.get("/static/" + path)).status_code == 403


@pytest.mark.parametrize("path", ["folder-out", "folder-out/", "folder-out/deep"])
async def test_linked_directory_that_is_followed(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root, follow_symlinks=True) as client:
        assert (await client.get("/static/" + path)).status_code == 403


@pytest.mark.parametrize("path", ["folder-out/../secret.txt", "folder-out/%2e%2e/secret.txt", "up/../secret.txt"])
async def test_s01_dots_behind_a_followed_link(socket_backend: SocketBackend, root: Path, path: str) -> None:
    """The dots are about the path in the URL, not about where the link has led."""
    app = socket_backend.web.Application()
    app.router.add_static("/static", root, follow_symlinks=True)
    async with socket_backend.serve(app) as address:
        status, received = await get_raw(address, b"/static/" + path.encode())
    assert status == 404
    assert SECRET not in received


@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_folder_that_is_a_link(backend: Backend, root: Path, follow_symlinks: bool) -> None:
    (root.parent / "link").symlink_to("root")
    async with folder(backend, root.parent / "link", follow_symlinks=follow_symlinks) as client:
        assert (await client.get("/static/a.txt")).content == CONTENT
        assert (await client.get("/static/file-in")).content == CONTENT


async def test_s01_directory_is_replaced_by_a_link(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        assert (await client.get("/static/sub/b.txt")).status_code == 200
        (root / "sub").rename(root / "was-sub")
        (root / "sub").symlink_to(root.parent / "outside")
        assert (await client.get("/static/sub/secret.txt")).status_code == 404
        assert (await client.get("/static/was-sub/b.txt")).status_code == 200


@pytest.mark.parametrize(
    ("existing", "missing"),
    [
        ("file-out", "dangling-out"),
        ("folder-out/secret.txt", "folder-out/missing.txt"),
        ("up/secret.txt", "up/missing.txt"),
        ("up/outside/", "up/missing/"),
        ("..%2fsecret.txt", "..%2fmissing.txt"),
        ("%2e%2e/outside/", "%2e%2e/missing/"),
    ],
)
async def test_s03_existing_and_missing_outside(backend: Backend, root: Path, existing: str, missing: str) -> None:
    async with folder(backend, root, show_index=True) as client:
        one, other = await client.get("/static/" + existing), await client.get("/static/" + missing)
    assert one.status_code == other.status_code == 404
    # aiohttp's answer about a link to nothing has no text, and so tells it from a link to something.
    if backend.name != "aiohttp" or existing != "file-out":
        assert one.content == other.content


# What is no file


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_fifo(backend: Backend, root: Path, method: str, follow_symlinks: bool) -> None:
    os.mkfifo(root / "fifo")
    (root / "fifo-link").symlink_to("fifo")
    async with folder(backend, root, follow_symlinks=follow_symlinks) as client:
        assert (await client.request(method, "/static/fifo")).status_code == 403
        assert (await client.request(method, "/static/fifo-link")).status_code == 403


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
async def test_device(backend: Backend, root: Path, device: str) -> None:
    (root / "device").symlink_to(device)
    async with folder(backend, root) as client:
        assert (await client.get("/static/device")).status_code == 404
    async with folder(backend, root, follow_symlinks=True) as client:
        assert (await client.get("/static/device")).status_code == 403


async def test_folder_that_vanishes(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        root.rename(root.parent / "moved")
        assert (await client.get("/static/a.txt")).status_code == 404
        assert (await client.get("/static/")).status_code == 404
