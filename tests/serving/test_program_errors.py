"""Tracebacks of programs that are served: from the program's first line on, whatever stands in between."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework import web
from framework.serving.import_strings import load_application
from framework.serving.program_errors import is_of_program, show_exception


def caught(function: Callable[..., object], *arguments: object) -> BaseException:
    """What ``function`` raises, without the frame of the test, which would count as the program's."""
    with pytest.raises(Exception) as info:
        function(*arguments)
    assert info.value.__traceback__ is not None
    return info.value.with_traceback(info.value.__traceback__.tb_next)


def load(name: str = "app") -> BaseException:
    return caught(load_application, f"program_that_fails:{name}")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes a module `program_that_fails` that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "program_that_fails", raising=False)

    def write(source: str) -> None:
        (tmp_path / "program_that_fails.py").write_text(textwrap.dedent(source))

    return write


def shown(exc: BaseException, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, int]]:
    """File and line of each frame that is shown."""
    show_exception(exc)
    found = re.findall(r'File ".*?([^/"]+)", line ([0-9]+)', capsys.readouterr().err)
    return [(file, int(line)) for file, line in found]


def test_what_an_import_raises(program: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    program("import json\njson.loads('no JSON')")
    exc = load()
    assert is_of_program(exc)
    # What the program has called is shown to the end.
    assert [file for file, _ in shown(exc, capsys)] == [
        "program_that_fails.py",
        "__init__.py",
        "decoder.py",
        "decoder.py",
    ]


def test_causes_and_contexts(program: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    program("def make():\n  try:\n    1 / 0\n  except Exception as exc:\n    raise ValueError('both') from exc\n")
    assert shown(load("make"), capsys) == [("program_that_fails.py", 3), ("program_that_fails.py", 5)]


def test_a_group(program: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    program(
        """
        def fail(): 1 / 0

        def make():
            try:
                fail()
            except Exception as exc:
                raise ExceptionGroup("two", [exc, ValueError()])
        """
    )
    lines = {line for _, line in shown(load("make"), capsys)}
    assert lines == {2, 6, 8}


def test_a_startup(capsys: pytest.CaptureFixture[str]) -> None:
    async def connect(app: web.Application) -> None:
        raise OSError("asleep")

    app = web.Application()
    app.on_startup.append(connect)
    exc = caught(lambda: web.run_app(app, port=0, handle_signals=False))
    assert is_of_program(exc)
    assert [file for file, _ in shown(exc, capsys)][-1] == "test_program_errors.py"


def test_source_that_does_not_compile(program: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    program("x = 1\ndef (:\n")
    exc = load()
    assert is_of_program(exc)
    assert shown(exc, capsys) == [("program_that_fails.py", 2)]


def test_an_exception_of_the_packages_own_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    own = caught(web.Application().router.add_get, "no slash", None)
    assert not is_of_program(own)
    assert {file for file, _ in shown(own, capsys)} >= {"dispatcher.py"}


def test_libraries_count_as_the_program_and_servers_do_not() -> None:
    namespace: dict[str, Any] = {}
    for package, expected in (("sqlalchemy", True), ("uvicorn", False), ("hypercorn", False)):
        source = compile("def fail(): 1 / 0", f"/venv/lib/python3.13/site-packages/{package}/x.py", "exec")
        exec(source, namespace)
        assert is_of_program(caught(namespace["fail"])) is expected
    # Of the standard library alone.
    assert not is_of_program(caught(json.loads, "no JSON"))
