"""Exceptions as values and as text."""

from __future__ import annotations

import os
import sysconfig
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework.debug.source import Place, library_of, read_source, short_name
from framework.debug.tracebacks import Raised, describe, format_text


def raised_by(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as exc:
        return exc
    raise AssertionError("nothing was raised")


def function_of(file: Path, source: str) -> Any:
    """The function ``f`` of a module that is written and loaded."""
    file.write_text(source, encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "written"}
    exec(compile(source, str(file), "exec"), namespace)
    return namespace["f"]


def described(call: Callable[[], object], newer_than: float | None = None) -> Raised:
    return describe(raised_by(call), time.time() + 60 if newer_than is None else newer_than)


def chained() -> None:
    try:
        int("x")
    except ValueError as exc:
        exc.add_note("a note\nin lines")
        raise LookupError("of a number") from exc


def grouped() -> None:
    members = [raised_by(chained), raised_by(lambda: int("x")), ExceptionGroup("inner", [TypeError(1)])]
    raise ExceptionGroup("outer", members)


@pytest.mark.parametrize(
    "call",
    [
        lambda: 1 / 0,
        lambda: int("x"),
        lambda: compile("a = (\n1 +", "x.py", "exec"),
        lambda: eval("1 +"),
        lambda: "ä".encode("ascii"),
        chained,
        grouped,
    ],
)
def test_the_text_is_pythons_own(call: Callable[[], object]) -> None:
    exc = raised_by(call)
    assert format_text(exc) == "".join(traceback.format_exception(exc))


def test_a_recursion_is_written_as_python_does() -> None:
    def again() -> None:
        again()

    exc = raised_by(again)
    assert format_text(exc) == "".join(traceback.format_exception(exc))


def test_the_most_recent_call_comes_first() -> None:
    calls = described(chained).calls
    assert [call.function for call in calls] == ["chained", "raised_by"]
    assert calls[0].name == "tests/debug/test_tracebacks.py"
    assert calls[0].library is None


def test_a_statement_of_several_lines(tmp_path: Path) -> None:
    f = function_of(tmp_path / "a.py", "def f():\n    return (\n        1,\n        g(1,\n          2),\n    )\n")
    lines = described(f).calls[0].source
    assert [(line.number, line.text[line.start : line.end]) for line in lines if line.failing] == [(4, "g")]
    f = function_of(tmp_path / "b.py", "def f():\n    return 1 + int('x',\n        10) + 2\n")
    lines = described(f).calls[0].source
    assert [(line.number, line.text[line.start : line.end]) for line in lines if line.failing] == [
        (2, "int('x',"),
        (3, "10)"),
    ]


def test_a_very_long_line_is_cut_around_its_mark(tmp_path: Path) -> None:
    source = f"def f():\n    return [{'1, ' * 50_000} int('x'), {'1, ' * 50_000}]\n"
    line = described(function_of(tmp_path / "a.py", source)).calls[0].source[1]
    assert line.text[line.start : line.end] == "int('x')"
    assert len(line.text) < 300


def test_source_that_is_gone(tmp_path: Path) -> None:
    f = function_of(tmp_path / "a.py", "def f():\n    1 / 0\n")
    (tmp_path / "a.py").unlink()
    call = described(f).calls[0]
    assert (call.source, call.remark, call.line) == ([], "The source is not available.", 2)


def test_source_that_became_shorter(tmp_path: Path) -> None:
    f = function_of(tmp_path / "a.py", "\n" * 100 + "def f():\n    1 / 0\n")
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    assert described(f).calls[0].remark == "The source is not available."


def test_source_that_was_changed(tmp_path: Path) -> None:
    f = function_of(tmp_path / "a.py", "def f():\n    1 / 0\n")
    began = time.time() - 60
    os.utime(tmp_path / "a.py", (began - 60, began - 60))
    assert described(f, began).calls[0].remark == ""
    (tmp_path / "a.py").write_text("def g():\n    pass\n", encoding="utf-8")
    call = described(f, began).calls[0]
    assert call.remark == "The file has changed since the program began: these may not be the lines that ran."
    assert [line.text for line in call.source] == ["def g():", "    pass"]


def test_source_that_is_no_text(tmp_path: Path) -> None:
    f = function_of(tmp_path / "a.py", "def f():\n    1 / 0\n")
    (tmp_path / "a.py").write_bytes(b"\xff\x00\n" * 10)
    assert described(f).calls[0].remark == "The source is not available."


@pytest.mark.parametrize(
    "details",
    [
        (None, None, None, None),
        ("a\0b.py", 1, 1, "x"),
        ("missing.py", -1, -1, "x"),
        ("missing.py", 10**9, 10**9, None),
        ("missing.py", 1, 10**9, "x y", 0, -5),
        ("missing.py", 2, 3, "x y", 1, 1),
        (1, "2", "3", b"4"),
    ],
)
def test_syntax_errors_of_the_programs_own(details: tuple[Any, ...]) -> None:
    raised = describe(SyntaxError("odd", details), 0)
    assert raised.message == "odd"


def test_a_syntax_error_without_a_file_shows_its_text() -> None:
    raised = describe(SyntaxError("odd", ("missing.txt", 7, 3, "  a b\n", 7, 4)), 0)
    assert raised.syntax is not None
    [line] = raised.syntax.source
    assert (line.number, line.text, line.text[line.start : line.end]) == (7, "  a b", "a")


def test_an_exception_that_has_no_text() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    raised = describe(Odd(), 0)
    assert raised.message.endswith("Odd: str() failed>")
    assert "str() failed" in format_text(Odd())


def test_notes_that_are_none() -> None:
    for notes in (None, 1, "text", [1, None]):
        exc = ValueError("x")
        exc.__notes__ = notes  # type: ignore[assignment]
        assert describe(exc, 0).notes
        assert "ValueError: x" in format_text(exc)


def test_variables_of_the_program_only() -> None:
    def f(number: int) -> None:
        text = "a"
        int(text)

    calls = described(lambda: f(1)).calls
    assert dict(calls[0].variables) == {"number": "1", "text": "'a'"}


def test_libraries_and_names() -> None:
    site = Path(sysconfig.get_path("purelib"))
    standard = Path(sysconfig.get_path("stdlib"))
    for file, library, name in [
        (str(site / "package" / "sub" / "module.py"), "package", "package/sub/module.py"),
        (str(site / "module.py"), "module", "module.py"),
        (str(standard / "asyncio" / "tasks.py"), "asyncio", "asyncio/tasks.py"),
        (str(standard / "ast.py"), "ast", "ast.py"),
        ("/srv/app/.venv/lib/python3.13/site-packages/a/b.py", "a", "a/b.py"),
        ("<frozen importlib._bootstrap>", "Python", "<frozen importlib._bootstrap>"),
        (str(Path(__file__)), None, "tests/debug/test_tracebacks.py"),
        ("/srv/app/main.py", None, "/srv/app/main.py"),
        ("<string>", None, "<string>"),
    ]:
        assert library_of(file) == library
        assert Path(short_name(file)) == Path(name)


def test_the_working_directory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert short_name("/srv/app/main.py") == "/srv/app/main.py"


def test_tabs_and_blank_lines_around(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("\n\n\tif x:\n\t\ty()\n\n\n", encoding="utf-8")
    lines = read_source(Place(str(tmp_path / "a.py"), 4, 4, 2, 3))
    assert [(line.number, line.text) for line in lines] == [(3, "if x:"), (4, "\ty()")]
    assert lines[1].text[lines[1].start : lines[1].end] == "y"
