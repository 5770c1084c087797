from __future__ import annotations

from aiohttp import hdrs as aiohttp_hdrs
from multidict import istr

from framework import hdrs


def test_every_constant_of_aiohttp_is_there() -> None:
    expected = {name: value for name, value in vars(aiohttp_hdrs).items() if name.isupper()}
    assert {name: value for name, value in vars(hdrs).items() if name.isupper()} == expected


def test_header_names_are_looked_up_without_folding_case_again() -> None:
    assert type(hdrs.CONTENT_TYPE) is istr
    assert type(hdrs.METH_GET) is str
