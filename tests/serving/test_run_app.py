"""run_app in a process of its own: it serves, says where, stops when told to, and how it exits."""

from __future__ import annotations

import signal

import pytest

from tests.serving.program import Program

HELLO = """
    import asyncio, sys
    from framework import web

    async def hello(request):
        return web.Response(text="hello")

    async def log(name):
        print(name)

    app = web.Application()
    app.router.add_get("/", hello)
    app.on_startup.append(lambda app: log("on_startup"))
    app.on_shutdown.append(lambda app: log("on_shutdown"))
    app.on_cleanup.append(lambda app: log("on_cleanup"))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_cleanup_and_exit_code_0(number: signal.Signals) -> None:
    with Program(HELLO + "    web.run_app(app, host='127.0.0.1', port=0); print('returned')") as program:
        assert program.client.get(program.url()).text == "hello"
        program.send(number)
        assert program.finish() == 0
    assert program.lines[-3:] == ["on_shutdown", "on_cleanup", "returned"]
    assert program.stderr() == ""


def test_startup_runs_before_the_message() -> None:
    with Program(HELLO + "    web.run_app(app, host='127.0.0.1', port=0)") as program:
        program.url()
    assert program.lines[0] == "on_startup"
    assert program.lines[1].startswith("======== Running on http://127.0.0.1:")


def test_the_message_is_aiohttps() -> None:
    source = """
    import signal
    from framework import web

    def show(*arguments, **keywords):
        print(arguments, keywords)
        signal.raise_signal(signal.SIGINT)

    web.run_app(web.Application(), port=0, host="127.0.0.1", print=show)
    """
    with Program(source) as program:
        assert program.finish() == 0
    [line] = program.lines
    assert line.startswith("('======== Running on http://127.0.0.1:")
    assert line.endswith(" ========\\n(Press CTRL+C to quit)',) {}")


def test_print_none_is_silent() -> None:
    source = """
    import signal
    from framework import web

    async def stop(app):
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)

    import asyncio
    app = web.Application()
    app.on_startup.append(stop)
    web.run_app(app, port=0, host="127.0.0.1", print=None)
    """
    with Program(source) as program:
        assert program.finish() == 0
    assert program.lines == []
    assert program.stderr() == ""


def test_a_coroutine_that_makes_the_app_runs_in_the_same_loop() -> None:
    source = """
    import asyncio
    from framework import web

    async def make_app():
        loop = asyncio.get_running_loop()

        async def same_loop(request):
            return web.json_response(asyncio.get_running_loop() is loop)

        app = web.Application()
        app.router.add_get("/", same_loop)
        return app

    web.run_app(make_app(), port=0, host="127.0.0.1")
    """
    with Program(source) as program:
        assert program.client.get(program.url()).json() is True
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert program.stderr() == ""


def test_a_given_loop_is_used_and_closed() -> None:
    source = """
    import asyncio, signal
    from framework import web

    async def stop(app):
        print(asyncio.get_running_loop() is loop)
        loop.call_soon(signal.raise_signal, signal.SIGTERM)

    app = web.Application()
    app.on_startup.append(stop)
    loop = asyncio.new_event_loop()
    web.run_app(app, port=0, host="127.0.0.1", print=None, loop=loop)
    print(loop.is_closed())
    """
    with Program(source) as program:
        assert program.finish() == 0
    assert program.lines == ["True", "True"]


def test_without_signal_handling_ctrl_c_still_stops_gracefully() -> None:
    with Program(HELLO + "    web.run_app(app, host='127.0.0.1', port=0, handle_signals=False)") as program:
        program.url()
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert program.lines[-2:] == ["on_shutdown", "on_cleanup"]


def test_it_runs_in_a_thread_without_signal_handling() -> None:
    source = """
    import asyncio, threading
    from framework import web

    async def stop(request):
        asyncio.get_running_loop().call_soon(stop_loop)
        return web.Response(text="bye")

    def stop_loop():
        raise web.GracefulExit

    app = web.Application()
    app.router.add_get("/", stop)
    options = {"port": 0, "host": "127.0.0.1", "handle_signals": False}
    thread = threading.Thread(target=web.run_app, args=(app,), kwargs=options)
    thread.start()
    thread.join()
    """
    with Program(source) as program:
        assert program.client.get(program.url()).text == "bye"
        assert program.finish() == 0
    assert program.stderr() == ""


def test_a_startup_error_is_shown_and_fails_the_process() -> None:
    source = """
    from framework import web

    async def connect(app):
        raise RuntimeError("the database is down")

    app = web.Application()
    app.on_startup.append(connect)
    web.run_app(app, port=0, host="127.0.0.1")
    """
    with Program(source) as program:
        assert program.finish() == 1
    assert program.lines == []
    assert program.stderr().startswith("Traceback (most recent call last):")
    assert program.stderr().endswith("RuntimeError: the database is down")


def test_a_failed_startup_leaves_the_contexts_it_entered() -> None:
    source = """
    from framework import web

    async def context(app):
        print("entered")
        yield
        print("left")

    async def fail(app):
        raise RuntimeError("later")

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    web.run_app(app, port=0, host="127.0.0.1")
    """
    with Program(source) as program:
        assert program.finish() == 1
    assert program.lines == ["entered", "left"]


def test_a_cleanup_error_is_shown_and_fails_the_process() -> None:
    source = """
    import signal
    from framework import web

    async def disconnect(app):
        raise RuntimeError("the database is gone")

    app = web.Application()
    app.on_cleanup.append(disconnect)
    web.run_app(app, port=0, host="127.0.0.1", print=lambda text: signal.raise_signal(signal.SIGINT))
    """
    with Program(source) as program:
        assert program.finish() == 1
    assert program.stderr().endswith("RuntimeError: the database is gone")


def test_cleanup_runs_even_when_on_shutdown_fails() -> None:
    source = """
    import signal
    from framework import web

    async def fail(app):
        raise RuntimeError("on_shutdown")

    async def cleanup(app):
        print("on_cleanup")

    app = web.Application()
    app.on_shutdown.append(fail)
    app.on_cleanup.append(cleanup)
    web.run_app(app, port=0, host="127.0.0.1", print=lambda text: signal.raise_signal(signal.SIGINT))
    """
    with Program(source) as program:
        assert program.finish() == 1
    assert program.lines == ["on_cleanup"]
    assert program.stderr().endswith("RuntimeError: on_shutdown")


def test_sys_exit_in_startup_gives_the_exit_code() -> None:
    source = """
    import sys
    from framework import web

    async def give_up(app):
        sys.exit(7)

    app = web.Application()
    app.on_startup.append(give_up)
    web.run_app(app, port=0, host="127.0.0.1")
    """
    with Program(source) as program:
        assert program.finish() == 7


def test_a_signal_during_startup_ends_it() -> None:
    source = """
    import asyncio
    from framework import web

    async def wait_for_ever(app):
        print("waiting")
        await asyncio.Event().wait()

    app = web.Application()
    app.on_startup.append(wait_for_ever)
    web.run_app(app, port=0, host="127.0.0.1")
    """
    with Program(source) as program:
        program.read_until("waiting")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert program.lines == ["waiting"]
    assert program.stderr() == ""


@pytest.mark.parametrize("statement", ["raise web.GracefulExit", "raise KeyboardInterrupt"])
def test_a_handler_can_end_the_program(statement: str) -> None:
    source = f"""
    async def stop(request):
        {statement}

    app.router.add_get("/stop", stop)
    web.run_app(app, host="127.0.0.1", port=0)
    """
    with Program(HELLO + source) as program:
        assert program.client.get(program.url() + "/stop").status_code == 503
        assert program.finish() == 0
    assert program.lines[-2:] == ["on_shutdown", "on_cleanup"]
    assert program.stderr() == ""


def test_sys_exit_in_a_handler_cleans_up_and_gives_the_exit_code() -> None:
    source = """
    async def stop(request):
        sys.exit(5)

    app.router.add_get("/stop", stop)
    web.run_app(app, host="127.0.0.1", port=0)
    """
    with Program(HELLO + source) as program:
        program.client.get(program.url() + "/stop")
        assert program.finish() == 5
    assert program.lines[-2:] == ["on_shutdown", "on_cleanup"]


def test_leftover_tasks_are_cancelled_after_the_cleanup() -> None:
    source = """
    import asyncio, signal
    from framework import web

    async def poll():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("task cancelled")
            raise ValueError("too late")

    async def start(app):
        app["task"] = asyncio.create_task(poll())

    async def cleanup(app):
        print("on_cleanup")

    app = web.Application()
    app.on_startup.append(start)
    app.on_cleanup.append(cleanup)
    web.run_app(app, port=0, host="127.0.0.1", print=lambda text: signal.raise_signal(signal.SIGINT))
    """
    with Program(source, "-W", "ignore") as program:
        assert program.finish() == 0
    assert program.lines == ["on_cleanup", "task cancelled"]
    assert "ValueError: too late" in program.stderr()


def test_the_programs_logging_configuration_stays() -> None:
    source = """
    import logging, signal
    from framework import web

    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    before = (logging.root.handlers[:], logging.root.level, logging.getLogger("uvicorn").handlers[:])
    web.run_app(web.Application(), port=0, host="127.0.0.1", print=lambda text: signal.raise_signal(signal.SIGINT))
    print(before == (logging.root.handlers[:], logging.root.level, logging.getLogger("uvicorn").handlers[:]))
    """
    with Program(source) as program:
        assert program.finish() == 0
    assert program.lines == ["True"]
    assert program.stderr() == ""


def test_asgi_middlewares_have_the_lifespan_of_the_run() -> None:
    source = """
    def observing(app):
        async def run(scope, receive, send):
            async def observed():
                message = await receive()
                print(message["type"])
                return message
            await app(scope, observed if scope["type"] == "lifespan" else receive, send)
        return run

    app.add_asgi_middleware(observing)
    web.run_app(app, host="127.0.0.1", port=0)
    """
    with Program(HELLO + source) as program:
        assert program.client.get(program.url()).text == "hello"
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert program.lines[:2] == ["lifespan.startup", "on_startup"]
    assert program.lines[-3:] == ["on_shutdown", "lifespan.shutdown", "on_cleanup"]
