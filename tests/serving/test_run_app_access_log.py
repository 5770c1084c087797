"""When run_app logs requests, and where to."""

from __future__ import annotations

import signal

import pytest

from tests.serving.program import Program

SETUP = """
    import asyncio, logging
    from framework import web

    async def hello(request):
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    options = {"host": "127.0.0.1", "port": 0}
"""

LINE = '"GET / HTTP/1.1" 200 5 "-" "python-httpx'


def log_of_one_request(source: str, *options: str) -> str:
    with Program(SETUP + source, *options) as program:
        assert program.client.get(program.url()).text == "hello"
        program.send(signal.SIGINT)
        assert program.finish() == 0
    return program.stderr()


def test_silent_unless_logging_is_set_up() -> None:
    assert log_of_one_request("    web.run_app(app, **options)") == ""


def test_with_logging_set_up() -> None:
    source = """
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    web.run_app(app, **options)
    """
    [line] = log_of_one_request(source).splitlines()
    assert line.startswith("framework.access INFO 127.0.0.1 [")
    assert LINE in line


def test_none_is_silent() -> None:
    source = """
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    web.run_app(app, access_log=None, **options)
    """
    assert log_of_one_request(source) == ""


def test_a_logger_of_ones_own() -> None:
    source = """
    mine = logging.getLogger("mine")
    mine.setLevel(logging.INFO)
    mine.addHandler(logging.StreamHandler())
    web.run_app(app, access_log=mine, **options)
    """
    assert LINE in log_of_one_request(source)


@pytest.mark.parametrize("debug", ["loop.set_debug(True)", "pass"])
def test_in_debug_mode_requests_are_shown(debug: str) -> None:
    source = f"""
    loop = asyncio.new_event_loop()
    {debug}
    web.run_app(app, loop=loop, **options)
    """
    assert (LINE in log_of_one_request(source)) == (debug != "pass")
