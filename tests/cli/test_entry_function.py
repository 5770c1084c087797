"""python -m framework.web and python -m aiohttp.web: the same command lines, the same results."""

from __future__ import annotations

import re
import signal
import socket
import textwrap
from pathlib import Path

import httpx
import pytest

from tests.serving.program import Program

PROGRAM = """
    import importlib, logging, os
    web = importlib.import_module(os.environ["WEB"])

    async def index(request):
        return web.Response(text="it is served")

    def make(argv):
        print("arguments", argv)
        logging.getLogger("program").debug("it is being made")
        app = web.Application()
        app.router.add_get("/", index)
        return app

    async def make_later(argv):
        return make(argv)

    def make_none(argv): ...
    def fail(argv): raise ValueError("it has failed")
    def without_parameters(): ...
    app = web.Application()
    number = 3
"""

PACKAGE = Path(__file__).parents[2] / "framework"

pytestmark = pytest.mark.usefixtures("write")


class Command(Program):
    """`python -m {module}` in a process of its own, in ``folder``, where PROGRAM is the module `program`."""

    def __init__(self, module: str, folder: Path, *arguments: str) -> None:
        (folder / "program.py").write_text(textwrap.dedent(PROGRAM))
        (folder / "broken.py").write_text("import no_such_module")
        (folder / "raising.py").write_text("1 / 0")
        source = f"""
            import os, runpy, sys
            os.environ["WEB"] = {module!r}
            sys.argv = ["", *{arguments!r}]
            runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
        """
        super().__init__(source, cwd=folder)


@pytest.fixture(params=["aiohttp.web", "framework.web"])
def module(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", ["make", "make_later"])
def test_it_serves_until_ctrl_c(module: str, tmp_path: Path, name: str) -> None:
    with Command(module, tmp_path, "-P", "0", f"program:{name}") as command:
        url = command.url()
        assert url.startswith("http://localhost:")
        assert command.client.get(url).text == "it is served"
        command.send(signal.SIGINT)
        assert command.finish() == 0
    assert command.stderr().endswith("\nStopped")


def test_everything_is_logged(module: str, tmp_path: Path) -> None:
    with Command(module, tmp_path, "-P", "0", "program:make") as command:
        command.client.get(command.url())
        command.send(signal.SIGINT)
        assert command.finish() == 0
    assert "DEBUG:program:it is being made" in command.stderr()
    assert re.search(rf'^INFO:{module.split(".")[0]}\.access:.*"GET / HTTP/1\.1" 200 ', command.stderr(), re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        (["program:make"], []),
        (["program:make", "more", "--option", "-1"], ["more", "--option", "-1"]),
        (["--option", "program:make"], ["--option"]),
        (["program:make", "--", "-x", "y"], ["-x", "y"]),
        (["--", "program:make", "-x"], ["-x"]),
        (["--host", "localhost", "program:make"], []),
    ],
)
def test_what_is_left_goes_to_the_function(module: str, tmp_path: Path, arguments: list[str], rest: list[str]) -> None:
    with Command(module, tmp_path, "-P", "0", *arguments) as command:
        assert command.read_until("arguments") == f"arguments {rest}"
        command.url()


@pytest.mark.parametrize(
    ("arguments", "urls"),
    [
        (["-P", "0", "-H", "127.0.0.1"], ["http://127.0.0.1:PORT"]),
        (["-P", "0", "-H", "127.0.0.2", "-H", "127.0.0.1"], ["http://127.0.0.1:PORT"]),
        (["-U", "app.sock"], ["http://unix:app.sock:"]),
        (["-U", "app.sock", "-P", "0"], ["http://unix:app.sock:"]),
        (["-U", "other.sock", "-U", "app.sock"], ["http://unix:app.sock:"]),
        (["-U", "app.sock", "-P", "0", "-H", "localhost"], ["http://localhost:PORT", "http://unix:app.sock:"]),
    ],
)
def test_where_it_listens(module: str, tmp_path: Path, arguments: list[str], urls: list[str]) -> None:
    with Command(module, tmp_path, *arguments, "program:make") as command:
        line = re.sub(r":[0-9]{4,5}\b", ":PORT", command.read_until("Running on"))
        assert line == f"======== Running on {', '.join(urls)} ========"
        command.read_until("CTRL+C")
        if "-U" in arguments:
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "app.sock"))) as client:
                assert client.get("http://localhost/").text == "it is served"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["program"],
        [":make"],
        [".program:make"],
        ["program:nope"],
        ["program:make.more"],
        ["progrm:make"],
        ["broken:make"],
        ["-P", "x", "program:make"],
        ["-P", "0", "more", "program:make"],
        ["--version"],
    ],
)
def test_command_lines_that_are_refused(module: str, tmp_path: Path, arguments: list[str]) -> None:
    with Command(module, tmp_path, *arguments) as command:
        assert command.finish() == 2
        assert command.lines == []
    *_, usage, error = command.stderr().splitlines()
    assert usage.startswith(f"usage: {module} ")
    assert error.startswith(f"{module}: error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["program:make_none"],
        ["program:fail"],
        ["program:without_parameters"],
        ["program:number"],
        ["program:app"],
        ["raising:make"],
        ["-H", "192.0.2.1", "program:make"],
        ["-H", "no-such-name.invalid", "program:make"],
        ["-U", "none/app.sock", "program:make"],
    ],
)
def test_what_fails_is_1(module: str, tmp_path: Path, arguments: list[str]) -> None:
    with Command(module, tmp_path, "-P", "0", *arguments) as command:
        assert command.finish() == 1
    assert command.stderr()


def test_a_port_in_use_is_1(module: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Command(module, tmp_path, "-H", "127.0.0.1", "-P", str(port), "program:make") as command:
            assert command.finish() == 1
    assert "in use" in command.stderr()


def test_help(module: str, tmp_path: Path) -> None:
    with Command(module, tmp_path, "--help") as command:
        assert command.finish() == 0
    text = "\n".join(command.lines)
    # The name of the value stands behind both forms of an option, or from Python 3.13 on behind the last.
    for option in ("entry-func", "-h, --help", "--hostname HOSTNAME", "--port PORT", "--path PATH"):
        assert option in text
    for option in ("-H", "-P", "-U"):
        assert re.search(rf"^  {option}\b", text, re.MULTILINE)


# What only this package says.


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["program:mak"], 'module "program" has no attribute "mak"; did you mean "program:make"?'),
        (["program:make_none"], '"program:make_none" was called and gave None; end the function with return app'),
        (["program:app"], "web.Application; framework run serves an application as it is"),
        (["-P", "70000", "program:make"], "70000 is no port: they go from 1 to 65535, and 0 means a free one"),
        (["program:fail"], "ValueError: it has failed"),
        (["-H", "192.0.2.1", "program:make"], "no address of this machine; -H 0.0.0.0 listens at all that it has"),
    ],
)
def test_the_fix_is_named(tmp_path: Path, arguments: list[str], end: str) -> None:
    with Command("framework.web", tmp_path, *arguments) as command:
        assert command.finish() > 0
    assert command.stderr().endswith(end)
    assert str(PACKAGE) not in command.stderr()
