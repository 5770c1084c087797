"""run_app with reload=True: a change of the source is served, whatever it was."""

from __future__ import annotations

import queue
import signal
import threading
from pathlib import Path

import httpx
import pytest

from framework.serving.reload import watch, watch_by_polling
from tests.serving.program import PATIENCE, Program

APP = """
import asyncio, os
from framework import web

async def hello(request):
    return web.Response(text="{text}")

async def is_debugging(request):
    return web.json_response(request.app.debug)

async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    await asyncio.Event().wait()

app = web.Application()
app.router.add_get("/", hello)
app.router.add_get("/debug", is_debugging)
app.router.add_get("/stream", stream)
"""


def run_reloading(folder: Path, options: str = "", *, first: str = APP.format(text="one")) -> Program:
    replace(folder / "hello.py", first)
    source = f"""
    from framework import web

    web.run_app("hello:app", host="127.0.0.1", port=0, reload=True, {options})
    """
    return Program(source, cwd=folder)


def write(folder: Path, text: str) -> None:
    replace(folder / "hello.py", APP.format(text=text))


def replace(path: Path, text: str) -> None:
    # At once, so that no half of it is seen. The size differs each time: a file system's clock may be coarse.
    scratch = path.with_suffix(".new")
    scratch.write_text(text)
    scratch.replace(path)


def test_a_change_is_served_at_the_same_address(tmp_path: Path) -> None:
    with run_reloading(tmp_path) as program:
        url = program.url()
        assert program.client.get(url).text == "one"
        write(tmp_path, "three")
        program.read_until("reloading")
        # The socket stays: the request waits for the new process.
        assert httpx.get(url, timeout=PATIENCE, trust_env=False).text == "three"
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert [line for line in program.lines if "====" in line] == [
        f"======== Running on {url} (reload) ========",
        "======== hello.py changed: reloading ========",
    ]
    assert program.stderr() == ""


def test_a_syntax_error_is_shown_and_waited_out(tmp_path: Path) -> None:
    with run_reloading(tmp_path) as program:
        url = program.url()
        replace(tmp_path / "hello.py", "this is no Python")
        program.read_until("exit code 1; waiting for a change")
        write(tmp_path, "three")
        program.read_until("reloading")
        assert httpx.get(url, timeout=PATIENCE, trust_env=False).text == "three"
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert "SyntaxError" in program.stderr()


def test_a_program_that_is_broken_at_first(tmp_path: Path) -> None:
    with run_reloading(tmp_path, first="this is no Python") as program:
        program.read_until("waiting for a change")
        write(tmp_path, "three")
        assert program.client.get(program.url()).text == "three"


def test_it_can_be_ended_while_the_program_is_broken(tmp_path: Path) -> None:
    with run_reloading(tmp_path) as program:
        program.url()
        replace(tmp_path / "hello.py", "this is no Python")
        program.read_until("waiting for a change")
        program.send(signal.SIGINT)
        assert program.finish() == 0


def test_a_stream_does_not_hold_it_up(tmp_path: Path) -> None:
    with run_reloading(tmp_path) as program:
        url = program.url()
        with program.client.stream("GET", url + "/stream") as response:
            assert next(response.iter_raw()) == b"first"
            write(tmp_path, "three")
            program.read_until("reloading")
            assert httpx.get(url, timeout=PATIENCE, trust_env=False).text == "three"


@pytest.mark.parametrize(("options", "expected"), [("", True), ("debug=False", False)])
def test_it_sets_debug(tmp_path: Path, options: str, expected: bool) -> None:
    with run_reloading(tmp_path, options) as program:
        assert program.client.get(program.url() + "/debug").json() is expected


def test_with_several_workers(tmp_path: Path) -> None:
    with run_reloading(tmp_path, "workers=2") as program:
        url = program.url()
        assert "(2 workers, reload)" in program.lines[-2]
        write(tmp_path, "three")
        program.read_until("reloading")
        assert httpx.get(url, timeout=PATIENCE, trust_env=False).text == "three"
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert program.stderr() == ""


@pytest.mark.parametrize("watcher", [watch, watch_by_polling])
def test_which_files_are_watched(tmp_path: Path, watcher: object) -> None:
    assert callable(watcher)
    for folder in ("package", ".venv", "__pycache__"):
        (tmp_path / folder).mkdir()
    (tmp_path / "package" / "old.py").write_text("")
    (tmp_path / "package" / "other.py").write_text("")
    seen: queue.SimpleQueue[Path] = queue.SimpleQueue()
    stop = threading.Event()

    def note(paths: list[Path]) -> None:
        for path in paths:
            seen.put(path)

    thread = threading.Thread(target=watcher, args=(tmp_path, stop, note))
    thread.start()
    try:
        # Until it watches, nobody knows.
        path = tmp_path / "first.py"
        while seen.empty():
            path.write_text("0" * (1 + path.stat().st_size if path.exists() else 1))
            stop.wait(0.1)
        (tmp_path / ".venv" / "a.py").write_text("1")
        (tmp_path / "__pycache__" / "a.py").write_text("1")
        (tmp_path / "a.txt").write_text("1")
        (tmp_path / "package" / "old.py").unlink()
        (tmp_path / "package" / "other.py").write_text("1")
        (tmp_path / "package" / "new.py").write_text("1")
        found: set[str] = set()
        wanted = {"old.py", "other.py", "new.py"}
        while not wanted <= found:
            found.add(seen.get(timeout=PATIENCE).name)
    finally:
        stop.set()
        thread.join()
    assert found - {"first.py"} == wanted


def test_a_virtual_environment_is_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / "env" / "lib").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    library = tmp_path / "env" / "lib" / "library.py"
    library.write_text("")
    changes: list[Path] = []
    stop = threading.Event()

    def note(paths: list[Path]) -> None:
        changes.extend(paths)
        stop.set()

    thread = threading.Thread(target=watch_by_polling, args=(tmp_path, stop, note, 0.01))
    thread.start()
    sizes = iter(range(1, 10_000))
    while not stop.is_set():
        library.write_text("1" * next(sizes))
        (tmp_path / "own.py").write_text("1" * next(sizes))
        stop.wait(0.01)
    thread.join()
    assert set(changes) == {tmp_path / "own.py"}
