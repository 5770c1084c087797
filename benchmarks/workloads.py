"""What is measured: each workload is one request, the answer it must get, and the application that gives it.

`$n` stands for a number that is another one in every request, so that nobody is measured by a cache of whole paths.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# More than any router's cache holds, few enough to build beforehand.
DISTINCT_REQUESTS = 5000

# Over the socket, where a workload does not say otherwise.
CONNECTIONS = 32

GREETING = "Hello, world!"

JSON = "application/json"
BINARY_TYPE = "application/octet-stream"

DISTINCT_PREFIX = "/resource{index}/{{id}}"
SHARED_PREFIX = "/{{tenant}}/resource{index}/{{id}}"

FORM = (
    "name=Ada+Lovelace&email=ada%40example.org&street=12+St+James%27s+Square&city=London&postcode=SW1Y+4JH"
    "&country=UK&phone=%2B44+20+0000+0000&newsletter=on&comment=A+note+on+number+$n&token=a1b2c3d4e5f6"
)

# What no text has: every octet, boundaries' CR and LF among them. The same in every process.
BINARY = random.Random(7578).randbytes(2**20)

UPLOAD_SIZE = 256 * 1024
BOUNDARY = "----formdata-boundary-7MA4YWxkTrZu0gW"


def multipart(*parts: tuple[str, str, bytes]) -> bytes:
    """A `multipart/form-data` body of parts: further parameters and headers after the name, and the content."""
    lines = b""
    for name, rest, content in parts:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{rest}\r\n\r\n'
        lines += head.encode() + content + b"\r\n"
    return lines + f"--{BOUNDARY}--\r\n".encode()


# A field before the file and two behind it, so that an answer with one of each has seen all of it.
UPLOAD = multipart(
    ("title", "", b"A view of Naples"),
    ("file", '; filename="naples.raw"\r\nContent-Type: application/octet-stream', BINARY[:UPLOAD_SIZE]),
    ("album", "", b"Italy"),
    ("comment", "", "Napoli, veduta dal mare: è bella".encode()),
)

# A number of five digits in its place makes every message as long as the others: 50 bytes.
CHAT = '{"from":"ada","text":"this is note number $n."}'
BLOB_SIZE = 16 * 1024

STREAM = tuple((f"chunk {number:3} ".ljust(99, ".") + "\n").encode() for number in range(100))

# What the folder for `static` holds: name and size in bytes.
STATIC_FILES = {"1k.bin": 1024, "1m.bin": 2**20}
STATIC_FOLDER_VARIABLE = "BENCHMARKS_STATIC_FOLDER"


@dataclass(frozen=True)
class Workload:
    """One request and the answer it must get; or a WebSocket that echoes messages.

    A workload with `route_count` runs on an application of that many routes; `middlewares` on one with five middlewares
    that pass everything through; any other on one that has its own route only.

    `body` and `answer` are text, or bytes that are never varied. `pieces` is the number of messages that have to carry
    the answer, where that is what is measured.

    A workload with `messages` opens a WebSocket, and `body` is what is sent and expected back so many times, as text or
    binary by its type. Over the socket it runs until time is up, on so many `connections`.
    """

    name: str
    title: str
    path: str
    answer: str | bytes
    method: str = "GET"
    query: str = ""
    body: str | bytes = ""
    content_type: str = ""
    answer_type: str = "text/plain"
    pieces: int = 0
    messages: int = 0
    connections: int = CONNECTIONS
    route_count: int = 0
    shared_prefix: bool = False

    @property
    def app_key(self) -> str:
        """Workloads with the same key run on the same application."""
        if self.route_count:
            return f"{self.route_count}-{'shared' if self.shared_prefix else 'distinct'}"
        return self.name

    @property
    def varies(self) -> bool:
        return "$n" in self.path + self.query + (self.body if isinstance(self.body, str) else "")

    def templates(self) -> list[str]:
        """The route templates of a workload that has `route_count`."""
        template = SHARED_PREFIX if self.shared_prefix else DISTINCT_PREFIX
        return [template.format(index=index) for index in range(self.route_count)]

    def target(self, number: int) -> str:
        """The request target: path and query."""
        target = self.path + ("?" + self.query if self.query else "")
        return target.replace("$n", str(number))

    def body_bytes(self, number: int) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.replace("$n", str(number)).encode()

    def message(self, number: int) -> str | bytes:
        """What is sent over a WebSocket as its message of that number, and expected back."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.replace("$n", f"{number % 100_000:05}")

    @property
    def distinct_bodies(self) -> int:
        return DISTINCT_REQUESTS if isinstance(self.body, str) and "$n" in self.body else 1

    def check(self, number: int, status: int, content_type: str, body: bytes) -> None:
        """Raises `AssertionError` unless this is the right answer to request `number`."""
        assert status == 200, f"{self.name}: status {status}, {body[:200]!r}"
        assert content_type.startswith(self.answer_type), f"{self.name}: content type {content_type!r}"
        if isinstance(self.answer, bytes):
            # Too long to print.
            assert body == self.answer, f"{self.name}: {len(body)} bytes, not the {len(self.answer)} expected"
            return
        expected = self.answer.replace("$n", str(number))
        if self.answer_type == JSON:
            assert json.loads(body) == json.loads(expected), f"{self.name}: {body[:200]!r}, not {expected!r}"
        else:
            assert body.decode() == expected, f"{self.name}: {body[:200]!r}, not {expected!r}"


