"""run_app with several processes: how they begin, what becomes of them, and how they end."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from framework import web
from tests.serving.program import Program

APP = """
import asyncio, os
from framework import web

async def pid(request):
    return web.Response(text=str(os.getpid()))

async def wait(request):
    say("began")
    try:
        await asyncio.Event().wait() if "for_ever" in request.query else await shutting_down.wait()
    except asyncio.CancelledError:
        say("cancelled")
        raise
    return web.Response(text="done")

async def on_startup(app):
    say("on_startup", os.getpid())

async def on_shutdown(app):
    say("on_shutdown", os.getpid())
    shutting_down.set()

async def on_cleanup(app):
    say("on_cleanup", os.getpid())

def say(*words):
    # In one piece: two processes share the pipe.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def make_app():
    app = web.Application()
    app.router.add_get("/", pid)
    app.router.add_get("/wait", wait)
    app.on_startup.append(on_startup)
    app.on_shutdown.append(on_shutdown)
    app.on_cleanup.append(on_cleanup)
    return app

async def make_app_in_loop():
    return make_app()

shutting_down = asyncio.Event()
app = make_app()
"""


def run_workers(folder: Path, options: str = "", *, name: str = "hello:app", group: bool = False) -> Program:
    (folder / "hello.py").write_text(APP)
    source = f"""
    from framework import web

    web.run_app({name!r}, host="127.0.0.1", port=0, workers=2, {options})
    print("returned")
    """
    return Program(source, cwd=folder, group=group)


def pids(program: Program, event: str) -> list[int]:
    return [int(line.split()[1]) for line in program.lines if line.startswith(event)]


@pytest.mark.parametrize("name", ["hello:app", "hello:make_app", "hello:make_app_in_loop"])
def test_each_worker_has_an_application_of_its_own(tmp_path: Path, name: str) -> None:
    with run_workers(tmp_path, name=name) as program:
        url = program.url()
        started = pids(program, "on_startup")
        assert len(set(started)) == 2
        assert int(program.client.get(url).text) in started
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert sorted(pids(program, "on_shutdown")) == sorted(pids(program, "on_cleanup")) == sorted(started)
    assert program.lines[-1] == "returned"
    assert program.stderr() == ""


def test_the_message_tells_how_many(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        program.url()
    assert re.fullmatch(r"=+ Running on http://127.0.0.1:\d+ \(2 workers\) =+", program.lines[-2])


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        url = program.url()
        first, second = pids(program, "on_startup")
        os.kill(first, signal.SIGKILL)
        program.read_until("on_startup")
        third = pids(program, "on_startup")[-1]
        assert int(program.client.get(url).text) in {second, third}
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert sorted(pids(program, "on_cleanup")) == sorted([second, third])
    assert program.stderr() == f"worker {first} ended with exit code -9; starting another"


def test_a_worker_that_is_told_to_stop_by_hand_cleans_up_and_is_replaced(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        program.url()
        first, _ = pids(program, "on_startup")
        os.kill(first, signal.SIGTERM)
        program.read_until(f"on_cleanup {first}")
        program.read_until("on_startup")
        program.send(signal.SIGTERM)
        assert program.finish() == 0


def test_a_startup_that_fails_ends_them_all(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("""
from framework import web

async def connect(app):
    print("connecting")
    raise RuntimeError("the database is down")

