"""`framework new`: write a small project that runs, with tests that pass."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import os
import re
import shlex
import string
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from framework import __version__
from framework.cli.failures import CommandError

__all__ = ["add_arguments", "new"]

_EPILOG = """\
examples:
  framework new hello
  framework new .                         in the empty folder that you are in
"""

#: Where each file of the project goes, and which one of the folder `project` it is made of. `$` stands for the package.
_FILES = {
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    ".gitignore": "gitignore",
    "$/__init__.py": "package.py",
    "$/config.py": "config.py",
    "$/routes.py": "routes.py",
    "$/main.py": "main.py",
    "tests/test_routes.py": "test_routes.py",
}

# Names that the project itself gives to something else.
_TAKEN = {"test", "tests", "framework"}


def add_arguments(commands: Any) -> None:
    """Add the command to those of ``commands``, argparse's."""
    parser = commands.add_parser(
        "new",
        usage="%(prog)s [options] DIR",
        help="start a project",
        description="Write a small project into a new or empty folder: an application, its\nconfiguration, its tests. "
        "The folder's name is that of the project and, with _ for\ndots and hyphens, of its package.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=new)
    parser.add_argument("folder", metavar="DIR", type=Path, help="where; it is made, or must be empty")


def new(options: argparse.Namespace) -> int:
    """Write the project, say what to do next, and give the exit code.

    Raises CommandError where the folder or its name cannot be used. Then nothing is written.
    """
    folder: Path = options.folder
    project = folder.absolute().resolve().name
    package = _package_name(project)
    _check_folder(folder)
    values = {"project": project, "package": package, "version": ".".join(__version__.split(".")[:2])}
    try:
        for target, source in _FILES.items():
            _write(folder / target.replace("$", package), source, values)
    except OSError as exc:
        raise CommandError(f"{exc.filename or folder}: {exc.strerror}") from exc
    _say_next_steps(folder, project)
    return 0


def _package_name(project: str) -> str:
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?", project):
        # The rule of the field `name` in pyproject.toml, and of modules for its beginning.
        raise CommandError(
            f'"{project}" cannot be the name of a project: it begins with a letter, and goes on with letters, digits, '
            "hyphens and underscores",
            2,
        )
    package = re.sub(r"[.-]", "_", project).lower()
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise CommandError(f'"{package}" is a word of Python; choose another name, such as {package}_app', 2)
    if package in sys.stdlib_module_names or package in _TAKEN or _is_installed(package):
        raise CommandError(
            f'there is a module "{package}" already, which the project would hide; choose another name, '
            f"such as {package}_app",
            2,
        )
    return package


def _is_installed(package: str) -> bool:
    # A folder without an __init__.py counts as a module as well: that may be the new project's own.
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None


def _check_folder(folder: Path) -> None:
    try:
        if any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty; nothing was written. Give a new or an empty folder", 2)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise CommandError(f"{folder}: {exc.strerror}; give a new or an empty folder", 2) from exc


def _write(target: Path, source: str, values: dict[str, str]) -> None:
    template = resources.files(__package__).joinpath("project", f"{source}.template").read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(string.Template(template).substitute(values), encoding="utf-8")


def _say_next_steps(folder: Path, project: str) -> None:
    steps = [
        ("pip install -e '.[test]'", "what the project and its tests need"),
        ("pytest", "run the tests"),
        ("framework run --reload", "serve on http://localhost:8080, anew after each change"),
    ]
    if folder.resolve() != Path.cwd():
        steps.insert(0, (f"cd {shlex.quote(os.fspath(folder))}", ""))
    lines = [f"    {command:<28}{remark and '# ' + remark}".rstrip() for command, remark in steps]
    print(f"{project} is written to {os.fspath(folder)}{os.sep}. Next:", "", *lines, sep="\n")  # noqa: T201
