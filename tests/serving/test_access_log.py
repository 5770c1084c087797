"""The access log's lines, written for requests of a raw ASGI application."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from framework.serving.access_log import AccessLog, Sent
from framework.serving.access_loggers import AccessLogger, emit
from framework.typedefs import ASGIApp, Message, Receive, Scope, Send
from tests.driver import Driver

LOGGER = logging.getLogger("tests.access")


def make_scope(**changes: Any) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", 4321),
        **changes,
    }


def answer(status: int, *bodies: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        for body in bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body"})

    return app


async def line_of(
    app: ASGIApp, scope: Scope, caplog: pytest.LogCaptureFixture, log_format: str = AccessLogger.LOG_FORMAT
) -> str:
    async def receive() -> Message:
        raise AssertionError("no application here reads")

    async def send(message: Message) -> None: ...

    with caplog.at_level(logging.INFO, LOGGER.name):
        await AccessLog(AccessLogger(LOGGER, log_format)).run(app, scope, receive, send)
    [record] = caplog.records
    return record.getMessage()


async def test_a_line(caplog: pytest.LogCaptureFixture) -> None:
    headers = [(b"referer", b"https://example.com/"), (b"user-agent", b"curl/8.5")]
    line = await line_of(answer(200, b"hello", b"!"), make_scope(query_string=b"b=1", headers=headers), caplog)
    begin, _, rest = line.partition(" [")
    assert begin == "192.0.2.7"
    assert rest.partition("] ")[2] == '"GET /a%20b?b=1 HTTP/1.1" 200 6 "https://example.com/" "curl/8.5"'


async def test_the_record_carries_the_values(caplog: pytest.LogCaptureFixture) -> None:
    await line_of(answer(201, b"hello"), make_scope(), caplog)
    record: Any = caplog.records[0]
    assert record.levelno == logging.INFO
    assert (record.remote_address, record.response_status, record.response_size) == ("192.0.2.7", 201, 5)
    assert record.first_request_line == "GET /a%20b HTTP/1.1"
    assert record.request_header == {"Referer": "-", "User-Agent": "-"}


async def test_a_head_request_gets_no_body(caplog: pytest.LogCaptureFixture) -> None:
    assert '" 200 0 "' in await line_of(answer(200, b"left out by the server"), make_scope(method="HEAD"), caplog)


async def test_without_client_and_raw_path(caplog: pytest.LogCaptureFixture) -> None:
    line = await line_of(answer(204), make_scope(client=None, raw_path=None), caplog)
    assert line.startswith("- [")
    assert '"GET /a%20b HTTP/1.1" 204' in line


async def test_an_exception_is_the_servers_500(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await line_of(app, make_scope(), caplog)
    assert '" 500 0 "' in caplog.records[0].getMessage()


@pytest.mark.parametrize(("kind", "status"), [("websocket.accept", 101), ("websocket.close", 403)])
async def test_websockets(kind: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": kind})
        await send({"type": "websocket.close"})

    scope = make_scope(type="websocket")
    del scope["method"]
    assert f'"GET /a%20b HTTP/1.1" {status} 0 ' in await line_of(app, scope, caplog)


async def test_a_denied_websocket(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    assert '" 401 2 "' in await line_of(app, make_scope(type="websocket"), caplog)


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (b"\x1b[2J\x07", r"\x1b[2J\x07"),
        (b'x" 200 0 "y', r"x\" 200 0 \"y"),
        (b"a\r\nb\x00\x7f\x9b", r"a\x0d\x0ab\x00\x7f\x9b"),
        (b"caf\xc3\xa9 \xe9 \\x1b", "caf\xe9 \\xe9 \\\\x1b"),
    ],
)
async def test_s20_nothing_a_client_sends_forges_a_line(
    sent: bytes, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    scope = make_scope(headers=[(b"user-agent", sent), (b"referer", sent)], raw_path=b"/" + sent, query_string=sent)
    line = await line_of(answer(200), scope, caplog)
    assert line.endswith(f'"GET /{logged}?{logged} HTTP/1.1" 200 0 "{logged}" "{logged}"')


@pytest.mark.parametrize(
    ("log_format", "line"),
    [
        ("%%", "%"),
        ("100%%s %s", "100%s 200"),
        ("%%%s%%", "%200%"),
        ("%{X-A}i%{X-A}o", "asked-"),
        ("%{Content-Length}o", "1"),
        ("\x1b[1m%s\x1b[0m\n", "\x1b[1m200\x1b[0m\n"),
    ],
)
async def test_formats(log_format: str, line: str, caplog: pytest.LogCaptureFixture) -> None:
    """Those that aiohttp stumbles over, and what is not to be compared: the format itself stays as it is."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"x"})

    scope = make_scope(headers=[(b"x-a", b"asked"), (b"x-a", b"again")])
    assert await line_of(app, scope, caplog, log_format) == line


