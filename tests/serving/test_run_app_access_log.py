"""When run_app logs requests, and where to."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from framework import web
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


def test_a_format() -> None:
    source = """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    web.run_app(app, access_log_format="%r|%s|%{Content-Length}o|%%", **options)
    """
    assert log_of_one_request(source) == "GET / HTTP/1.1|200|5|%"


def test_a_class() -> None:
    source = """
    class Mine(web.AbstractAccessLogger):
        def log(self, request, response, time):
            self.logger.warning("%s %s %s", request.match_info.handler.__name__, response.status, self.log_format)

    web.run_app(app, access_log_class=Mine, access_log_format="as it likes", **options)
    """
    assert log_of_one_request(source) == "hello 200 as it likes"


def test_json() -> None:
    source = """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    web.run_app(app, access_log_class=web.JSONAccessLogger, **options)
    """
    line = json.loads(log_of_one_request(source))
    assert (line["route"], line["status"], line["bytes"]) == ("/", 200, 5)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"access_log_class": object}, TypeError), ({"access_log_format": "%{HOME}e"}, KeyError)],
)
def test_what_is_wrong_shows_before_the_start(options: dict[str, Any], error: type[Exception]) -> None:
    app = web.Application()
    for made in (web.run_app, web.AppRunner, web.Server):
        with pytest.raises(error):
            made(app, **options)
    assert not app.started
