"""The pytest plugin costs those who do not use it nothing."""

from __future__ import annotations

from importlib.metadata import entry_points

from tests.test_layout import run_python


def test_pytest_finds_it() -> None:
    (plugin,) = entry_points(group="pytest11", name="framework")
    assert plugin.value == "_framework_pytest"


def test_loading_it_imports_nothing_of_the_package() -> None:
    """Else coverage would miss every line that runs when the package is imported."""
    source = "import _framework_pytest, sys; print([name for name in sys.modules if name.startswith('framework')])"
    assert run_python(source) == "[]\n"


def test_the_driver_and_websockets_need_neither_httpx_nor_uvicorn() -> None:
    source = """
import sys
from framework import testing
testing.Driver, testing.websocket, testing.lifespan
print({"httpx", "httpx2", "uvicorn", "pytest"} & set(sys.modules))
"""
    assert run_python(source) == "set()\n"


def test_without_httpx_the_error_says_what_to_install() -> None:
    source = """
import sys
sys.modules["httpx"] = sys.modules["httpx2"] = None
from framework import testing
try:
    testing.client
except ModuleNotFoundError as exc:
    print(exc)
"""
    assert run_python(source) == "framework.testing.client needs httpx: pip install 'asgi-framework[test]'\n"


def test_httpx2_does_where_httpx_is_missing() -> None:
    """Any package of that name with the same API."""
    source = """
import sys, httpx
sys.modules["httpx2"], sys.modules["httpx"] = httpx, None
from framework import testing
print(issubclass(testing.Client, httpx.AsyncClient))
"""
    assert run_python(source) == "True\n"


def test_every_name_is_there() -> None:
    source = """
from framework import testing
assert set(testing.__all__) <= set(dir(testing))
print([name for name in testing.__all__ if not hasattr(testing, name)], hasattr(testing, "nothing"))
"""
    assert run_python(source) == "[] False\n"
