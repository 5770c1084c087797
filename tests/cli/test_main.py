"""Which command runs, and what the process exits with."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import framework
from framework.cli.main import main
from tests.cli.conftest import Write

PROJECT = Path(__file__).parents[2]


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"framework {framework.__version__} (Python 3.")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["routes", "--help"], ["new", "--help"]])
def test_help_has_examples(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "\nexamples:\n  framework " in capsys.readouterr().out


def test_no_command_and_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMAND" in usage_error(capsys)
    assert "'serve'" in usage_error(capsys, "serve")


def test_an_unknown_option_takes_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert usage_error(capsys, "run", "hello:app", "-P", "70000") == (
        "usage: framework run [options] [MODULE:APP]\n"
        "framework run: error: argument -P/--port: 70000 is no port: they go from 1 to 65535, and 0 means a free one\n"
    )


def test_python_m_framework_is_the_same() -> None:
    done = subprocess.run([sys.executable, "-m", "framework", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("framework ")
    assert done.stderr == ""


def test_the_script_is_there() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, function = project["project"]["scripts"]["framework"].partition(":")
    assert getattr(import_module(module), function) is main


def test_what_an_import_raises_is_shown_from_the_program_on(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop="import shelves", shelves="def build():\n    return 1 / 0\n\nbuild()\n")
    assert main(["routes", "shop:app"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line.split(", ")[0].rpartition("/")[2] for line in lines if line.startswith("  File")] == [
        'shop.py"',
        'shelves.py"',
        'shelves.py"',
    ]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_a_module_that_cannot_be_compiled_is_shown_without_frames(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(shop="def (:")
    assert main(["routes", "shop:app"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert 'shop.py", line 1' in error
    assert error.endswith("SyntaxError: invalid syntax\n")


def test_ctrl_c_while_the_program_is_imported(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop="raise KeyboardInterrupt")
    assert main(["routes", "shop:app"]) == 130
    assert capsys.readouterr().err == ""


def test_modules_of_the_working_directory_come_first(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(colorsys="from framework import web\napp = web.Application()")
    sys.modules.pop("colorsys", None)
    assert main(["routes", "colorsys:app"]) == 0
    assert capsys.readouterr().out == "no routes\n"


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from framework import web\n"
        "async def page(request): ...\n"
        "app = web.Application()\n"
        "for number in range(5000): app.router.add_get(f'/page/{number}', page)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "framework", "routes", "shop:app"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("METHOD")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("command", ["run", "routes"])
def test_the_document_has_every_option(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = set(re.findall(r"--[a-z][a-z0-9-]+", capsys.readouterr().out)) - {"--help"}
    document = (PROJECT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [option for option in sorted(options) if not re.search(rf"{option}\b", document)] == []
