"""add_static: which file a path names, which methods there are, URLs of files, and folders among other routes."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.backends import Backend, SocketBackend, exchange
from tests.contract.served_files import AT_MODIFIED, CONTENT, ETAG, folder, make_file

web = modules.web

#: Names of files, and their paths in a URL.
NAMES = {
    "a.txt": "a.txt",
    "a b.txt": "a%20b.txt",
    "a#b?.txt": "a%23b%3F.txt",
    "100%.txt": "100%25.txt",
    "%41.txt": "%2541.txt",
    "%2e%2e": "%252e%252e",
    "ü.txt": "%C3%BC.txt",
    "日本.txt": "%E6%97%A5%E6%9C%AC.txt",
    "😀": "%F0%9F%98%80",
    "+.txt": "+.txt",
    "a&b=c;d.txt": "a&b=c;d.txt",
    "~user.txt": "~user.txt",
    "<b>'\".txt": "%3Cb%3E'%22.txt",
    "{x}.txt": "%7Bx%7D.txt",
    "a:b@c.txt": "a:b@c.txt",
    "...txt": "...txt",
    "..txt": "..txt",
    "a..b": "a..b",
    ".hidden": ".hidden",
    "no-extension": "no-extension",
    "sub/b.txt": "sub/b.txt",
    "sub/deep/c.txt": "sub/deep/c.txt",
    "a b/ü/c.txt": "a%20b/%C3%BC/c.txt",
    "-": "-",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    make_file(root / "a.txt")
    make_file(root / "sub" / "b.txt", b"in sub")
    (root / "empty").mkdir()
    return root


# Requests


@pytest.mark.parametrize("name", NAMES)
async def test_file_of_the_name(backend: Backend, root: Path, name: str) -> None:
    make_file(root / name, name.encode())
    async with folder(backend, root) as client:
        response = await client.get("/static/" + NAMES[name])
    assert (response.status_code, response.content) == (200, name.encode())


async def test_name_that_is_not_utf_8(socket_backend: SocketBackend, root: Path) -> None:
    make_file(Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt")))
    app = socket_backend.web.Application()
    app.router.add_static("/static", root)
    async with socket_backend.serve(app) as address:
        received = await exchange(address, b"GET /static/%FF.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    # No URL of ours names it, so nothing is decoded to it either.
    assert received.split()[1] == b"404"


async def test_headers(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        response = await client.get("/static/a.txt")
    assert (response.status_code, response.content) == (200, CONTENT)
    assert (response.headers["ETag"], response.headers["Last-Modified"]) == (ETAG, AT_MODIFIED)
    assert (response.headers["Content-Type"], response.headers["Content-Length"]) == ("text/plain", "10")
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Cache-Control" not in response.headers


async def test_head(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        response = await client.head("/static/a.txt")
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["ETag"], response.headers["Content-Length"]) == (ETAG, "10")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods(backend: Backend, root: Path, method: str) -> None:
    async with folder(backend, root) as client:
        for name in ("a.txt", "missing", "sub", "sub/", ""):
            response = await client.request(method, "/static/" + name)
            assert (response.status_code, response.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Modified-Since": AT_MODIFIED}, 304),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
        ({"Range": "bytes=2-3"}, 206),
        ({"Range": "bytes=10-"}, 416),
        ({"Range": "bytes=2-3", "If-Range": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
    ],
)
async def test_conditions_and_ranges(backend: Backend, root: Path, headers: dict[str, str], status: int) -> None:
    async with folder(backend, root) as client:
        response = await client.get("/static/a.txt", headers=headers)
    assert response.status_code == status
    if status == 206:
        assert (response.content, response.headers["Content-Range"]) == (b"23", "bytes 2-3/10")


@pytest.mark.parametrize("name", ["missing", "missing/", "missing/x.txt", "a.txt/x", "A.TXT", "a.txt.gz", "sub/a.txt"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_missing_file(backend: Backend, root: Path, method: str, name: str) -> None:
    async with folder(backend, root) as client:
        response = await client.request(method, "/static/" + name)
    assert response.status_code == 404
    # aiohttp's handler has returned a FileResponse before it knows; here it raises HTTPNotFound.
    expected = b"" if backend.name == "aiohttp" or method == "HEAD" else b"404: Not Found"
    assert response.content == expected


@pytest.mark.parametrize("name", ["x" * 256, "x" * 300, "a/" * 1500, "\N{GRINNING FACE}" * 100])
async def test_name_too_long(backend: Backend, root: Path, name: str) -> None:
    async with folder(backend, root) as client:
        response = await client.get("/static/" + name)
    # ENAMETOOLONG is a traceback in aiohttp's log.
    assert response.status_code == (500 if backend.name == "aiohttp" and name[:2] != "a/" else 404)


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/sub", "/static/sub/", "/static/empty", "/static/."])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_directory(backend: Backend, root: Path, method: str, path: str) -> None:
    async with folder(backend, root) as client:
        response = await client.request(method, path)
    assert (response.status_code, response.content) == (403, b"403: Forbidden" if method == "GET" else b"")


async def test_index_html_is_no_index(backend: Backend, root: Path) -> None:
    make_file(root / "index.html", b"index")
    async with folder(backend, root) as client:
        assert (await client.get("/static/")).status_code == 403
        assert (await client.get("/static/index.html")).content == b"index"


@pytest.mark.parametrize(
    "path", ["/", "/a.txt", "/staticx", "/staticx/a.txt", "/stati/a.txt", "/static.txt", "/x/static/a.txt"]
)
async def test_outside_the_prefix(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root) as client:
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/%61.txt",
        "/static/a%2Etxt",
        "/%73tatic/a.txt",
        "/static/a.txt?v=1",
        "/static/a.txt?v=../x",
        "/static/a.txt?",
    ],
)
async def test_same_file_by_another_spelling(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root) as client:
        response = await client.get(path)
    assert (response.status_code, response.content) == (200, CONTENT)


@pytest.mark.parametrize(
    "path", ["/static/sub//b.txt", "/static/sub/./b.txt", "/static/sub%2Fb.txt", "/static/sub%2fb.txt"]
)
async def test_same_nested_file_by_another_spelling(backend: Backend, root: Path, path: str) -> None:
    async with folder(backend, root) as client:
        response = await client.get(path)
    assert (response.status_code, response.content) == (200, b"in sub")


async def test_slash_after_a_file(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        assert (await client.get("/static/a.txt/")).status_code == 200


async def test_double_encoding_is_undone_once(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        assert (await client.get("/static/%2561.txt")).status_code == 404


async def test_files_are_looked_up_at_each_request(backend: Backend, root: Path) -> None:
    async with folder(backend, root) as client:
        assert (await client.get("/static/new.txt")).status_code == 404
        make_file(root / "new.txt", b"new")
        assert (await client.get("/static/new.txt")).content == b"new"
        make_file(root / "new.txt", b"newer")
        assert (await client.get("/static/new.txt")).content == b"newer"
        (root / "new.txt").unlink()
        assert (await client.get("/static/new.txt")).status_code == 404


@pytest.mark.parametrize("size", [0, 1000, 70_000, 600_000])
async def test_sizes(backend: Backend, root: Path, size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    make_file(root / "f", content)
    async with folder(backend, root) as client:
        assert (await client.get("/static/f")).content == content


@pytest.mark.parametrize("chunk_size", [1, 100, 10_000])
async def test_chunk_size(backend: Backend, root: Path, chunk_size: int) -> None:
    content = bytes(range(250)) * 12
    make_file(root / "f", content)
    async with folder(backend, root, chunk_size=chunk_size) as client:
        assert (await client.get("/static/f")).content == content


# Prefixes


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/static", "/static/a.txt"),
        ("/static/", "/static/a.txt"),
        ("/", "/a.txt"),
        ("/x/y/z", "/x/y/z/a.txt"),
        ("/x.y", "/x.y/a.txt"),
        ("/x+y~z", "/x+y~z/a.txt"),
        ("/x:y@z", "/x:y@z/a.txt"),
    ],
)
async def test_prefix(backend: Backend, root: Path, prefix: str, path: str) -> None:
    async with folder(backend, root, prefix) as client:
        response = await client.get(path)
    assert (response.status_code, response.content) == (200, CONTENT)


@pytest.mark.parametrize("prefix", ["/a b", "/a%20b", "/ü", "/x{y}", "/a?b"])
async def test_prefix_that_a_url_has_encoded(backend: Backend, root: Path, prefix: str) -> None:
    """Prefixes are kept encoded and compared with the decoded path, and so never match, as in aiohttp."""
    app = backend.web.Application()
    resource = app.router.add_static(prefix, root)
    async with backend.client(app) as client:
        response = await client.get(str(resource.url_for(filename="a.txt")))
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("prefix", "canonical"),
    [
        ("/static", "/static"),
        ("/static/", "/static"),
        ("/", ""),
        ("/a b", "/a%20b"),
        ("/x{y}", "/x%7By%7D"),
        ("/ü", "/%C3%BC"),
    ],
)
def test_canonical(web: Any, root: Path, prefix: str, canonical: str) -> None:
    assert web.Application().router.add_static(prefix, root).canonical == canonical


async def test_root_prefix(backend: Backend, root: Path) -> None:
    async with folder(backend, root, "/") as client:
        assert (await client.get("/")).status_code == 403
        assert (await client.get("/sub/b.txt")).content == b"in sub"
        assert (await client.get("/static/a.txt")).status_code == 404
        assert (await client.post("/a.txt")).status_code == 405


# The resource


def test_resource(web: Any, root: Path) -> None:
    app = web.Application()
    resource = app.router.add_static("/static", root, name="files")
    assert isinstance(resource, web.StaticResource)
    assert not isinstance(resource, (web.PlainResource, web.DynamicResource))
    assert app.router["files"] is resource
    assert [(route.method, route.name, route.resource) for route in resource] == [
        ("GET", "files", resource),
        ("HEAD", "files", resource),
    ]
    assert list(app.router.resources()) == [resource]
    assert {route.method for route in app.router.routes()} == {"GET", "HEAD"}


def test_repr(web: Any, root: Path) -> None:
    named = web.Application().router.add_static("/static", root, name="files")
    assert repr(named) == f"<StaticResource 'files' /static -> {root!r}>"
    assert repr(web.Application().router.add_static("/static", root)) == f"<StaticResource  /static -> {root!r}>"


@pytest.mark.parametrize("kind", [str, Path])
def test_directory_as(web: Any, root: Path, kind: Any) -> None:
    info = web.Application().router.add_static("/static", kind(root)).get_info()
    assert (info["directory"], info["prefix"]) == (root, "/static")


def test_directory_is_resolved(web: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "link").symlink_to("sub")
    monkeypatch.chdir(root)
    router = web.Application().router
    assert router.add_static("/1", "sub").get_info()["directory"] == root / "sub"
    assert router.add_static("/2", root / "sub" / "..").get_info()["directory"] == root
    assert router.add_static("/3", root / "link").get_info()["directory"] == root / "sub"
    assert router.add_static("/4", "").get_info()["directory"] == root


async def test_directory_of_a_relative_path_stays(
    backend: Backend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    async with folder(backend, Path("sub")) as client:
        monkeypatch.chdir("/")
        assert (await client.get("/static/b.txt")).content == b"in sub"


def test_missing_directory(web: Any, root: Path) -> None:
    with pytest.raises(ValueError, match="missing"):
        web.Application().router.add_static("/static", root / "missing")


def test_file_instead_of_a_directory(web: Any, root: Path) -> None:
    with pytest.raises(ValueError, match="is not a directory"):
        web.Application().router.add_static("/static", root / "a.txt")


def test_directory_of_another_type(web: Any) -> None:
    with pytest.raises(TypeError):
        web.Application().router.add_static("/static", None)


@pytest.mark.parametrize("prefix", ["static", "", "static/", "./static"])
def test_prefix_without_a_slash(web: Any, root: Path, prefix: str) -> None:
    # An assertion in aiohttp, which `python -O` takes away.
    with pytest.raises(AssertionError if web.__name__.startswith("aiohttp") else ValueError):
        web.Application().router.add_static(prefix, root)


@pytest.mark.parametrize("name", ["1 2", "class", "a b", "a/b", ""])
def test_name_that_is_none(web: Any, root: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        web.Application().router.add_static("/static", root, name=name)


@pytest.mark.parametrize("name", ["a", "a-b", "a.b", "a:b", "a.b-c:d", "_"])
def test_name(web: Any, root: Path, name: str) -> None:
    app = web.Application()
    assert app.router.add_static("/static", root, name=name) is app.router[name]


def test_name_that_is_taken(web: Any, root: Path) -> None:
    app = web.Application()
    app.router.add_static("/1", root, name="files")
    with pytest.raises(ValueError, match="Duplicate"):
        app.router.add_static("/2", root, name="files")


def test_keywords_alone(web: Any, root: Path) -> None:
    with pytest.raises(TypeError):
        web.Application().router.add_static("/static", root, "files")
    with pytest.raises(TypeError):
        web.Application().router.add_static("/static", root, bogus=1)


def test_expect_handler_that_is_no_coroutine_function(web: Any, root: Path) -> None:
    with pytest.raises(AssertionError if web.__name__.startswith("aiohttp") else TypeError):
        web.Application().router.add_static("/static", root, expect_handler=lambda request: None)


def test_frozen_router(web: Any, root: Path) -> None:
    app = web.Application()
    app.router.add_static("/1", root)
    app.freeze()
    with pytest.raises(RuntimeError, match="frozen"):
        app.router.add_static("/2", root)


def test_static_is_a_route_definition(web: Any, root: Path) -> None:
    definition = web.static("/static", root, name="files", show_index=True)
    assert isinstance(definition, web.StaticDef)
    assert (definition.prefix, definition.path) == ("/static", root)
    assert definition.kwargs == {"name": "files", "show_index": True}
    assert definition == web.static("/static", root, name="files", show_index=True)
    assert repr(definition) == f"<StaticDef /static -> {root}, name='files', show_index=True>"


async def test_registered_by_a_definition(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.add_routes([backend.web.static("/static", root, name="files")])
    async with backend.client(app) as client:
        assert (await client.get("/static/a.txt")).content == CONTENT
    assert str(app.router["files"].url_for(filename="a.txt")) == "/static/a.txt"


async def test_registered_by_a_table(backend: Backend, root: Path) -> None:
    routes = backend.web.RouteTableDef()
    routes.static("/static", root)
    assert len(routes) == 1
    app = backend.web.Application()
    app.add_routes(routes)
    async with backend.client(app) as client:
        assert (await client.get("/static/sub/b.txt")).content == b"in sub"


# URLs


@pytest.mark.parametrize("name", NAMES)
def test_url_for(web: Any, root: Path, name: str) -> None:
    resource = web.Application().router.add_static("/static", root)
    assert str(resource.url_for(filename=name)) == "/static/" + NAMES[name]


async def test_url_for_leads_to_the_file(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    resource = app.router.add_static("/static", root, append_version=True)
    async with backend.client(app) as client:
        for name in NAMES:
            make_file(root / name, name.encode())
            response = await client.get(str(resource.url_for(filename=name)))
            assert (response.status_code, response.content) == (200, name.encode())


@pytest.mark.parametrize(
    ("filename", "url"),
    [
        ("/a.txt", "/static/a.txt"),
        ("//a.txt", "/static/a.txt"),
        (Path("sub/b.txt"), "/static/sub/b.txt"),
        ("", "/static/"),
        ("missing", "/static/missing"),
        ("sub//b.txt", "/static/sub//b.txt"),
        ("../secret", "/static/../secret"),
    ],
)
def test_url_for_other_names(web: Any, root: Path, filename: Any, url: str) -> None:
    assert str(web.Application().router.add_static("/static", root).url_for(filename=filename)) == url


@pytest.mark.parametrize(
    ("prefix", "url"),
    [("/static/", "/static/a.txt"), ("/a b", "/a%20b/a.txt"), ("/%25", "/%25/a.txt"), ("/x/y", "/x/y/a.txt")],
)
def test_url_for_with_prefix(web: Any, root: Path, prefix: str, url: str) -> None:
    assert str(web.Application().router.add_static(prefix, root).url_for(filename="a.txt")) == url


def test_url_for_at_the_root(web: Any, root: Path) -> None:
    url = str(web.Application().router.add_static("/", root).url_for(filename="sub/b.txt"))
    # aiohttp's has no slash in front, so that a browser takes it for one relative to the page.
    assert url == ("sub/b.txt" if web.__name__.startswith("aiohttp") else "/sub/b.txt")


def test_url_for_wants_a_filename(web: Any, root: Path) -> None:
    resource = web.Application().router.add_static("/static", root)
    with pytest.raises(TypeError):
        resource.url_for()
    with pytest.raises(TypeError):
        resource.url_for("a.txt")
    with pytest.raises(TypeError):
        resource.url_for(filename="a.txt", other="x")


def version_of(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()


def test_version_is_the_hash(web: Any, root: Path) -> None:
    resource = web.Application().router.add_static("/static", root)
    url = resource.url_for(filename="a.txt", append_version=True)
    assert url.query == {"v": version_of(CONTENT)}
    assert str(url) == "/static/a.txt?v=" + version_of(CONTENT).replace("=", "%3D")


def test_version_by_default(web: Any, root: Path) -> None:
    resource = web.Application().router.add_static("/static", root, append_version=True)
    assert "v" in resource.url_for(filename="a.txt").query
    assert "v" in resource.url_for(filename="/sub/b.txt").query
    assert "v" not in resource.url_for(filename="a.txt", append_version=False).query


def test_no_version_by_default(web: Any, root: Path) -> None:
    resource = web.Application().router.add_static("/static", root)
    assert "v" not in resource.url_for(filename="a.txt").query
    assert "v" not in resource.url_for(filename="a.txt", append_version=None).query


def test_version_key(web: Any) -> None:
    assert web.StaticResource.VERSION_KEY == "v"


@pytest.mark.parametrize("filename", ["missing", "sub", "", "../secret.txt", "../root/../secret.txt", "out.txt"])
def test_no_version_of_what_is_not_served(web: Any, root: Path, filename: str) -> None:
    make_file(root.parent / "secret.txt")
    (root / "out.txt").symlink_to(root.parent / "secret.txt")
    resource = web.Application().router.add_static("/static", root)
    assert str(resource.url_for(filename=filename, append_version=True)) == "/static/" + filename


def test_version_of_a_link(web: Any, root: Path) -> None:
    make_file(root.parent / "secret.txt", b"outside")
    (root / "out.txt").symlink_to(root.parent / "secret.txt")
    (root / "in.txt").symlink_to("a.txt")
    resource = web.Application().router.add_static("/static", root, follow_symlinks=True, append_version=True)
    assert resource.url_for(filename="in.txt").query == {"v": version_of(CONTENT)}
    assert resource.url_for(filename="out.txt").query == {"v": version_of(b"outside")}
    assert resource.url_for(filename="../secret.txt").query == {}


@pytest.mark.parametrize("size", [0, 10, 100_000, 600_000])
def test_version_of_size(web: Any, root: Path, size: int) -> None:
    make_file(root / "f", b"x" * size)
    resource = web.Application().router.add_static("/static", root)
    assert resource.url_for(filename="f", append_version=True).query["v"] == version_of(b"x" * size)


def test_version_of_a_changed_file(web: Any, root: Path) -> None:
    resource = web.Application().router.add_static("/static", root, append_version=True)
    assert resource.url_for(filename="a.txt").query == {"v": version_of(CONTENT)}
    make_file(root / "a.txt", b"changed!!")
    assert resource.url_for(filename="a.txt").query == {"v": version_of(b"changed!!")}


# Among other routes


def answering(backend: Backend, text: str) -> Any:
    async def handler(request: Any) -> Any:
        return backend.web.Response(text=text)

    return handler


async def test_fixed_route_below_the_prefix(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.router.add_static("/static", root)
    app.router.add_get("/static/a.txt", answering(backend, "route"))
    async with backend.client(app) as client:
        assert (await client.get("/static/a.txt")).text == "route"
        assert (await client.get("/static/sub/b.txt")).text == "in sub"
        # The route has no POST, nor has the folder: the methods of both are named.
        response = await client.post("/static/a.txt")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET,HEAD")


async def test_folder_before_a_dynamic_route(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.router.add_static("/static", root)
    app.router.add_get("/static/{name}", answering(backend, "route"))
    async with backend.client(app) as client:
        assert (await client.get("/static/a.txt")).content == CONTENT
        # The folder has matched: a missing file does not go on to the next route.
        assert (await client.get("/static/missing")).status_code == 404


async def test_folder_after_a_dynamic_route(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.router.add_get("/static/{name}", answering(backend, "route"))
    app.router.add_static("/static", root)
    async with backend.client(app) as client:
        assert (await client.get("/static/a.txt")).text == "route"
        assert (await client.get("/static/missing")).text == "route"
        assert (await client.get("/static/sub/b.txt")).text == "in sub"


async def test_other_method_beside_a_folder(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.router.add_static("/static", root)
    app.router.add_post("/static/{name}", answering(backend, "posted"))
    async with backend.client(app) as client:
        assert (await client.post("/static/a.txt")).text == "posted"
        assert (await client.get("/static/a.txt")).content == CONTENT
        response = await client.put("/static/a.txt")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET,HEAD,POST")


async def test_folder_at_the_root_beside_routes(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.router.add_static("/", root)
    app.router.add_get("/api/users", answering(backend, "users"))
    app.router.add_get("/{name}", answering(backend, "route"))
    async with backend.client(app) as client:
        assert (await client.get("/api/users")).text == "users"
        assert (await client.get("/a.txt")).content == CONTENT
        assert (await client.get("/api/other")).status_code == 404
        assert (await client.get("/other")).status_code == 404


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_longer_prefix_wins(backend: Backend, root: Path, tmp_path: Path, order: tuple[int, int]) -> None:
    make_file(tmp_path / "other" / "s.txt", b"other")
    folders = [("/static", root), ("/static/sub", tmp_path / "other")]
    app = backend.web.Application()
    for index in order:
        app.router.add_static(*folders[index])
    async with backend.client(app) as client:
        assert (await client.get("/static/sub/s.txt")).content == b"other"
        assert (await client.get("/static/a.txt")).content == CONTENT
        # What the longer prefix hides stays hidden.
        assert (await client.get("/static/sub/b.txt")).status_code == 404


async def test_first_of_one_prefix_wins(backend: Backend, root: Path, tmp_path: Path) -> None:
    make_file(tmp_path / "other" / "s.txt", b"other")
    app = backend.web.Application()
    app.router.add_static("/static", root)
    app.router.add_static("/static", tmp_path / "other")
    async with backend.client(app) as client:
        assert (await client.get("/static/a.txt")).content == CONTENT
        assert (await client.get("/static/s.txt")).status_code == 404


async def test_same_folder_twice(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.router.add_static("/one", root, name="one")
    app.router.add_static("/two", root, name="two")
    async with backend.client(app) as client:
        assert (await client.get("/one/a.txt")).content == (await client.get("/two/a.txt")).content == CONTENT


async def test_prefix_that_begins_like_another(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    app.router.add_static("/static", root / "sub")
    app.router.add_static("/static-2", root)
    async with backend.client(app) as client:
        assert (await client.get("/static-2/a.txt")).content == CONTENT
        assert (await client.get("/static/a.txt")).status_code == 404


async def test_in_a_sub_application(backend: Backend, root: Path) -> None:
    app, sub = backend.web.Application(), backend.web.Application()
    resource = sub.router.add_static("/static", root, name="files", append_version=True)
    app.add_subapp("/sub", sub)
    assert resource.canonical == "/sub/static"
    assert resource.url_for(filename="a.txt").path == "/sub/static/a.txt"
    async with backend.client(app) as client:
        assert (await client.get("/sub/static/a.txt")).content == CONTENT
        assert (await client.get(str(resource.url_for(filename="a.txt")))).content == CONTENT
        assert (await client.get("/static/a.txt")).status_code == 404
        assert (await client.post("/sub/static/a.txt")).status_code == 405
        assert (await client.get("/sub/static/../secret")).status_code == 404


async def test_at_the_root_of_a_sub_application(backend: Backend, root: Path) -> None:
    app, sub = backend.web.Application(), backend.web.Application()
    sub.router.add_static("/", root)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        assert (await client.get("/sub/a.txt")).content == CONTENT
        assert (await client.get("/sub/")).status_code == 403


async def test_options_route(backend: Backend, root: Path) -> None:
    app = backend.web.Application()
    resource = app.router.add_static("/static", root)
    resource.set_options_route(answering(backend, "options"))
    assert len(resource) == 3
    with pytest.raises(RuntimeError):
        resource.set_options_route(answering(backend, "again"))
    async with backend.client(app) as client:
        assert (await client.options("/static/a.txt")).text == "options"
        assert (await client.put("/static/a.txt")).headers["Allow"] == "GET,HEAD,OPTIONS"


async def test_expect_handler(backend: Backend, root: Path) -> None:
    async def refuse(request: Any) -> None:
        raise backend.web.HTTPForbidden

    async with folder(backend, root, expect_handler=refuse) as client:
        assert (await client.get("/static/a.txt", headers={"Expect": "100-continue"})).status_code == 403
        assert (await client.get("/static/a.txt")).status_code == 200


# Middlewares and signals


@pytest.mark.parametrize(
    ("path", "filename"),
    [
        ("/static/a.txt", "a.txt"),
        ("/static/sub/b.txt", "sub/b.txt"),
        ("/static/sub%2Fb.txt", "sub/b.txt"),
        ("/static/%61.txt", "a.txt"),
    ],
)
async def test_middleware_around_a_file(backend: Backend, root: Path, path: str, filename: str) -> None:
    seen: list[Any] = []

    @backend.web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: Any, handler: Any) -> Any:
        response = await handler(request)
        route = request.match_info.route
        seen.append((type(response), response.status, dict(request.match_info), route.name, route.method))
        assert route.resource is resource
        response.headers["X-Mine"] = "yes"
        return response

    app = backend.web.Application(middlewares=[middleware])
    resource = app.router.add_static("/static", root, name="files")
    async with backend.client(app) as client:
        response = await client.get(path)
    assert (response.status_code, response.headers["X-Mine"]) == (200, "yes")
    assert seen == [(backend.web.FileResponse, 200, {"filename": filename}, "files", "GET")]


async def test_middleware_answers_instead(backend: Backend, root: Path) -> None:
    @backend.web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: Any, handler: Any) -> Any:
        await handler(request)
        return backend.web.Response(text="instead")

    app = backend.web.Application(middlewares=[middleware])
    app.router.add_static("/static", root)
    make_file(root / "large", b"x" * 1_000_000)
    async with backend.client(app) as client:
        assert (await client.get("/static/a.txt")).text == "instead"
        assert (await client.get("/static/large")).text == "instead"


async def test_middleware_sees_a_refusal(backend: Backend, root: Path) -> None:
    seen: list[int] = []

    @backend.web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except backend.web.HTTPException as exc:
            seen.append(exc.status)
            raise

    app = backend.web.Application(middlewares=[middleware])
    app.router.add_static("/static", root)
    async with backend.client(app) as client:
        await client.get("/static/sub")
        await client.get("/static/../x")
        await client.post("/static/a.txt")
    assert seen == [403, 404, 405]


async def test_middleware_of_the_sub_application_only(backend: Backend, root: Path) -> None:
    @backend.web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.headers["X-Sub"] = "yes"
        return response

    app, sub = backend.web.Application(), backend.web.Application(middlewares=[middleware])
    sub.router.add_static("/static", root)
    app.router.add_static("/static", root)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        assert "X-Sub" in (await client.get("/sub/static/a.txt")).headers
        assert "X-Sub" not in (await client.get("/static/a.txt")).headers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/static/a.txt", {}, 200),
        ("/static/a.txt", {"If-None-Match": "*"}, 304),
        ("/static/a.txt", {"Range": "bytes=0-1"}, 206),
        ("/static/a.txt", {"Range": "bytes=99-"}, 416),
        ("/static/missing", {}, 404),
        ("/static/sub", {}, 403),
    ],
)
async def test_signal(backend: Backend, root: Path, path: str, headers: dict[str, str], status: int) -> None:
    seen: list[int] = []

    async def look(request: Any, response: Any) -> None:
        seen.append(response.status)
        response.headers["X-Mine"] = "yes"

    app = backend.web.Application()
    app.router.add_static("/static", root)
    app.on_response_prepare.append(look)
    async with backend.client(app) as client:
        response = await client.get(path, headers=headers)
    assert (seen, response.headers["X-Mine"]) == ([status], "yes")