app = web.Application()
app.on_startup.append(connect)
""")
    with run_workers(tmp_path, name="broken:app") as program:
        assert program.finish() == 1
    assert program.lines == ["connecting"]
    assert program.stderr().count("RuntimeError: the database is down") == 1
    assert re.search(r"run_app: worker \d+ did not start \(exit code 1\); what it raised is above$", program.stderr())


def test_an_import_string_that_leads_nowhere_is_said_without_a_traceback(tmp_path: Path) -> None:
    with run_workers(tmp_path, name="hallo:app") as program:
        assert program.finish() == 1
    complaint, end = program.stderr().splitlines()
    assert complaint == 'error: there is no module "hallo"; did you mean "hello"?'
    assert end.endswith("what it raised is above")


def test_a_port_in_use_is_an_error_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "hello.py").write_text(APP)
        source = f"""
    from framework import web
    web.run_app("hello:app", host="127.0.0.1", port={port}, workers=2)
    """
        with Program(source, cwd=tmp_path) as program:
            assert program.finish() == 1
    assert program.lines == []
    assert f"('127.0.0.1', {port}): address already in use" in program.stderr()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_requests_are_finished_when_every_process_gets_the_signal(tmp_path: Path, number: signal.Signals) -> None:
    # As a terminal does with SIGINT, and systemd with SIGTERM.
    with run_workers(tmp_path, group=True) as program, ThreadPoolExecutor(4) as threads:
        url = program.url()
        answers = [threads.submit(httpx.get, url + "/wait", trust_env=False) for _ in range(4)]
        for _ in answers:
            program.read_until("began")
        program.send_to_group(number)
        assert [answer.result().text for answer in answers] == ["done"] * 4
        assert program.finish() == 0
    assert "cancelled" not in program.lines
    assert program.stderr() == ""


def test_a_second_signal_cancels_handlers_without_waiting(tmp_path: Path) -> None:
    with run_workers(tmp_path, "shutdown_timeout=1e6") as program, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(program.client.get, program.url() + "/wait?for_ever")
        program.read_until("began")
        program.send(signal.SIGINT)
        program.read_until("on_shutdown")
        program.read_until("on_shutdown")
        program.send(signal.SIGINT)
        with pytest.raises(httpx.TransportError):
            answer.result()
        assert program.finish() == 0
    assert program.lines.index("cancelled") < max(map(program.lines.index, program.lines[-2:]))
    assert len(pids(program, "on_cleanup")) == 2


def test_an_end_that_takes_its_time_says_so(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program, ThreadPoolExecutor(1) as threads:
        threads.submit(program.client.get, f"{program.url()}/wait?for_ever")
        program.read_until("began")
        program.send(signal.SIGTERM)
        program.read_until("Waiting for requests to end, for 60 seconds at most")
        program.send(signal.SIGTERM)
        assert program.finish() == 0


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
def test_sighup_replaces_the_workers_one_by_one(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        url = program.url()
        old = pids(program, "on_startup")
        (tmp_path / "hello.py").write_text(APP.replace("str(os.getpid())", "'new'"))
        program.send(signal.SIGHUP)
        program.read_until("Replacing the workers")
        for _ in old:
            program.read_until("on_cleanup")
        assert sorted(pids(program, "on_cleanup")) == sorted(old)
        assert program.client.get(url).text == "new"
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert len(set(pids(program, "on_startup"))) == 4
    assert program.stderr() == ""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
def test_sighup_leaves_the_workers_where_their_successors_do_not_start(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        url = program.url()
        old = pids(program, "on_startup")
        (tmp_path / "hello.py").write_text("print('broken', flush=True); 1 / 0")
        program.send(signal.SIGHUP)
        program.read_until("broken")
        assert int(program.client.get(url).text) in old
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert sorted(pids(program, "on_cleanup")) == sorted(old)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
def test_sighup_before_all_workers_have_begun(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        program.read_until("on_startup")
        program.send(signal.SIGHUP)
        url = program.url()
        assert program.client.get(url).status_code == 200
        program.send(signal.SIGTERM)
        assert program.finish() == 0


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
def test_sighup_works_again_when_a_worker_died_during_the_last_one(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        url = program.url()
        program.send(signal.SIGHUP)
        program.read_until("Replacing the workers")
        for pid in pids(program, "on_startup"):
            os.kill(pid, signal.SIGKILL)
        # Two successors at the least: for those that were killed, or instead of them.
        program.read_until("on_startup")
        program.read_until("on_startup")
        (tmp_path / "hello.py").write_text(APP.replace("str(os.getpid())", "'new'"))
        while program.client.get(url).text != "new":
            program.send(signal.SIGHUP)
            program.read_until("on_cleanup")
        program.send(signal.SIGTERM)
        assert program.finish() == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_workers_that_were_replaced_leave_nothing_open(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        program.url()
        descriptors = Path(f"/proc/{program.process.pid}/fd")
        counts = []
        for _ in range(3):
            program.send(signal.SIGHUP)
            for _ in range(2):
                program.read_until("on_cleanup")
            counts.append(len(list(descriptors.iterdir())))
        # The last worker's may not be closed yet.
        assert max(counts) - min(counts) <= 4
        program.send(signal.SIGTERM)
        assert program.finish() == 0


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with run_workers(tmp_path) as program:
        program.url()
        program.send(signal.SIGKILL)
        # Stdout is at its end when the last worker has gone.
        assert program.finish() == -signal.SIGKILL
    assert len(pids(program, "on_cleanup")) == 2


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no Unix sockets")
def test_unix_path(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    (tmp_path / "hello.py").write_text(APP)
    source = f"""
    from framework import web
    web.run_app("hello:app", path={str(path)!r}, workers=2)
    """
    with Program(source, cwd=tmp_path) as program:
        assert program.url() == f"http://unix:{path}:"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert int(client.get("http://localhost/").text) in pids(program, "on_startup")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert not path.exists()


def test_a_program_without_its_guard_is_told(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(APP)
    (tmp_path / "main.py").write_text("from framework import web\nweb.run_app('hello:app', port=0, workers=2)\n")
    with Program(
        "import sys, subprocess; sys.exit(subprocess.call([sys.executable, 'main.py']))", cwd=tmp_path
    ) as program:
        assert program.finish() == 1
    assert 'call it below `if __name__ == "__main__":`' in program.stderr()


def test_the_access_log_of_a_worker(tmp_path: Path) -> None:
    setup = "import logging\nlogging.basicConfig(level=logging.INFO, format='%(name)s %(message)s')\n"
    with run_workers(tmp_path, "access_log_format='%r %s'") as program:
        (tmp_path / "hello.py").write_text(setup + APP)
        url = program.url()
        program.client.get(url + "/?a=1")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert "framework.access GET /?a=1 HTTP/1.1 200" in program.stderr()


APPLICATION = web.Application()
UNNAMED = logging.Logger("mine")  # noqa: LOG001


@pytest.mark.parametrize(
    ("app", "options", "kind", "advice"),
    [
        (APPLICATION, {"workers": 2}, TypeError, r'web.run_app\("module:app", workers=2\)'),
        (APPLICATION, {"reload": True}, TypeError, r'web.run_app\("module:app", reload=True\)'),
        ("hello:app", {"workers": 0}, ValueError, "at least one"),
        ("hello:app", {"workers": 2, "ssl_context": ssl.create_default_context()}, ValueError, "ssl_certfile="),
        ("hello:app", {"workers": 2, "access_log": UNNAMED}, TypeError, r"logging.getLogger\(\)"),
        ("hello:app", {"workers": 2, "access_log_class": object}, TypeError, "AbstractAccessLogger"),
    ],
)
def test_what_cannot_be_handed_to_processes(app: Any, options: dict[str, Any], kind: type, advice: str) -> None:
    with pytest.raises(kind, match=advice):
        web.run_app(app, port=0, **options)


def test_a_loop_of_ones_own() -> None:
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(ValueError, match="leave loop= out"):
            web.run_app("hello:app", workers=2, loop=loop)
    finally:
        loop.close()
