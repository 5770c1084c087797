"""framework new: what it writes runs and passes its own tests; what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from framework.cli.main import main
from tests.cli.conftest import Write
from tests.serving.program import Program

pytestmark = pytest.mark.usefixtures("write")


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "my-shop"]) == 0
    assert files(tmp_path) == {
        "my-shop/.gitignore",
        "my-shop/README.md",
        "my-shop/my_shop/__init__.py",
        "my-shop/my_shop/config.py",
        "my-shop/my_shop/main.py",
        "my-shop/my_shop/routes.py",
        "my-shop/pyproject.toml",
        "my-shop/tests/test_routes.py",
    }
    project = tomllib.loads((tmp_path / "my-shop" / "pyproject.toml").read_text())
    assert project["project"]["name"] == "my-shop"
    assert project["tool"]["framework"]["app"] == "my_shop.main:make_app"
    steps = [line.split("#")[0].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert steps == ["cd my-shop", "pip install -e '.[test]'", "pytest", "framework run --reload"]


def test_nothing_of_the_templates_is_left_in_it(tmp_path: Path) -> None:
    assert main(["new", "hello"]) == 0
    for name in files(tmp_path):
        assert "$" not in (tmp_path / name).read_text(), name


def test_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hello").mkdir()
    monkeypatch.chdir(tmp_path / "hello")
    assert main(["new", "."]) == 0
    assert "hello/hello/main.py" in files(tmp_path)


def test_its_tests_pass(tmp_path: Path) -> None:
    assert main(["new", "hello"]) == 0
    # Coverage that is measured of this run is not to be measured, by another configuration, of that one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "hello",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout


def test_its_source_passes_ruff_without_a_configuration(tmp_path: Path) -> None:
    assert main(["new", "hello"]) == 0
    for command in (["check", "--extend-select", "I"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache"],
            cwd=tmp_path / "hello",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_served(tmp_path: Path) -> None:
    assert main(["new", "hello"]) == 0
    with Program(
        "import sys; from framework.cli.main import main; sys.exit(main(['run', '-P', '0', '-H', '127.0.0.1']))",
        cwd=tmp_path / "hello",
    ) as program:
        assert program.client.get(f"{program.url()}/hello/Ada").json() == {"message": "Hello, Ada!"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1shop", "it begins with a letter"),
        ("shöp", "it begins with a letter"),
        ("shop-", "it begins with a letter"),
        ("my shop", "it begins with a letter"),
        ("class", '"class" is a word of Python; choose another name, such as class_app'),
        ("json", 'there is a module "json" already, which the project would hide'),
        ("Yarl", 'there is a module "yarl" already'),
        ("tests", 'there is a module "tests" already'),
        ("framework", 'there is a module "framework" already'),
    ],
)
def test_names_that_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str) -> None:
    assert main(["new", name]) == 2
    assert reason in capsys.readouterr().err
    assert files(tmp_path) == set()


def test_a_folder_that_is_not_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello" / "notes.txt").write_text("mine")
    assert main(["new", "hello"]) == 2
    assert capsys.readouterr().err == (
        "framework new: error: hello is not empty; nothing was written. Give a new or an empty folder\n"
    )
    assert files(tmp_path) == {"hello/notes.txt"}


def test_a_file_of_that_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hello").write_text("mine")
    assert main(["new", "hello"]) == 2
    assert "hello: Not a directory; give a new or an empty folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["new", "file/hello"]) == 2
    assert "file/hello: Not a directory" in capsys.readouterr().err


def test_folders_above_are_made(write: Write, tmp_path: Path) -> None:
    assert main(["new", "services/hello"]) == 0
    assert "services/hello/hello/main.py" in files(tmp_path)


def test_a_folder_whose_name_a_shell_would_take_apart(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "my services/hello"]) == 0
    assert "\n    cd 'my services/hello'\n" in capsys.readouterr().out
