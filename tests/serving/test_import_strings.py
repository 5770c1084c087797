"""Import strings: what they name, and the line that says how to write a wrong one."""

from __future__ import annotations

import inspect
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framework import web
from framework.serving.import_strings import ImportStringError, import_attribute, load_application

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules that can be imported until the test ends: `write(shop="...", **{"pkg/main": "..."})`."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(**sources: str) -> None:
        for name, source in sources.items():
            file = tmp_path / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(source))

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


SHOP = """
    import logging
    from framework import web

    app = web.Application(logger=logging.getLogger("app"))

    def make_app():
        return web.Application(logger=logging.getLogger("make_app"))

    async def make_later():
        return make_app()

    def init(argv):
        return web.Application(logger=logging.getLogger(f"init {argv}"))
"""


def complaint(import_string: str) -> str:
    with pytest.raises(ImportStringError) as caught:
        load_application(import_string)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def loaded(import_string: str) -> web.Application:
    app = load_application(import_string)
    assert isinstance(app, web.Application)
    return app


def test_an_application(write: Write) -> None:
    write(shop=SHOP)
    assert loaded("shop:app") is sys.modules["shop"].app
    assert import_attribute("shop:app") is sys.modules["shop"].app


def test_a_function_that_makes_one(write: Write) -> None:
    write(shop=SHOP)
    assert loaded("shop:make_app").logger.name == "make_app"


async def test_a_coroutine_function_gives_an_awaitable(write: Write) -> None:
    write(shop=SHOP)
    made = load_application("shop:make_later")
    assert inspect.isawaitable(made)
    assert (await made).logger.name == "make_app"


async def test_an_awaitable_that_is_there(write: Write) -> None:
    write(shop=SHOP + "    app = make_later()\n")
    made = load_application("shop:app")
    assert inspect.isawaitable(made)
    assert (await made).logger.name == "make_app"


def test_a_function_that_takes_the_arguments_of_the_command_line_gets_none(write: Write) -> None:
    write(shop=SHOP)
    assert loaded("shop:init").logger.name == "init []"


def test_a_class_of_applications_and_a_partial(write: Write) -> None:
    write(
        shop="""
        import functools, logging
        from framework import web

        def make_app(name):
            return web.Application(logger=logging.getLogger(name))

        make_public = functools.partial(make_app, "public")
        """
    )
    assert loaded("shop:make_public").logger.name == "public"
    assert type(loaded("shop:web.Application")) is web.Application


def test_an_attribute_of_an_attribute_in_a_package(write: Write) -> None:
    write(**{"pkg/__init__": "", "pkg/main": "import types\napps = types.SimpleNamespace(public=1)"})
    assert import_attribute("pkg.main:apps.public") == 1


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (SHOP, "app"),
        (SHOP + "    del app\n", "make_app"),
        (SHOP + "    create_app = make_app; del app\n", "make_app"),
        (SHOP + "    create_app = init; del app, make_app\n", "init []"),
    ],
)
def test_a_module_alone_stands_for_the_first_of_the_usual_names(write: Write, source: str, name: str) -> None:
    write(shop=source)
    assert loaded("shop").logger.name == name


def test_a_module_alone_without_the_usual_names(write: Write) -> None:
    write(shop="from framework import web\nmain = web.Application()", empty="")
    assert complaint("shop") == 'module "shop" has no app or make_app() or create_app(); its application is "shop:main"'
    assert complaint("empty") == (
        'module "empty" has no app or make_app() or create_app(); say which attribute, as in "empty:main"'
    )
    with pytest.raises(ImportStringError, match='write "module:attribute", as in "empty:app"'):
        import_attribute("empty")


@pytest.mark.parametrize(
    ("import_string", "fix"),
    [
        ("hello.py", '"hello:app"'),
        ("hello.py:main", '"hello:main"'),
        ("src/shop/main.py:app", '"src.shop.main:app"'),
        ("src/shop/__init__.py", '"src.shop:app"'),
        ("./hello.py:app", '"hello:app"'),
        ("/srv/shop/main.py:app", '"main:app", in the folder that contains it'),
        (r"C:\shop\main.py:app", '"main:app", in the folder that contains it'),
        (r"C:\shop\main.py", '"main:app", in the folder that contains it'),
        ("my-site/main.py:", '"main:app", in the folder that contains it'),
    ],
)
def test_a_path(import_string: str, fix: str) -> None:
    assert complaint(import_string) == f'"{import_string}" is a path; write the name of the module, {fix}'


@pytest.mark.parametrize("import_string", ["", ":", ":app", "hello:", "hello:app:x", "hello app", "1x:app", "a..b:app"])
def test_what_is_no_import_string(import_string: str) -> None:
    assert complaint(import_string) == (
        f'"{import_string}" is no import string; write "module:attribute", as in "hello:app"'
    )


