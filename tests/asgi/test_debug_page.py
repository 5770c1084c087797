"""What a failed handler answers while the application is in debug mode."""

from __future__ import annotations

import pytest

from framework import web
from tests.driver import Driver


def failing(exc: Exception, **options: bool) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        raise exc

    app = web.Application(**options)
    app.router.add_get("/", handler)
    return app


async def test_debug_can_be_set_while_the_application_serves(caplog: pytest.LogCaptureFixture) -> None:
    app = failing(LookupError("what was wrong"), debug=False)
    shown = []
    for debug in (False, True, False):
        app.debug = debug
        driver = await Driver.http(app).run()
        shown.append((app.debug, b"what was wrong" in driver.body))
    assert shown == [(False, False), (True, True), (False, False)]
