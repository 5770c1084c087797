"""The values of WebSockets, which programs take from either package: message types, close codes, messages, options."""

from __future__ import annotations

import inspect
import json
from typing import Any

import aiohttp
import aiohttp.web
import pytest

from framework import web as framework_web
from framework.sansio import ws_messages
from tests.contract import modules

web = modules.web


@pytest.mark.parametrize("name", list(aiohttp.WSMsgType.__members__))
def test_message_types(web: Any, name: str) -> None:
    assert web.WSMsgType[name] == aiohttp.WSMsgType[name]
    assert getattr(web.WSMsgType, name).value == aiohttp.WSMsgType[name].value


def test_there_are_no_other_message_types(web: Any) -> None:
    assert list(web.WSMsgType.__members__) == list(aiohttp.WSMsgType.__members__)


def test_a_message_type_is_a_number(web: Any) -> None:
    assert web.WSMsgType(1) is web.WSMsgType.TEXT
    assert web.WSMsgType.CLOSE == 8
    assert {aiohttp.WSMsgType.TEXT: "found"}[web.WSMsgType.TEXT] == "found"
    with pytest.raises(ValueError):
        web.WSMsgType(3)


@pytest.mark.parametrize("name", list(aiohttp.WSCloseCode.__members__))
def test_close_codes(name: str) -> None:
    ours: int = framework_web.WSCloseCode[name]
    assert ours == aiohttp.WSCloseCode[name]


def test_there_are_no_other_close_codes() -> None:
    assert list(framework_web.WSCloseCode.__members__) == list(aiohttp.WSCloseCode.__members__)


@pytest.mark.parametrize("name", list(inspect.signature(aiohttp.web.WebSocketResponse).parameters))
def test_options_and_their_defaults(name: str) -> None:
    theirs = inspect.signature(aiohttp.web.WebSocketResponse).parameters[name]
    ours = inspect.signature(framework_web.WebSocketResponse).parameters[name]
    assert (theirs.kind, theirs.default) == (ours.kind, ours.default)


def test_options_are_named(web: Any) -> None:
    with pytest.raises(TypeError):
        web.WebSocketResponse(10.0)
    with pytest.raises(TypeError):
        web.WebSocketResponse(no_such_option=1)


def test_a_message() -> None:
    theirs: Any = aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, '{"a": 1}', "")
    ours = framework_web.WSMessage(framework_web.WSMsgType.TEXT, '{"a": 1}', "")
    assert theirs == ours
    assert hash(theirs) == hash(ours)
    assert theirs.json() == ours.json() == {"a": 1}
    assert theirs.json(loads=len) == ours.json(loads=len) == 8


def test_a_message_that_is_no_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        framework_web.WSMessage(framework_web.WSMsgType.TEXT, "{", "").json()


@pytest.mark.parametrize(
    ("ready", "text"),
    [
        ((True, "chat"), "WebSocketReady(ok=True, protocol='chat')"),
        ((False, None), "WebSocketReady(ok=False, protocol=None)"),
    ],
)
def test_web_socket_ready(web: Any, ready: tuple[bool, str | None], text: str) -> None:
    value = web.WebSocketReady(*ready)
    assert (value.ok, value.protocol, bool(value), repr(value)) == (*ready, ready[0], text)
    assert value == web.WebSocketReady(*ready)
    assert value != web.WebSocketReady(not ready[0], ready[1])
    assert len({value, web.WebSocketReady(*ready)}) == 1


@pytest.mark.parametrize("decoded", [True, False])
def test_the_class_can_be_subscripted(web: Any, decoded: bool) -> None:
    assert web.WebSocketResponse[decoded] is not None


def test_the_class_can_be_subclassed(web: Any) -> None:
    class Chat(web.WebSocketResponse):  # type: ignore[misc]
        def __init__(self, room: str) -> None:
            super().__init__(protocols=("chat",))
            self.room = room

    chat = Chat("lobby")
    assert (chat.room, chat.status, repr(chat)) == ("lobby", 101, "<Chat Switching Protocols not prepared>")


@pytest.mark.parametrize("error", [aiohttp.WebSocketError, ws_messages.WebSocketError])
def test_an_error(error: Any) -> None:
    exc = error(1009, "too big")
    assert (exc.code, exc.args, isinstance(exc, Exception)) == (1009, (1009, "too big"), True)
    assert str(exc) == "too big"
