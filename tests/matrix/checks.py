"""The columns: what each server is asked to do, and what has to come of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.matrix.connections import Answer, Connection, NotOfferedError, Stream, WebSocket
from tests.matrix.program import FILE_CONTENT
from tests.matrix.trials import FailedError, Trial

__all__ = ("CHECKS", "COLUMNS", "Check")


@dataclass(frozen=True)
class Check:
    """One thing to be seen; a column has several.

    Args:
        column: the column's name.
        name: what is to be seen.
        run: raises where it is not.
        optional: whether it is an extension of ASGI that a server need not have.
        ends_the_server: whether it stops the server, or needs one that was stopped.
    """

    column: str
    name: str
    run: Callable[[Trial], Awaitable[None]]
    optional: bool = False
    ends_the_server: bool = False


CHECKS: list[Check] = []


def check(
    column: str, name: str, *, optional: bool = False, ends_the_server: bool = False
) -> Callable[[Callable[[Trial], Awaitable[None]]], Callable[[Trial], Awaitable[None]]]:
    def register(run: Callable[[Trial], Awaitable[None]]) -> Callable[[Trial], Awaitable[None]]:
        CHECKS.append(Check(column, name, run, optional, ends_the_server))
        return run

    return register


def same(actual: object, expected: object, what: str = "") -> None:
    """Fail where the two differ, showing both."""
    if actual != expected:
        raise FailedError(f"{what + ': ' if what else ''}{shown(actual)}, not {shown(expected)}")


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def status(answer: Answer, expected: int) -> None:
    if answer.status != expected:
        raise FailedError(f"status {answer.status}, not {expected}: {shown(answer.body)}")


# --- Before the first request ---------------------------------------------------------------------


@check("lifespan", "startup before the first request")
async def startup(trial: Trial) -> None:
    await trial.noted("startup")


# --- Text, JSON, forms ----------------------------------------------------------------------------


@check("text", "GET")
async def get_text(trial: Trial) -> None:
    connection = await trial.connect()
    for _ in range(2):
        answer = await connection.request("GET", "/text?name=%C3%84da%20%26%20Co")
        status(answer, 200)
        same(answer.body, "Grüße, Äda & Co\n".encode())
        same(answer.all("Content-Type"), ["text/plain; charset=utf-8"])
        same(answer.all("Content-Length"), [str(len(answer.body))])


@check("text", "HEAD")
async def head_text(trial: Trial) -> None:
    connection = await trial.connect()
    for _ in range(2):
        answer = await connection.request("HEAD", "/text")
        status(answer, 200)
        same((answer.body, answer.all("Content-Length")), (b"", ["14"]))


@check("text", "204 and 404")
async def other_statuses(trial: Trial) -> None:
    connection = await trial.connect()
    answer = await connection.request("GET", "/empty")
    same((answer.status, answer.body), (204, b""))
    answer = await connection.request("GET", "/none")
    same((answer.status, answer.body), (404, b"404: Not Found"))


@check("JSON", "both ways")
async def send_json(trial: Trial) -> None:
    connection = await trial.connect()
    value: Any = {"name": "Ädä", "list": [1, 2.5, None, True], "text": "x" * 5000}
    body = json.dumps(value).encode()
    answer = await connection.request("POST", "/json", [("content-type", "application/json")], body)
    status(answer, 200)
    same(json.loads(answer.body), {"received": value})
    same(answer.all("Content-Type"), ["application/json; charset=utf-8"])
    same(answer.all("X-Two"), ["one"])


@check("JSON", "400 for what is none")
async def send_no_json(trial: Trial) -> None:
    connection = await trial.connect()
    status(await connection.request("POST", "/json", [("content-type", "application/json")], b"{"), 400)


@check("form", "fields, repeated and not ASCII")
async def send_form(trial: Trial) -> None:
    connection = await trial.connect()
    body = b"a=1&b=%C3%A4+%26&a=2&empty="
    answer = await connection.request("POST", "/form", [("content-type", "application/x-www-form-urlencoded")], body)
    status(answer, 200)
    same(json.loads(answer.body), [["a", "1"], ["b", "ä &"], ["a", "2"], ["empty", ""]])


# --- Uploads and streams --------------------------------------------------------------------------

UPLOAD = os.urandom(3 * 2**19 + 1)
UPLOAD_BODY = b"".join(
    [
        b'--frontier\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n',
        b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n',
        b"Content-Type: application/octet-stream\r\n\r\n",
        UPLOAD,
        b"\r\n--frontier--\r\n",
    ]
)
MULTIPART = [("content-type", "multipart/form-data; boundary=frontier")]


def uploaded(answer: Answer) -> None:
    status(answer, 200)
    same((answer.get("X-Name"), answer.get("X-Note")), ("a.bin", "hello"))
    same(answer.body, UPLOAD)


@check("upload", "with Content-Length")
async def upload_with_length(trial: Trial) -> None:
    connection = await trial.connect()
    uploaded(await connection.request("POST", "/upload", MULTIPART, UPLOAD_BODY))


@check("upload", "without Content-Length")
async def upload_without_length(trial: Trial) -> None:
    connection = await trial.connect()
    stream = await connection.open("POST", "/upload", MULTIPART, end=False)
    half = len(UPLOAD_BODY) // 2
    await stream.send(UPLOAD_BODY[:half])
    await stream.send(UPLOAD_BODY[half:], end=True)
    uploaded(await stream.answer())


@check("upload", "413 before all of the body is sent")
async def upload_too_large(trial: Trial) -> None:
    connection = await trial.connect()
    stream = await connection.open("POST", "/small", [("content-length", str(2**16))], end=False)
    await stream.send(b"x" * 2**15)
    same(await stream.head(), 413)
    # What the client still sends does no harm, neither to what else the connection carries nor to others.
    await stream.send(b"x" * 2**15, end=True)
    if trial.server.protocol > 1:
        status(await connection.request("GET", "/text"), 200)
    status(await (await trial.connect()).request("GET", "/text"), 200)


@check("stream", "pieces arrive as they are written")
async def stream_response(trial: Trial) -> None:
    name = trial.name()
    connection = await trial.connect()
    stream = await connection.open("GET", f"/stream/{name}", end=True)
    same(await stream.head(), 200)
    same(await stream.receive_exactly(5), b"first")
    # The handler writes on when it is told to, by another request.
    status(await (await trial.connect()).request("POST", f"/stream/{name}"), 200)
    same(await stream.receive_exactly(7), b"second")


@check("stream", "pieces are read as they arrive")
async def stream_request(trial: Trial) -> None:
    connection = await trial.connect()
    stream = await connection.open("POST", "/echo", end=False)
    for piece in (b"one", b"two", b"three"):
        await stream.send(piece)
        same(await stream.receive_exactly(len(piece)), piece)
    await stream.send(b"", end=True)
    same(await stream.receive(), b"")


# --- Files ----------------------------------------------------------------------------------------


async def ask_file(trial: Trial, *headers: tuple[str, str]) -> Answer:
    return await (await trial.connect()).request("GET", "/file", headers)


@check("file", "200")
async def whole_file(trial: Trial) -> None:
    connection = await trial.connect()
    for _ in range(2):
        answer = await connection.request("GET", "/file")
        status(answer, 200)
        same(answer.body, FILE_CONTENT)
        same(answer.all("Content-Length"), [str(len(FILE_CONTENT))])
        same(answer.get("Content-Type"), "application/octet-stream")


@check("file", "206")
async def part_of_a_file(trial: Trial) -> None:
    answer = await ask_file(trial, ("range", "bytes=1000-999999"))
    status(answer, 206)
    same(answer.body, FILE_CONTENT[1000:1_000_000])
    same(answer.get("Content-Range"), f"bytes 1000-999999/{len(FILE_CONTENT)}")


@check("file", "304")
async def same_file(trial: Trial) -> None:
    tag = (await ask_file(trial)).get("ETag")
    if tag is None:
        raise FailedError("no ETag")
    answer = await ask_file(trial, ("if-none-match", tag))
    same((answer.status, answer.body), (304, b""))


@check("file", "416")
async def no_part_of_a_file(trial: Trial) -> None:
    answer = await ask_file(trial, ("range", "bytes=9999999-"))
    status(answer, 416)
    same(answer.get("Content-Range"), f"bytes */{len(FILE_CONTENT)}")


@check("cookies", "each in a Set-Cookie of its own")
async def set_cookies(trial: Trial) -> None:
    connection = await trial.connect()
    answer = await connection.request("GET", "/cookies")
    status(answer, 200)
    same(sorted(cookie.partition("=")[0] for cookie in answer.all("Set-Cookie")), ["first", "second", "third"])
    same(
        [cookie for cookie in answer.all("Set-Cookie") if "Lax" in cookie],
        ["second=2; Max-Age=60; Path=/; SameSite=Lax"],
    )


@check("cookies", "of the request, split as browsers do")
async def send_cookies(trial: Trial) -> None:
    connection = await trial.connect()
    # HTTP/2 and 3 allow a field for each cookie (RFC 9113, section 8.2.3; RFC 9114, section 4.2.1).
    split = [("cookie", "a=1"), ("cookie", "b=2")]
    answer = await connection.request(
        "GET", "/cookies", [("cookie", "a=1; b=2")] if trial.server.protocol == 1 else split
    )
    status(answer, 200)
    same(json.loads(answer.body), {"a": "1", "b": "2"})


# --- WebSockets -----------------------------------------------------------------------------------


async def accepted(trial: Trial, name: str, *headers: tuple[str, str]) -> tuple[WebSocket, Stream]:
    stream = await trial.open_websocket(f"/websocket/{name}", headers)
    if await stream.head() not in {101, 200}:
        raise FailedError(f"status of the handshake {stream.status}")
    return WebSocket(stream), stream


@check("websocket", "echo")
async def websocket_echo(trial: Trial) -> None:
    ws, _ = await accepted(trial, trial.name())
    for message in ("Grüße", b"\x00\xff", "x" * 100_000):
        await ws.send(message)
        same(await ws.receive(), message)


@check("websocket", "empty messages")
async def websocket_empty_messages(trial: Trial) -> None:
    ws, _ = await accepted(trial, trial.name())
    for message in ("", b""):
        await ws.send(message)
        same(await ws.receive(), message)


@check("websocket", "subprotocol")
async def websocket_subprotocol(trial: Trial) -> None:
    _, stream = await accepted(trial, trial.name(), ("sec-websocket-protocol", "other, chat"))
    same(Answer(0, stream.headers, b"", [], []).all("Sec-WebSocket-Protocol"), ["chat"])


@check("websocket", "the client's close code")
async def websocket_closed_by_the_client(trial: Trial) -> None:
    name = trial.name()
    ws, _ = await accepted(trial, name)
    await ws.close(4001, "bye")
    await trial.noted(f"websocket {name} 4001")


@check("websocket", "the application's close code")
async def websocket_closed_by_the_application(trial: Trial) -> None:
    ws, _ = await accepted(trial, trial.name())
    await ws.send("close")
    same(await ws.receive(), (4002, "done"))


async def denial(trial: Trial) -> Answer:
    return await (await trial.open_websocket("/denied")).answer()


@check("websocket", "denied: status and headers")
async def websocket_denied(trial: Trial) -> None:
    answer = await denial(trial)
    same((answer.status, answer.get("X-Reason")), (401, "ticket"))


@check("websocket", "denied: body")
async def websocket_denied_with_a_body(trial: Trial) -> None:
    same(json.loads((await denial(trial)).body or b"null"), {"error": "no ticket"})


@check("websocket", "over HTTP/2 and 3 as well")
async def websocket_on_every_protocol(trial: Trial) -> None:
    stream = await (await trial.connect()).open_websocket(f"/websocket/{trial.name()}")
    if await stream.head() not in {101, 200}:
        raise FailedError(f"status of the handshake {stream.status}")


# --- Clients that leave ---------------------------------------------------------------------------


async def leaving(trial: Trial, begin: Callable[[Connection, str], Awaitable[Stream]], seen: str, told: str) -> None:
    """Begin a request, wait until its handler has noted ``seen``, leave, and wait until it notes ``told``."""
    name = trial.name()
    stream = await begin(await trial.connect(), name)
    await trial.noted(f"{seen} {name}")
    await stream.leave()
    await trial.noted(f"{told} {name}")


@check("disconnect", "wait_for_disconnection() returns")
async def leave_while_the_handler_waits(trial: Trial) -> None:
    await leaving(trial, lambda connection, name: connection.open("GET", f"/wait/{name}", end=True), "waiting", "left")


@check("disconnect", "handler_cancellation cancels")
async def leave_while_the_handler_is_to_be_cancelled(trial: Trial) -> None:
    await leaving(
        trial, lambda connection, name: connection.open("GET", f"/cancelled/{name}", end=True), "waiting", "cancelled"
    )


@check("disconnect", "a connection that ends")
async def leave_with_the_connection(trial: Trial) -> None:
    name = trial.name()
    connection = await trial.connect()
    await connection.open("GET", f"/wait/{name}", end=True)
    await trial.noted(f"waiting {name}")
    await connection.close()
    await trial.noted(f"left {name}")


@check("disconnect", "write() raises")
async def leave_while_the_handler_writes(trial: Trial) -> None:
    name = trial.name()
    stream = await (await trial.connect()).open("GET", f"/endless/{name}", end=True)
    await stream.receive()
    await stream.leave()
    await trial.noted(f"broken {name}")


@check("disconnect", "read() raises")
async def leave_while_the_handler_reads(trial: Trial) -> None:
    async def begin(connection: Connection, name: str) -> Stream:
        stream = await connection.open("POST", f"/read/{name}", [("content-length", "100")], end=False)
        await stream.send(b"some")
        return stream

    await leaving(trial, begin, "reading", "unread")


# --- Extensions -----------------------------------------------------------------------------------


async def offered(trial: Trial, name: str) -> None:
    answer = await (await trial.connect()).request("GET", "/extensions")
    if name not in json.loads(answer.body):
        raise NotOfferedError(name)


@check("pathsend, zerocopysend", "files are sent by it", optional=True)
async def files_by_the_server(trial: Trial) -> None:
    answer = await (await trial.connect()).request("GET", "/extensions")
    kinds = {"http.response.pathsend", "http.response.zerocopysend"} & set(json.loads(answer.body))
    if not kinds:
        raise NotOfferedError("neither http.response.pathsend nor http.response.zerocopysend")
    notes = [note for note in trial.notes() if note.startswith("file ")]
    if not any(kind in note for kind in kinds for note in notes):
        raise FailedError(f"offered: {sorted(kinds)}, sent: {notes}")


@check("trailers", "arrive", optional=True)
async def trailers(trial: Trial) -> None:
    await offered(trial, "http.response.trailers")
    # Trailers are for clients that ask for them (RFC 9110, section 6.5.1).
    answer = await (await trial.connect()).request("GET", "/trailers", [("te", "trailers")])
    same((answer.status, answer.body), (200, b"body"))
    same(answer.trailers, [(b"x-checksum", b"42")])


@check("early hints", "arrive", optional=True)
async def early_hints(trial: Trial) -> None:
    await offered(trial, "http.response.early_hint")
    answer = await (await trial.connect()).request("GET", "/side/")
    same((answer.status, answer.body), (200, b"main"))
    same([(b"link", b"</style.css>; rel=preload") in hint for hint in answer.hints], [True])


@check("push", "arrives", optional=True)
async def push(trial: Trial) -> None:
    await offered(trial, "http.response.push")
    connection = await trial.connect()
    answer = await connection.request("GET", "/side/")
    same((answer.status, answer.body), (200, b"main"))
    same(list(connection.pushed), [b"/text"])
    pushed = await connection.pushed[b"/text"].answer()
    same((pushed.status, pushed.body), (200, "Grüße, Welt\n".encode()))


# --- The end: these stop the server ---------------------------------------------------------------


@check("SIGTERM", "no accepted request is lost", ends_the_server=True)
async def sigterm_loses_nothing(trial: Trial) -> None:
    ending = await trial.ending()
    if not ending.answered:
        raise FailedError("nothing was answered, also before the signal")
    lost = sorted(ending.begun - ending.answered)
    if lost:
        why = ", ".join(sorted({ending.errors.get(name, "nothing came") for name in lost}))
        raise FailedError(f"{len(lost)} of {len(ending.begun)} have no answer: {why}")


@check("SIGTERM", "on_shutdown runs before the wait", ends_the_server=True)
async def sigterm_tells_in_time(trial: Trial) -> None:
    same((await trial.ending()).held, "told")


@check("SIGTERM", "the exit code is 0, or the signal's", ends_the_server=True)
async def sigterm_ends(trial: Trial) -> None:
    code = (await trial.ending()).exit_code
    if code not in {0, -signal.SIGTERM, 128 + signal.SIGTERM}:
        raise FailedError(f"exit code {code}" if code is not None else "it does not end")


@check("lifespan", "on_shutdown and cleanup after the last request", ends_the_server=True)
async def cleanup(trial: Trial) -> None:
    ending = await trial.ending()
    same([note for note in ending.notes if note in {"on_shutdown", "cleanup"}], ["on_shutdown", "cleanup"])


#: In the order of the table; that of the checks is the order in which they are made.
COLUMNS = (
    *("text", "JSON", "form", "upload", "stream", "file", "cookies", "websocket", "disconnect", "lifespan", "SIGTERM"),
    *("pathsend, zerocopysend", "trailers", "early hints", "push"),
)
