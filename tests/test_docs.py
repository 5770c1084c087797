"""The documents tell the truth: their links, their lists and their programs."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import logging
import logging.config
import re
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from framework import testing, web
from tests.test_layout import ORDER, PROJECT

DOCS = PROJECT / "docs"


def blocks(document: str) -> list[str]:
    """The Python programs that a document prints."""
    return re.findall(
        r"^```python\n(.*?)^```", (PROJECT / document).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def run(source: str, name: str = "printed") -> ModuleType:
    module = ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (DOCS / link).exists()] == []


def test_the_architecture_lists_the_modules_in_their_order() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    listed = [f"framework.{name}" for name in re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE)]
    packages = [name for name in ORDER if name == "framework" or any(other.startswith(f"{name}.") for other in ORDER)]
    assert listed == [name for name in ORDER if name not in packages]


def test_each_security_row_has_tests_and_each_numbered_test_a_row() -> None:
    rows = re.findall(r"^\*\*S(\d+)\. ", (DOCS / "security.md").read_text(encoding="utf-8"), re.MULTILINE)
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT / "tests").rglob("test_*.py")]
    names = [name for source in sources for name in re.findall(r"def (test(?:_s[0-9]+)+)_", source)]
    tested = {int(number) for name in names for number in re.findall("_s([0-9]+)", name)}
    assert sorted(map(int, rows)) == sorted(tested)


def test_the_readmes_program(monkeypatch: pytest.MonkeyPatch) -> None:
    source, *_ = blocks("README.md")
    assert [str(route.resource.canonical) for route in run(source).app.router.routes()] == ["/hello/{name}"] * 2


async def test_the_programs_of_the_migration_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    program, test, unit_test, in_starlette = blocks("docs/migrating.md")
    monkeypatch.setitem(sys.modules, "hello", run(program, "hello"))
    await run(test).test_hello()
    await run(unit_test).test_the_handler_alone()
    assert "starlette" in in_starlette  # which is no dependency of the tests


async def test_the_program_of_the_streaming_guide() -> None:
    program = run("\n\n".join(blocks("docs/streaming.md")))
    app = program.app
    async with testing.client(app) as client:
        assert (await client.put("/digest", content=b"x")).text == hashlib.sha256(b"x").hexdigest()
        sizes = await client.post("/sizes", files={"file": ("../a.txt", b"12345")}, data={"field": "12"})
        assert sizes.json() == {"a.txt": 5, "field": 2}
        assert (await client.get("/countdown")).text == "3\n2\n1\n"
        assert (await client.post("/upper", content=b"one\ntwo")).text == "ONE\nTWO"
        totals = await client.post("/running-total", content=b'{"amount": 1}\n{"amount": 2}\n{}\n')
        assert totals.text == '{"total": 1}\n{"total": 3}\n{"error": "every line has an amount"}\n'
        async with client.stream("GET", "/ticks") as events:
            pieces = events.aiter_text()
            assert await anext(pieces) == "id: 1\r\nevent: tick\r\ndata: tick 1\r\n\r\n"
            assert (await anext(pieces)).startswith("id: 2\r\n")
            await app.shutdown()
            assert [piece async for piece in pieces] == []
        searching = asyncio.ensure_future(client.get("/search", params={"q": "x"}))
        async with asyncio.timeout(10):
            while not program.searches:
                await asyncio.sleep(0)
            searching.cancel()
            while program.searches != ["begun", "ended"]:
                await asyncio.sleep(0)
        assert (await client.post("/orders", content=b"tea")).status_code == 201
        assert program.orders == ["tea"]
        assert (await client.post("/sign-up", data={"address": "ada@example.com"})).status_code == 202
        assert app[program.TICKS] != []
    assert app[program.MAILS] == ["ada@example.com"]


async def test_the_program_of_the_websocket_guide() -> None:
    program = run("\n\n".join(blocks("docs/websockets.md")))
    app = program.app
    for test in (program.test_echo, program.test_shutdown, program.test_other_sites_are_refused):
        await test()
    transport = httpx.ASGITransport(app)
    async with app, httpx.AsyncClient(transport=transport, base_url="http://docs") as client:
        assert "clock.v1" in (await client.get("/clock")).text
        async with testing.websocket(app, "/clock", subprotocols=["clock.v2", "clock.v1"]) as ws:
            assert ws.protocol == "clock.v1"
            assert (await ws.receive_json()).keys() == {"now"}
        async with testing.websocket(app, "/news") as one, testing.websocket(app, "/news") as two:
            assert (await client.post("/news", content=b"it rains")).json() == {"reached": 2}
            assert [await ws.receive_str() for ws in (one, two)] == ["it rains", "it rains"]
        async with testing.websocket(app, "/inbox", headers={"Origin": "https://app.example.org"}) as ws:
            assert await ws.receive_str() == "hello, stranger"


async def test_the_program_of_the_logging_guide(capsys: pytest.CaptureFixture[str]) -> None:
    program = run("\n\n".join(blocks("docs/logging.md")))
    root = logging.getLogger()
    records: list[logging.LogRecord] = []
    level, handlers = root.level, root.handlers[:]
    try:
        logging.config.dictConfig(program.LOGGING)
        async with testing.client(program.app) as client:
            answer = await client.get("/orders/7", headers={"X-Request-ID": "abc"})
        access = logging.getLogger("framework.access")
        handler = logging.Handler()
        handler.emit = records.append  # type: ignore[assignment,method-assign]
        access.addHandler(handler)
        for app, cls in ((program.served_elsewhere, None), *((program.app, cls) for cls in classes(program))):
            served = app if cls is None else web.AccessLogMiddleware(app, access_log_class=cls)
            async with testing.client(served) as client:
                await client.get("/orders/8")
        access.removeHandler(handler)
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
    assert answer.headers["X-Request-ID"] == "abc"
    assert "INFO [abc] shop: looking for order 7\n" in capsys.readouterr().err
    json_line, user_line, line, json_line_with_type = [record.getMessage() for record in records]
    assert json.loads(json_line)["route"] == "/orders/{number}"
    assert user_line.startswith("nobody asked for /orders/8: 200 in 0.")
    assert '"GET /orders/8 HTTP/1.1" 200 14' in line
    assert json.loads(json_line_with_type)["type"] == "application/json"


def classes(program: ModuleType) -> list[type[web.AbstractAccessLogger]]:
    return [program.UserLog, program.WithoutHealthChecks, program.WithType]


async def test_the_program_of_the_asgi_guide() -> None:
    for package in ("fastapi", "opentelemetry.trace"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install -e '.[interop]'")
    program = run("\n\n".join(blocks("docs/asgi.md")))
    transport = httpx.ASGITransport(program.app, root_path="/app")
    origin = {"Origin": "https://example.com"}
    async with program.app, httpx.AsyncClient(transport=transport, base_url="http://docs") as client:
        item = await client.get("/app/api/items/7", headers=origin)
        assert (item.json(), item.headers["Access-Control-Allow-Origin"]) == ({"item": 7}, origin["Origin"])
        schema = await client.get("/api/openapi.json", headers={"Accept-Encoding": "gzip"})
        assert schema.json()["servers"] == [{"url": "/app/api"}]
        assert schema.headers["Content-Encoding"] == "gzip"
        assert (await client.get("/api/missing")).json() == {"detail": "Not Found"}
    assert str(program.app.router["api"].url_for(path="/items/7")) == "/api/items/7"
    transport = httpx.ASGITransport(program.outer, client=("10.0.0.1", 1))
    async with (
        program.outer.router.lifespan_context(program.outer),
        httpx.AsyncClient(transport=transport, base_url="http://docs", follow_redirects=True) as client,
    ):
        assert (await client.get("/shop/latest")).json() == {"product": "7", "path": "/shop/products/7"}
        assert program.shop.started
    assert not program.shop.started


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))])
def test_named_files_exist(document: str) -> None:
    """`asgi/http.py`, `tests/test_layout.py` and the like are there, in the project or in the package."""
    text = (PROJECT / document).read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|txt|toml))`", text)) - {
        "hello.py",
        "test_hello.py",
        "program.py",
    }
    missing = [name for name in names if not any((root / name).exists() for root in (PROJECT, PROJECT / "framework"))]
    assert sorted(missing) == []


def test_every_example_is_tested() -> None:
    from tests import test_examples

    examples = {path.stem for path in (PROJECT / "examples").glob("*.py")}
    tests = {name.removeprefix("test_") for name, _ in inspect.getmembers(test_examples, inspect.isfunction)}
    assert examples <= tests