def route_workload(count: int, shared_prefix: bool, last: bool) -> Workload:
    """One of `count` routes, with distinct prefixes or with one shared by all, asking for the first or the last."""
    index = count - 1 if last else 0
    prefix = "shared" if shared_prefix else "distinct"
    position = "last" if last else "first"
    return Workload(
        name=f"{prefix}-{count}-{position}",
        title=f"{position} of {count:,} routes, {prefix} prefix{'' if shared_prefix else 'es'}",
        path=f"/acme/resource{index}/$n" if shared_prefix else f"/resource{index}/$n",
        answer="$n",
        route_count=count,
        shared_prefix=shared_prefix,
    )


ECHO = '{"id":$n,"name":"Ada Lovelace","email":"ada@example.org","tags":["analyst","engine"],"active":true}'

WORKLOADS: tuple[Workload, ...] = (
    Workload("text", "plain text", "/", GREETING),
    Workload("json", "JSON out", "/json", json.dumps({"message": GREETING}), answer_type=JSON),
    Workload("params", "two path parameters", "/users/$n/posts/intro-$n", "$n intro-$n"),
    Workload("query", "two query parameters", "/search", "word$n 2", query="q=word$n&page=2"),
    Workload(
        "json-echo",
        "JSON in and out",
        "/echo",
        ECHO,
        method="POST",
        body=ECHO,
        content_type=JSON,
        answer_type=JSON,
    ),
    Workload("middlewares", "five middlewares", "/", GREETING),
    *(
        route_workload(count, shared_prefix, last)
        for count in (1_000, 10_000)
        for shared_prefix in (False, True)
        for last in (False, True)
    ),
    Workload(
        "form",
        "form of ten fields",
        "/form",
        "Ada Lovelace ada@example.org A note on number $n",
        method="POST",
        body=FORM,
        content_type="application/x-www-form-urlencoded",
    ),
    Workload(
        "upload",
        "upload of 256 KiB",
        "/upload",
        f"naples.raw {UPLOAD_SIZE} A view of Naples, Italy",
        method="POST",
        body=UPLOAD,
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
    ),
    Workload("stream", "stream of 100 chunks", "/stream", b"".join(STREAM), pieces=len(STREAM)),
    *(
        Workload(f"static-{size}", f"file of {title}", f"/static/{size}.bin", BINARY[:length], answer_type=BINARY_TYPE)
        for size, title, length in (("1k", "1 KiB", 1024), ("1m", "1 MiB", 2**20))
    ),
    Workload("ws-text", "WebSocket, text", "/chat", "", body=CHAT, messages=1000),
    Workload("ws-text-one", "WebSocket, text, one connection", "/chat", "", body=CHAT, messages=1000, connections=1),
    Workload("ws-binary", "WebSocket, 16 KiB", "/blobs", "", body=BINARY[:BLOB_SIZE], messages=1000),
    Workload(
        "ws-binary-one",
        "WebSocket, 16 KiB, one connection",
        "/blobs",
        "",
        body=BINARY[:BLOB_SIZE],
        messages=1000,
        connections=1,
    ),
    Workload("ws-open", "WebSocket opened, one text, closed", "/chat", "", body=CHAT, messages=1),
    Workload("ws-idle", "idle WebSocket", "/chat", "", body=CHAT, messages=1, connections=2000),
)

SERVED = (
    *("text", "json", "params", "json-echo", "form", "upload", "stream", "static-1k", "static-1m"),
    *("ws-text", "ws-text-one", "ws-binary", "ws-binary-one"),
)
# What is nothing else in-process than a workload before it, or not measured by its time.
NOT_IN_PROCESS = ("ws-text-one", "ws-binary-one", "ws-idle")
IDLE = "ws-idle"


def has_static(names: Sequence[str]) -> bool:
    """Whether an application with these workloads serves the static folder."""
    return any(name.startswith("static-") for name in names)


@contextlib.contextmanager
def static_files() -> Iterator[Path]:
    """A folder with the files of the `static` workloads, which every process started meanwhile finds."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        for name, size in STATIC_FILES.items():
            (Path(folder) / name).write_bytes(BINARY[:size])
        os.environ[STATIC_FOLDER_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[STATIC_FOLDER_VARIABLE]


def static_folder() -> Path:
    """Where an application finds its static files; made for the life of this process where nobody has."""
    if STATIC_FOLDER_VARIABLE not in os.environ:
        stack = contextlib.ExitStack()
        atexit.register(stack.close)
        stack.enter_context(static_files())
    return Path(os.environ[STATIC_FOLDER_VARIABLE])


def find(name: str) -> Workload:
    """The workload of that name, route workloads of any count (`shared-10-last`) included."""
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    prefix, _, rest = name.partition("-")
    count, _, position = rest.partition("-")
    if prefix in ("distinct", "shared") and count.isdecimal() and position in ("first", "last"):
        return route_workload(int(count), prefix == "shared", position == "last")
    raise SystemExit(f"no workload {name!r}; there are: {', '.join(workload.name for workload in WORKLOADS)}")


def select(names: Sequence[str]) -> list[Workload]:
    """The workloads of these names; the first words of a name (`shared-1000`) stand for all that have them."""
    if not names:
        return list(WORKLOADS)
    chosen: list[Workload] = []
    for name in names:
        exact = [workload for workload in WORKLOADS if workload.name == name]
        found = exact or [workload for workload in WORKLOADS if workload.name.startswith(f"{name}-")] or [find(name)]
        chosen += [workload for workload in found if workload not in chosen]
    return chosen