def test_a_relative_name() -> None:
    assert complaint(".hello:app").startswith('".hello:app" is relative; write the full name')


def test_no_such_module(write: Write) -> None:
    write(shopping_list=SHOP, **{"pkg/__init__": "", "pkg/main": ""})
    assert complaint("shoping_list:app") == 'there is no module "shoping_list"; did you mean "shopping_list"?'
    assert complaint("pkgs.main:app") == 'there is no module "pkgs"; did you mean "pkg.main"?'
    assert complaint("pkg.mein:app") == 'there is no module "pkg.mein"; did you mean "pkg.main"?'
    assert complaint("pkg.xxxxxxx:app") == 'there is no module "pkg.xxxxxxx" in the package "pkg"'
    assert complaint("zzzzzzzzzzzz:app") == (
        'there is no module "zzzzzzzzzzzz"; start in the folder that contains it, or put that folder on PYTHONPATH'
    )


def test_a_dot_instead_of_the_colon(write: Write) -> None:
    write(shop=SHOP)
    assert complaint("shop.app") == '"shop" is a module and no package; write "shop:app"'


def test_no_such_attribute(write: Write) -> None:
    write(shop=SHOP, main="from framework import web\nsite = web.Application()", empty="")
    assert complaint("shop:ap") == 'module "shop" has no attribute "ap"; did you mean "shop:app"?'
    assert complaint("shop:app.routr") == '"shop:app" has no attribute "routr"; did you mean "shop:app.router"?'
    assert complaint("main:qqq") == 'module "main" has no attribute "qqq"; its application is "main:site"'
    assert complaint("empty:qqq") == 'module "empty" has no attribute "qqq"; look at what the module defines'


def test_what_is_no_application(write: Write) -> None:
    write(
        shop="""
        import sys
        number = 3
        class Page: ...
        class Other:
            async def __call__(self, scope, receive, send): ...
        class Application: ...
        Application.__module__ = "aiohttp.web_app"
        other, theirs = Other(), Application()
        """
    )
    assert complaint("shop:number") == '"shop:number" is int; name a web.Application, or a function that makes one'
    assert complaint("shop:sys") == '"shop:sys" is a module; write "sys:app"'
    assert complaint("shop:Page").startswith('"shop:Page" is the class Page; name a web.Application')
    assert complaint("shop:other").startswith('"shop:other" is shop.Other, another ASGI application; serve it with')
    assert complaint("shop:theirs").endswith("import web from framework where the program imports it from aiohttp")


async def test_what_makes_no_application(write: Write) -> None:
    write(
        shop="""
        def nothing(): ...
        def number(): return 3
        async def later(): return 3
        def needy(host, port): ...
        """
    )
    assert complaint("shop:nothing") == '"shop:nothing" was called and gave None; end the function with return app'
    assert complaint("shop:number").startswith('"shop:number" was called and gave int; name a web.Application')
    assert complaint("shop:needy") == '"shop:needy" needs arguments, (host, port); name a function that needs none'
    later = load_application("shop:later")
    assert inspect.isawaitable(later)
    with pytest.raises(ImportStringError, match="was awaited and gave int"):
        await later


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("1 / 0", ZeroDivisionError),
        ("import no_such_module_anywhere", ModuleNotFoundError),
        ("import shop.settings", ModuleNotFoundError),
        ("from os import nothing", ImportError),
    ],
)
def test_what_the_module_raises_is_let_through(write: Write, source: str, error: type[Exception]) -> None:
    write(shop=source)
    with pytest.raises(error) as caught:
        load_application("shop:app")
    assert not isinstance(caught.value, ImportStringError)
    # Its own line comes right after ours: nothing of the machinery of imports in between.
    files = [Path(frame.filename).name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert files[files.index("import_strings.py") :][-2:] == ["import_strings.py", "shop.py"]


def test_a_module_that_cannot_be_compiled(write: Write) -> None:
    write(shop="def (:")
    with pytest.raises(SyntaxError):
        load_application("shop:app")


def test_a_package_whose_own_import_fails(write: Write) -> None:
    write(**{"pkg/__init__": "import pkg.absent", "pkg/main": SHOP})
    with pytest.raises(ModuleNotFoundError, match=r"pkg\.absent"):
        load_application("pkg.main:app")
    write(**{"pkg2/__init__": "import pkg2.main2", "pkg2/main": SHOP})
    with pytest.raises(ModuleNotFoundError, match=r"pkg2\.main2"):
        load_application("pkg2.main2:app")


def test_a_module_that_serves_while_it_is_imported(write: Write) -> None:
    write(shop=SHOP + "    web.run_app(app)\n")
    with pytest.raises(RuntimeError, match="shop calls run_app\\(\\) while it is imported"):
        load_application("shop:app")
