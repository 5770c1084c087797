"""The shape of the project: which module may import which, what that loads, and that the documents tell the truth."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework import web

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "framework"

# Top to bottom: a module imports only from above its own line.
SHELVES = """
    .
    typedefs hdrs keys reify http_version storage
    sansio sansio.headers sansio.text sansio.log_format sansio.conditions sansio.ranges sansio.cookies sansio.forms
    sansio.forwarded sansio.json sansio.paths sansio.file_names sansio.codings sansio.negotiation
    sansio.disposition sansio.multipart sansio.ws_messages
    signals cleanup background config_dict content content_lines payloads compression
    streams transports handshakes writers
    stream_responses responses opened_files files
    exceptions exception_handlers file_field multipart multipart_writer uploads
    request_headers request_body requests event_source websockets
    routing routing.definitions routing.domains routing.templates routing.views routing.routes routing.match_info
    routing.resources routing.static routing.mounts routing.matcher routing.dispatcher
    middlewares request_ids handler_cancellation
    debug debug.masking debug.values debug.source debug.tracebacks debug.circumstances debug.page
    asgi asgi.exchange asgi.errors asgi.http asgi.websocket asgi.lifespan asgi.early_shutdown asgi.inner_lifespan
    asgi.mount
    applications
    serving serving.import_strings serving.program_errors
    serving.access_loggers serving.json_access_log serving.access_log serving.options serving.arrivals serving.sites
    serving.upgrades serving.connections serving.server serving.tls serving.tls_scope serving.low_level serving.runners
    serving.runner_sites serving.listening serving.http2 serving.in_flight serving.hypercorn_server
    serving.granian_server serving.servers serving.process serving.reload serving.worker serving.workers serving.run
    testing testing.messages testing.stacks testing.drivers testing.websockets testing.lifespans testing.exchanges
    testing.clients testing.servers testing.fixtures test_utils
    cli cli.terminal cli.failures cli.arguments cli.serving_errors cli.log_lines cli.run cli.route_list cli.routes
    cli.new cli.main __main__ cli.entry_function
    web as_aiohttp
"""
ORDER = ["framework" if name == "." else f"framework.{name}" for name in SHELVES.split()]

# Needed only by those who use what they are for.
OPTIONAL = {
    "aioquic",
    "backports",
    "brotli",
    "brotlicffi",
    "granian",
    "h2",
    "httptools",
    "httpx",
    "hypercorn",
    "jinja2",
    "multipart",
    "uvicorn",
    "uvloop",
    "watchfiles",
    "websockets",
    "zttp",
}


def module_name(file: Path) -> str:
    parts = file.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def runtime_imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and name of each module that `file` imports when it runs, also inside of functions."""
    yield from _imports_in(ast.parse(file.read_text(encoding="utf-8")).body)


def _imports_in(nodes: list[Any]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            yield from _imports_in(node.orelse)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield node.lineno, submodule if submodule in MODULES else node.module
        else:
            yield from _imports_in(list(ast.iter_child_nodes(node)))


def run_python(source: str) -> str:
    """What a fresh interpreter prints; warnings in it are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_has_its_place_in_the_order() -> None:
    assert set(MODULES) - set(ORDER) == set(), "give each new module its place in SHELVES"
    assert set(ORDER) - set(MODULES) == set(), "these are gone: take them out of SHELVES"
    assert len(ORDER) == len(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_up(module: str) -> None:
    place = ORDER.index(module)
    for line, imported in runtime_imports(MODULES[module]):
        if imported in MODULES:
            assert ORDER.index(imported) < place, f"{module}, line {line}, imports {imported}, which stands below it"


def test_the_package_never_imports_aiohttp() -> None:
    for file in MODULES.values():
        assert [name for _, name in runtime_imports(file) if name.split(".")[0] == "aiohttp"] == [], file


def test_every_module_can_be_imported_alone() -> None:
    source = f"""
import importlib, sys
for name in {list(MODULES)!r}:
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "framework"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception as exc:
        raise SystemExit(f"{{name}} cannot be imported alone: {{exc!r}}")
"""
    run_python(source)


def test_importing_web_loads_nothing_optional() -> None:
    loaded = run_python("import sys, framework.web; print(*{name.split('.')[0] for name in sys.modules})").split()
    assert OPTIONAL & set(loaded) == set()
    assert "aiohttp" not in loaded


def test_web_exports_what_it_imports() -> None:
    for name in web.__all__:
        getattr(web, name)  # some are imported only then
    names = {name for name in vars(web) if not name.startswith("_")} - {"annotations", "TYPE_CHECKING"}
    public = {name for name in names if not inspect.ismodule(getattr(web, name))}
    assert set(web.__all__) == public


def test_web_exports_each_name_once() -> None:
    # ruff keeps them sorted (RUF022).
    assert len(web.__all__) == len(set(web.__all__))


@pytest.mark.parametrize("name", MODULES)
def test_each_export_exists(name: str) -> None:
    module = importlib.import_module(name)
    missing = [export for export in getattr(module, "__all__", ()) if not hasattr(module, export)]
    assert missing == []


def test_the_extras_for_development_and_the_groups_are_the_same() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    interop, *dev = extras["dev"]
    assert interop == "asgi-framework[interop]"
    assert groups["dev"] == [{"include-group": "interop"}, *dev]
    assert groups["interop"] == extras["interop"]


def commands_in(document: str) -> Iterator[str]:
    """The commands of a document: lines indented as code, and code spans."""
    text = (PROJECT / document).read_text(encoding="utf-8")
    yield from re.findall(r"^ {4}(\S.*?)(?: {2,}#.*)?$", text, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_documented_commands_exist(document: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for command in commands_in(document):
        if command.startswith("make "):
            assert command.split()[1] in targets, command
        for script in re.findall(r"(?:^|\s)(scripts/[\w-]+)", command):
            assert os.access(PROJECT / script, os.X_OK), command


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_relative_links_lead_somewhere(document: str) -> None:
    text = (PROJECT / document).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [link for link in links if "://" not in link and not (PROJECT / link).exists()] == []


def test_the_readme_leads_with_run_and_test() -> None:
    first, second, *_ = commands_in("README.md")
    assert (first, second) == ("make run", "make test")


def test_the_version_is_the_distributions() -> None:
    done = run_python("import importlib.metadata as m, json; print(json.dumps(m.version('asgi-framework')))")
    assert json.loads(done) == importlib.import_module("framework").__version__