def test_the_environment_names_the_way_out() -> None:
    with pytest.raises(KeyError, match=r"os\.environ\['HOME'\]"):
        AccessLogger(LOGGER, "%{HOME}e")


@pytest.mark.parametrize(
    ("message", "size"),
    [
        ({"type": "http.response.pathsend", "path": __file__}, 42),
        ({"type": "http.response.zerocopysend", "file": 0, "count": 42}, 42),
        ({"type": "http.response.body", "body": b"x" * 42}, 42),
    ],
)
async def test_files_that_the_server_sends(message: Any, size: int, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"42")]})
        await send(message)

    assert await line_of(app, make_scope(), caplog, "%b") == str(size)


async def test_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    assert await line_of(app, make_scope(), caplog, "%s %b") == "499 0"


def start_times(*seconds: float) -> list[str]:
    """What `%t` is for requests that took so long."""
    log = AccessLogger(LOGGER, "%t")
    sent = Sent(make_scope(), Driver.http(None).send)
    with Records(LOGGER) as records:
        for each in seconds:
            log.log(sent, sent, each)
    return records.lines


def test_the_time_is_local_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("the system cannot change its time zone")
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    [line] = start_times(7200.0)
    monkeypatch.undo()
    time.tzset()
    begun = datetime.strptime(line, "[%d/%b/%Y:%H:%M:%S %z]")
    assert begun.utcoffset() == timedelta(hours=5, minutes=30)
    assert timedelta(hours=1) < datetime.now(UTC) - begun < timedelta(hours=3)


def test_the_time_of_another_second() -> None:
    lines = start_times(0.0, 86400.0, 0.0)
    now, yesterday, again = [datetime.strptime(line, "[%d/%b/%Y:%H:%M:%S %z]") for line in lines]
    assert timedelta(hours=23) < now - yesterday < timedelta(hours=25)
    assert again - now < timedelta(minutes=1)


async def test_a_logger_adapter_will_do(caplog: pytest.LogCaptureFixture) -> None:
    adapter: Any = logging.LoggerAdapter(LOGGER, {})
    caplog.set_level(logging.INFO, LOGGER.name)
    driver = Driver.http(None)
    await AccessLog(AccessLogger(adapter, "%s")).run(answer(204), driver.scope, driver.receive, driver.send)
    assert caplog.messages == ["204"]


class Records(logging.Handler):
    """The records of a logger, within a block."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def __enter__(self) -> Records:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._logger.removeHandler(self)


def emitted(line: str = "line", logger: logging.Logger = LOGGER, **attributes: Any) -> Any:
    with Records(logger) as records:
        emit(logger, line, attributes)
    [record] = records.records
    return record


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_record_is_like_any_other(in_thread: bool) -> None:
    """What is copied from record to record is the same as logging would have made."""
    emitted()
    with Records(LOGGER) as records:
        LOGGER.setLevel(logging.INFO)
        LOGGER.info("line")
        if in_thread:
            await asyncio.to_thread(emit, LOGGER, "line", {})
        else:
            emit(LOGGER, "line", {})
    usual, ours = (dict(vars(record)) for record in records.records)
    assert usual.keys() == ours.keys()
    different = {name for name in usual if usual[name] != ours[name]}
    of_the_call = {"pathname", "filename", "module", "lineno", "funcName"}
    of_the_thread = {"thread", "threadName", "taskName"} if in_thread else set()
    assert different <= of_the_call | of_the_thread | {"created", "msecs", "relativeCreated"}
    assert 0 <= ours["created"] - usual["created"] < 60
    assert 0 <= ours["relativeCreated"] - usual["relativeCreated"] < 60_000
    assert ours["msecs"] == int(ours["created"] % 1 * 1000)
    assert ours["threadName"] == usual["threadName"] or in_thread


def test_a_record_factory_is_asked() -> None:
    class Record(logging.LogRecord): ...

    logging.setLogRecordFactory(Record)
    try:
        assert type(emitted(mine=1)) is Record
        assert emitted(mine=1).mine == 1
    finally:
        logging.setLogRecordFactory(logging.LogRecord)


def test_a_class_of_loggers_is_asked() -> None:
    class Logger(logging.Logger):
        def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802 - its name in logging
            record = super().makeRecord(*args, **kwargs)
            record.made = "here"
            return record

    assert emitted(logger=Logger("tests.access.class")).made == "here"


def test_a_record_in_a_forked_process() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("the system does not fork")
    emitted()
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, str(emitted().process).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 20) == str(child).encode()
    os.close(reader)
    os.close(writer)
