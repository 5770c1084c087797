"""What becomes of requests that are being answered when run_app is told to stop. Each test waits for what the program
prints, so that nothing depends on how fast it is."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.serving.program import Program

# A handler that answers only when on_shutdown lets it: if the server waited first, it would wait for ever.
WAITS_FOR_SHUTDOWN = """
    import asyncio
    from framework import web

    async def wait(request):
        print("began")
        await shutting_down.wait()
        print("ended")
        return web.Response(text="done")

    async def on_shutdown(app):
        print("on_shutdown")
        shutting_down.set()

    async def on_cleanup(app):
        print("on_cleanup")

    shutting_down = asyncio.Event()
    app = web.Application()
    app.router.add_get("/", wait)
    app.on_shutdown.append(on_shutdown)
    app.on_cleanup.append(on_cleanup)
    web.run_app(app, host="127.0.0.1", port=0)
"""

NEVER_ANSWERS = """
    import asyncio
    from framework import web

    async def wait(request):
        print("began")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("cancelled")
            raise

    async def on_shutdown(app):
        print("on_shutdown")

    async def on_cleanup(app):
        print("on_cleanup")

    app = web.Application()
    app.router.add_get("/", wait)
    app.on_shutdown.append(on_shutdown)
    app.on_cleanup.append(on_cleanup)
    web.run_app(app, host="127.0.0.1", port=0, shutdown_timeout={timeout})
"""


def test_on_shutdown_runs_first_then_requests_end_then_cleanup() -> None:
    with Program(WAITS_FOR_SHUTDOWN) as program, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(program.client.get, program.url())
        program.read_until("began")
        program.send(signal.SIGTERM)
        assert answer.result().text == "done"
        assert program.finish() == 0
    assert program.lines[-4:] == ["began", "on_shutdown", "ended", "on_cleanup"]
    assert program.stderr() == ""


def test_no_request_is_lost() -> None:
    with Program(WAITS_FOR_SHUTDOWN) as program, ThreadPoolExecutor(20) as threads:
        url = program.url()
        answers = [threads.submit(program.client.get, url) for _ in range(20)]
        for _ in answers:
            program.read_until("began")
        program.send(signal.SIGTERM)
        assert [answer.result().text for answer in answers] == ["done"] * 20
        assert program.finish() == 0
    assert program.lines.count("ended") == 20
    assert program.lines[-1] == "on_cleanup"


def test_an_idle_connection_does_not_hold_up_the_exit() -> None:
    source = """
    from framework import web

    async def hello(request):
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    web.run_app(app, host="127.0.0.1", port=0, shutdown_timeout=1e6, keepalive_timeout=1e6)
    """
    with Program(source) as program:
        # The client keeps its connection open.
        assert program.client.get(program.url()).text == "hello"
        program.send(signal.SIGINT)
        assert program.finish() == 0


def test_a_handler_is_cancelled_after_the_timeout() -> None:
    with Program(NEVER_ANSWERS.format(timeout=0.01)) as program, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(program.client.get, program.url())
        program.read_until("began")
        program.send(signal.SIGINT)
        with pytest.raises(httpx.TransportError):
            answer.result()
        assert program.finish() == 0
    assert program.lines[-4:] == ["began", "on_shutdown", "cancelled", "on_cleanup"]
    assert program.stderr() == ""


def test_a_second_signal_cancels_without_waiting() -> None:
    with Program(NEVER_ANSWERS.format(timeout=1e6)) as program, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(program.client.get, program.url())
        program.read_until("began")
        program.send(signal.SIGINT)
        program.read_until("on_shutdown")
        program.send(signal.SIGINT)
        with pytest.raises(httpx.TransportError):
            answer.result()
        assert program.finish() == 0
    assert program.lines[-3:] == ["on_shutdown", "cancelled", "on_cleanup"]
    assert program.stderr() == ""


def test_an_end_that_takes_its_time_says_so() -> None:
    with Program(NEVER_ANSWERS.format(timeout=1e6)) as program, ThreadPoolExecutor(1) as threads:
        threads.submit(program.client.get, program.url())
        program.read_until("began")
        program.send(signal.SIGINT)
        program.read_until("Waiting for requests to end, for 1e+06 seconds at most")
        program.read_until("CTRL+C again")
        program.send(signal.SIGINT)
        assert program.finish() == 0


def test_a_second_signal_leaves_a_handler_that_ignores_it() -> None:
    source = """
    import asyncio
    from framework import web

    async def stay(request):
        print("began")
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                print("cancelled")

    async def on_cleanup(app):
        print("on_cleanup")

    app = web.Application()
    app.router.add_get("/", stay)
    app.on_cleanup.append(on_cleanup)
    web.run_app(app, host="127.0.0.1", port=0, shutdown_timeout=1e6)
    """
    with Program(source) as program, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(program.client.get, program.url())
        program.read_until("began")
        program.send(signal.SIGINT)
        program.send(signal.SIGTERM)
        with pytest.raises(httpx.TransportError):
            answer.result()
        assert program.finish() == 0
    assert program.lines[-3:] == ["cancelled", "on_cleanup", "cancelled"]
    assert "1 request handlers did not end when they were cancelled" in program.stderr()


def test_a_second_signal_cancels_an_on_shutdown_that_hangs() -> None:
    source = """
    import asyncio
    from framework import web

    async def hang(app):
        print("on_shutdown")
        await asyncio.Event().wait()

    async def on_cleanup(app):
        print("on_cleanup")

    app = web.Application()
    app.on_shutdown.append(hang)
    app.on_cleanup.append(on_cleanup)
    web.run_app(app, host="127.0.0.1", port=0)
    """
    with Program(source) as program:
        program.url()
        program.send(signal.SIGINT)
        program.read_until("on_shutdown")
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert program.lines[-2:] == ["on_shutdown", "on_cleanup"]
    assert "on_shutdown was cancelled" in program.stderr()


def test_a_second_signal_cancels_background_tasks() -> None:
    source = """
    import asyncio
    from framework import web

    async def work():
        print("working")
        await asyncio.Event().wait()

    async def start(request):
        request.add_background_task(work)
        return web.Response()

    async def on_shutdown(app):
        print("on_shutdown")

    async def on_cleanup(app):
        print("on_cleanup")

    app = web.Application()
    app.router.add_get("/", start)
    app.on_shutdown.append(on_shutdown)
    app.on_cleanup.append(on_cleanup)
    web.run_app(app, host="127.0.0.1", port=0, shutdown_timeout=1e6)
    """
    with Program(source) as program:
        program.client.get(program.url())
        program.read_until("working")
        program.send(signal.SIGINT)
        program.read_until("on_shutdown")
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert program.lines[-2:] == ["on_shutdown", "on_cleanup"]


CLEANUP_HANGS = """
    import asyncio
    from framework import web

    async def hang(app):
        print("cleaning up")
        await asyncio.Event().wait()

    app = web.Application()
    app.on_cleanup.append(hang)
    web.run_app(app, host="127.0.0.1", port=0)
"""


def test_a_second_signal_gives_up_a_cleanup_that_hangs() -> None:
    with Program(CLEANUP_HANGS) as program:
        program.url()
        program.send(signal.SIGINT)
        program.read_until("cleaning up")
        program.send(signal.SIGINT)
        assert program.finish() == 0


def test_a_third_signal_does_so_at_once() -> None:
    with Program(CLEANUP_HANGS) as program:
        program.url()
        program.send(signal.SIGINT)
        program.read_until("cleaning up")
        # Signals of one kind that arrive together count as one.
        program.send(signal.SIGINT)
        program.send(signal.SIGTERM)
        assert program.finish() == 0
