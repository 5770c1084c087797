"""The tests that the documents print, as their readers run them: with pytest-asyncio, and with anyio's plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import blocks

PLUGINS = {
    "pytest-asyncio": "-p no:anyio -o asyncio_mode=auto -o asyncio_default_fixture_loop_scope=function",
    "anyio": "-p no:asyncio -o anyio_mode=auto",
}

pytestmark = pytest.mark.parametrize("plugin", PLUGINS)


def run_pytest(folder: Path, plugin: str) -> str:
    """The last line of a run that nothing is configured for but the plugin."""
    options = f"-W error -m pytest -q -p no:cacheprovider {PLUGINS[plugin]}".split()
    done = subprocess.run(
        [sys.executable, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    sys.stderr.write(done.stdout + done.stderr)
    return re.sub(r" in [\d.]+s.*", "", done.stdout.strip().splitlines()[-1])


def test_the_readmes_example(tmp_path: Path, plugin: str) -> None:
    program, *others = blocks("README.md")
    (tmp_path / "hello.py").write_text(program, encoding="utf-8")
    tests = [block for block in others if "def test_" in block]
    assert tests
    for test in tests:
        (tmp_path / "test_hello.py").write_text(test, encoding="utf-8")
        assert run_pytest(tmp_path, plugin) == "2 passed"


def test_the_guide(tmp_path: Path, plugin: str) -> None:
    source = "\n\n".join(blocks("docs/testing.md"))
    (tmp_path / "test_guide.py").write_text(source, encoding="utf-8")
    assert run_pytest(tmp_path, plugin) == f"{source.count('async def test_')} passed"


FIXTURES = """
import pytest
from framework import testing, web

closed = []

def make_app():
    async def note(app):
        closed.append(app)

    app = web.Application()
    app.on_cleanup.append(note)
    return app

@pytest.fixture
async def client(asgi_client):
    client = await asgi_client(make_app())
    yield client
    assert (await client.get("/")).status_code == 404

async def test_fixture_of_the_programs_own(client):
    assert (await client.get("/")).status_code == 404
    assert closed == []

async def test_closed_after_the_test():
    assert len(closed) == 1

async def test_block(asgi_client, asgi_server):
    async with asgi_client(make_app()):
        assert len(closed) == 1
    assert len(closed) == 2
    async with asgi_server(make_app()) as live:
        assert live.port > 0
    assert len(closed) == 3

async def test_startup_error(asgi_client):
    async def fail(app):
        raise ZeroDivisionError

    app = make_app()
    app.on_startup.append(fail)
    with pytest.raises(ZeroDivisionError):
        await asgi_client(app)
"""


def test_fixtures(tmp_path: Path, plugin: str) -> None:
    (tmp_path / "test_fixtures.py").write_text(FIXTURES, encoding="utf-8")
    assert run_pytest(tmp_path, plugin) == "4 passed"


ERROR_AT_THE_END = """
import pytest
from framework import web

async def test_cleanup(asgi_client):
    async def fail(app):
        raise ZeroDivisionError("at the end")

    app = web.Application()
    app.on_cleanup.append(fail)
    await asgi_client(app)
"""


def test_an_error_at_the_end_is_the_tests(tmp_path: Path, plugin: str) -> None:
    (tmp_path / "test_end.py").write_text(ERROR_AT_THE_END, encoding="utf-8")
    assert run_pytest(tmp_path, plugin) == "1 passed, 1 error"


LOOP_OF_ITS_OWN = """
import asyncio
from framework import web

async def use(asgi_client):
    await asgi_client(web.Application())

def test_loop(asgi_client):
    asyncio.run(use(asgi_client))
"""


def test_a_loop_that_is_closed_too_early(tmp_path: Path, plugin: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_loop.py").write_text(LOOP_OF_ITS_OWN, encoding="utf-8")
    run_pytest(tmp_path, plugin)
    assert "use `async with asgi_client(app) as client:`" in capfd.readouterr().err
