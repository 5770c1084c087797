"""`install_as_aiohttp`: libraries for aiohttp.web run unmodified, with aiohttp installed and without."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.interop.packages import needs
from tests.test_layout import PROJECT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own: what is imported there stays there."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("installed", ["with-aiohttp", "without-aiohttp"])
def test_jinja2_session_and_cors(installed: str) -> None:
    for package in ("aiohttp_cors", "aiohttp_jinja2", "aiohttp_session"):
        needs(package)
    done = run("-m", "tests.interop.libraries", installed)
    assert done.returncode == 0, done.stderr
    origin = "https://a.example"
    assert json.loads(done.stdout) == [
        [200, "Hi &lt;Ada&gt;, /pages/Ada, Home", None],
        [200, "1", None],
        [200, "2", None],
        [200, "3", origin],
        [200, "", origin],
        [200, "", origin],
        [403, "CORS preflight request failed", None],
    ]


def test_too_late() -> None:
    done = run("-c", "import aiohttp.web, framework; framework.install_as_aiohttp()")
    assert done.returncode == 1
    assert "call install_as_aiohttp() before all imports" in done.stderr


@pytest.mark.parametrize("installed", ["with-aiohttp", "without-aiohttp"])
def test_an_access_log_class_derived_from_aiohttps(installed: str) -> None:
    done = run("-m", "tests.interop.own_access_log", installed)
    assert (done.stdout, done.stderr) == ("GET /missed 404 b'x'\nAccessLogger is one: True\n", "")
