"""framework routes: which lines it writes, for every kind of resource, on terminals and elsewhere."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from framework.cli.main import main
from tests.cli.conftest import Write

SHOP = """
    from framework import web

    routes = web.RouteTableDef()

    @routes.get("/", name="index")
    async def index(request): ...

    @routes.post("/orders/{number:[0-9]+}/items")
    async def add_item(request): ...

    def startup(app):
        raise AssertionError("it was started")

    app = web.Application()
    app.on_startup.append(startup)
    app.add_routes(routes)
"""


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["routes", *arguments, "--json"]) == 0
    routes: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return routes


def on_terminal(folder: Path, columns: int, **environment: str) -> str:
    """What `framework routes shop:app` writes to a terminal of so many columns."""
    end, terminal = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    with subprocess.Popen(
        [sys.executable, "-m", "framework", "routes", "shop:app"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        env=variables | {"COLUMNS": str(columns), "TERM": "xterm"} | environment,
    ):
        os.close(terminal)
        written = b""
        try:
            while data := os.read(end, 65536):
                written += data
        except OSError:
            # How Linux tells that nobody has the terminal any more.
            pass
    os.close(end)
    return written.decode().replace("\r\n", "\n")


def test_a_table_for_a_pipe(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP)
    assert main(["routes", "shop:app"]) == 0
    assert capsys.readouterr().out == (
        "METHOD    PATH                           NAME   HANDLER        FILE\n"
        "GET HEAD  /                              index  shop.index     shop.py:6\n"
        "POST      /orders/{number:[0-9]+}/items         shop.add_item  shop.py:9\n"
    )


def test_colours_on_a_terminal(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    text = on_terminal(tmp_path, 100)
    assert "\x1b[1;32mGET HEAD\x1b[0m  \x1b[1m/\x1b[0m  " in text
    assert "\x1b[1;33mPOST\x1b[0m      \x1b[1m/orders" in text


def test_two_lines_for_each_route_on_a_narrow_terminal(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    assert on_terminal(tmp_path, 60, NO_COLOR="1") == (
        "GET HEAD  /                              index\n"
        "        shop.index  shop.py:6\n"
        "POST      /orders/{number:[0-9]+}/items\n"
        "        shop.add_item  shop.py:9\n"
    )


def test_json(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP)
    assert listed(capsys, "shop:app") == [
        {
            "methods": ["GET", "HEAD"],
            "path": "/",
            "domain": None,
            "name": "index",
            "handler": "shop.index",
            "file": "shop.py",
            "line": 6,
            "middlewares": [],
        },
        {
            "methods": ["POST"],
            "path": "/orders/{number:[0-9]+}/items",
            "domain": None,
            "name": None,
            "handler": "shop.add_item",
            "file": "shop.py",
            "line": 9,
            "middlewares": [],
        },
    ]


def test_what_the_program_prints_is_not_of_the_list(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(chatty='from framework import web\nprint("hello")\napp = web.Application()')
    assert main(["routes", "chatty:app", "--json"]) == 0
    assert capsys.readouterr() == ("[]\n", "hello\n")


def test_sub_applications_and_domains(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        shop="""
        from framework import web

        async def page(request): ...

        inner = web.Application()
        inner.router.add_get("/users/{id}", page, allow_head=False, name="user")
        inner.router.add_get("", page, allow_head=False)
        outer = web.Application()
        outer.add_subapp("/v1", inner)
        app = web.Application()
        app.router.add_get("/first", page, allow_head=False)
        app.add_subapp("/api", outer)
        site = web.Application()
        site.router.add_get("/last", page, allow_head=False)
        app.add_domain("*.example.com", site)
        """
    )
    assert main(["routes", "shop:app"]) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()] == [
        ["METHOD", "DOMAIN", "PATH"],
        ["GET", "/first", "shop.page"],
        ["GET", "/api/v1/users/{id}", "user"],
        ["GET", "/api/v1", "shop.page"],
        ["GET", "*.example.com", "/last"],
    ]


def test_folders_and_mounted_applications(write: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    write(
        shop="""
        from framework import web

        async def asgi(scope, receive, send): ...

        class Other:
            async def __call__(self, scope, receive, send): ...

        app = web.Application()
        app.router.add_static("/files", "static", name="files")
        app.mount("/function", asgi)
        app.mount("/object", Other())
        """
    )
    files, function, other = listed(capsys, "shop:app")
    assert (files["methods"], files["path"], files["handler"], files["file"]) == (
        ["GET", "HEAD"],
        "/files/…",
        "files in static",
        None,
    )
    assert (function["methods"], function["path"], function["handler"], function["line"]) == (
        ["*"],
        "/function/…",
        "ASGI application shop.asgi",
        4,
    )
    assert (other["path"], other["handler"]) == ("/object/…", "ASGI application shop.Other")


def test_what_handlers_can_be(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        shop="""
        import functools
        from framework import web

        class Page(web.View):
            async def post(self): ...
            async def get(self): ...

        class Pages:
            async def show(self, request): ...
            async def __call__(self, request): ...

        def traced(handler):
            @functools.wraps(handler)
            async def call(request): ...
            return call

        @traced
        async def wrapped(request): ...

        async def partial(request, *, kind): ...

        def make_app():
            async def local(request): ...
            app = web.Application()
            app.router.add_view("/view", Page)
            app.router.add_post("/method", Pages().show)
            app.router.add_post("/partial", functools.partial(partial, kind=1))
            app.router.add_route("*", "/any", wrapped)
            app.router.add_put("/local", local)
            app.router.add_put("/callable", functools.partial(Pages()))
            return app
        """
    )
    found = [(route["methods"], route["handler"], route["line"]) for route in listed(capsys, "shop:make_app")]
    assert found == [
        (["GET", "POST"], "shop.Page", 5),
        (["POST"], "shop.Pages.show", 10),
        (["POST"], "shop.partial", 21),
        (["*"], "shop.wrapped", 18),
        (["PUT"], "shop.make_app.local", 24),
        (["PUT"], "shop.Pages", 9),
    ]


def test_middlewares_of_a_route(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        shop="""
        from framework import web

        @web.middleware
        async def signed_in(request, handler): ...

        async def page(request): ...

        app = web.Application()
        app.router.add_post("/", page, middlewares=[signed_in])
        """
    )
    assert listed(capsys, "shop:app")[0]["middlewares"] == ["shop.signed_in"]


def test_one_path_with_two_handlers_is_two_lines(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        shop="""
        from framework import web

        async def show(request): ...
        async def change(request): ...

        app = web.Application()
        app.add_routes([web.get("/x", show), web.put("/x", change), web.post("/x", change)])
        """
    )
    assert [route["methods"] for route in listed(capsys, "shop:app")] == [["GET", "HEAD"], ["PUT", "POST"]]


def test_a_resource_of_the_programs_own(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        shop="""
        from framework import web
        from framework.routing.resources import PlainResource

        class Shelf(PlainResource):
            pass

        async def page(request): ...

        app = web.Application()
        shelf = Shelf("/shelf")
        shelf.add_route("GET", page)
        app.router.register_resource(shelf)
        """
    )
    assert [(route["path"], route["handler"]) for route in listed(capsys, "shop:app")] == [("/shelf", "shop.page")]


def test_an_application_that_a_coroutine_makes(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP + "\n    async def make_later(): return app\n    async def make_none(): ...\n")
    assert len(listed(capsys, "shop:make_later")) == 2
    assert main(["routes", "shop:make_none"]) == 1
    assert "was awaited and gave None; end the function with return app" in capsys.readouterr().err


def test_the_application_that_pyproject_names(write: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(shop=SHOP)
    (tmp_path / "pyproject.toml").write_text('[tool.framework]\napp = "shop:app"\n')
    assert len(listed(capsys)) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "which application? Write its name"),
        ("[project]", "which application? Write its name"),
        ("[tool.framework", "pyproject.toml cannot be read: "),
        ("[tool]\nframework = 3", "pyproject.toml cannot be read: "),
        ("[tool.framework]\napp = 3", "must be a string"),
        ('[tool.framework]\napp = "shop.py"', '"shop.py" is a path'),
    ],
)
def test_a_pyproject_that_names_none(
    write: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str | None, reason: str
) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    assert main(["routes"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("framework routes: error: ")
    assert reason in error
    assert error.count("\n") == 1


def test_no_such_application(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP)
    assert main(["routes", "shop:ap"]) == 1
    assert capsys.readouterr().err == (
        'framework routes: error: module "shop" has no attribute "ap"; did you mean "shop:app"?\n'
    )
