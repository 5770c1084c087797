"""Records how Chromium and curl send forms: writes the files in recorded/, which contract tests replay.

python -m tests.contract.record_forms

Each recording is the request's Content-Type header, an empty line, and the body as it went over the wire. `forms.json`
says what was entered into each form before the client encoded it. The boundaries are the clients' own and change with
each run, so record again only for a client that encodes otherwise.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.chromium import Page, browser, find_chromium

RECORDED = Path(__file__).parent / "recorded"

Entry = dict[str, str]

FIELDS: list[Entry] = [
    {"name": "plain", "value": "text"},
    {"name": "empty", "value": ""},
    {"name": "again", "value": "first"},
    {"name": "again", "value": "second"},
    {"name": "lines", "value": "one\ntwo\r\nthree\n"},
    {"name": "beyond ascii", "value": "naïve ☃ 😀"},
    {"name": "größe", "value": "non-ASCII name"},
    {"name": 'qu"ote', "value": "quote in the name"},
    {"name": "back\\slash", "value": "backslash in the name"},
    {"name": "semi;colon=equals", "value": "separators in the name"},
    {"name": "new\nline", "value": "newline in the name"},
    {"name": "percent%22", "value": "what looks escaped already"},
    {"name": "dashes", "value": "--\r\n--boundary--"},
]

FILES: dict[str, bytes] = {
    "plain.txt": b"plain text\n",
    "empty.txt": b"",
    "octets.bin": bytes(range(256)) * 8,
    "lines.csv": b"a,b\r\n\r\n--\r\n--x--\r\n1,2\n",
    "snow ☃ größe 😀.txt": "naïve ☃\n".encode(),
    'qu"ote.txt': b"quote in the name",
    "back\\slash.txt": b"backslash in the name",
    "new\nline.txt": b"newline in the name",
    "semi;colon=equals.txt": b"separators in the name",
    "percent%22.txt": b"what looks escaped already",
    "no extension": b"\x89PNG\r\n\x1a\n",
    "page.html": b"<!doctype html><title>page</title>",
}


@dataclass(frozen=True, slots=True)
class Recording:
    content_type: str
    body: bytes


class Recorder:
    """A server that gives out one page and keeps what is posted to it."""

    def __init__(self) -> None:
        self.page = ""
        self._posted: asyncio.Queue[Recording] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:  # a connection that the browser opened ahead of need
            writer.close()
            return
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if head[0].startswith("POST"):
            body = await _read_body(reader, headers)
            self._posted.put_nowait(Recording(headers["content-type"], body))
            page = b"<!doctype html><title>recorded</title>"
        else:
            page = self.page.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(page), page))
        writer.close()

    async def posted(self) -> Recording:
        return await asyncio.wait_for(self._posted.get(), 30)


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    pieces = []
    while size := int(await reader.readline(), 16):  # RFC 9112, section 7.1
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(pieces)


def held(entries: list[Entry], files: dict[str, list[Path]] | None = None) -> list[Entry]:
    """What a form held, for `forms.json`."""
    held = list(entries)
    for name, paths in (files or {}).items():
        for path in paths:
            content = base64.b64encode(path.read_bytes()).decode("ascii")
            held.append({"name": name, "filename": path.name, "content_base64": content})
    return held


def form(entries: list[Entry], attributes: str = 'enctype="multipart/form-data"', more: str = "") -> str:
    """A page with a form. Browsers take line breaks out of an <input>, but not out of a <textarea>."""
    controls = "".join(
        # The first line break after the tag is the tag's own.
        f'<textarea name="{html.escape(entry["name"])}">\n{html.escape(entry["value"])}</textarea>'
        for entry in entries
    )
    return f'<!doctype html><meta charset="utf-8"><form method="post" {attributes}>{controls}{more}</form>'


async def record_chromium(recorder: Recorder, url: str, files: list[Path], note: Callable[..., None]) -> None:
    chromium = find_chromium()
    if chromium is None:
        sys.exit("No Chromium is installed")
    submit = "document.forms[0].requestSubmit()"

    async def record(page: Page, name: str, content: str, entries: list[Entry], action: str, **inputs: Any) -> None:
        recorder.page = content
        await page.go(url)
        for field, paths in inputs.items():
            await page.choose_files(f"[name={field}]", paths)
        await page.evaluate(action)
        note(f"chromium-{name}", await recorder.posted(), held(entries, inputs))

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with browser(chromium, Path(profile)) as page:
            await record(page, "fields", form(FIELDS), FIELDS, submit)
            await record(page, "urlencoded", form(FIELDS, ""), FIELDS, submit)
            latin = [{"name": "größe", "value": "naïve"}, {"name": "snow", "value": "☃"}]
            charset = 'accept-charset="iso-8859-1" enctype="multipart/form-data"'
            hidden = '<input type="hidden" name="_charset_">'
            noted = [*latin, {"name": "_charset_", "value": "windows-1252"}]
            await record(page, "latin-1", form(latin, charset, hidden), noted, submit)

            control = '<input type="file" name="{}" {}>'
            await record(page, "file", form([], more=control.format("file", "")), [], submit, file=files[:1])
            nothing = [{"name": "file", "filename": "", "content_base64": ""}]
            await record(page, "no-file", form([], more=control.format("file", "")), nothing, submit)
            several = form(FIELDS[:2], more=control.format("files", "multiple") + control.format("photo", ""))
            await record(page, "files", several, FIELDS[:2], submit, files=files, photo=files[2:3])
            script = """(async () => {
                const data = new FormData();
                data.append('note', 'by fetch\\nin lines');
                data.append('blob', new Blob(['without a name'], {type: 'text/x-note; charset=utf-8'}));
                data.append('json', new Blob(['{"a": 1}'], {type: 'application/json'}), 'größe.json');
                await fetch('', {method: 'POST', body: data});
            })()"""
            noted = [{"name": "note", "value": "by fetch\nin lines"}] + [
                {"name": name, "filename": filename, "content_base64": base64.b64encode(content).decode("ascii")}
                for name, filename, content in (
                    ("blob", "blob", b"without a name"),
                    ("json", "größe.json", b'{"a": 1}'),
                )
            ]
            await record(page, "fetch", form([]), noted, script)
            await record(page, "nothing", form([]), [], submit)


async def record_curl(recorder: Recorder, url: str, files: list[Path], note: Callable[..., None]) -> None:
    async def record(name: str, entries: list[Entry], *arguments: str, **inputs: list[Path]) -> None:
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null", *arguments, url
        )
        posted = await recorder.posted()
        if await process.wait():
            sys.exit(f"curl {name}: {process.returncode}")
        note(f"curl-{name}", posted, held(entries, inputs))

    def quoted(path: Path) -> str:
        return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'

    # curl takes the name to end at the first equals sign.
    simple = [entry for entry in FIELDS if "=" not in entry["name"]]
    strings = [part for entry in simple for part in ("--form-string", f"{entry['name']}={entry['value']}")]
    await record("fields", simple, *strings)
    await record("fields-escaped", simple, "--form-escape", *strings)
    each = [part for path in files for part in ("--form", f"files=@{quoted(path)}")]
    await record("files", [], *each, files=files)
    await record("files-escaped", [], "--form-escape", *each, files=files)
    # Several files in one field are a multipart/mixed of their own to curl, as RFC 2388 had it.
    three = files[:3]
    await record("nested", [], "--form", "files=@" + ",".join(map(quoted, three)), files=three)
    text = files[4]
    for encoding in ("base64", "quoted-printable", "binary", "8bit"):
        value = "naïve = ☃"
        encoded = [f"note={value};encoder={encoding}", f"file=@{quoted(text)};encoder={encoding}"]
        arguments = [part for argument in encoded for part in ("--form", argument)]
        await record(f"encoded-{encoding}", [{"name": "note", "value": value}], *arguments, file=[text])
    parts = f"file=@{quoted(files[0])}", "type=text/plain; charset=iso-8859-1", 'filename="größe \\"1\\".txt"'
    await record("headers", [], "--form", ";".join(parts) + ';headers="X-Part: 7"', file=files[:1])
    await record("type", [{"name": "json", "value": '{"a": 1}'}], "--form", 'json="{\\"a\\": 1}";type=application/json')
    await record(
        "urlencoded", FIELDS[:7], *(p for e in FIELDS[:7] for p in ("--data-urlencode", f"{e['name']}={e['value']}"))
    )


async def main() -> None:
    forms: dict[str, list[Entry]] = {}
    RECORDED.mkdir(exist_ok=True)

    def note(name: str, recording: Recording, entries: list[Entry]) -> None:
        head = f"Content-Type: {recording.content_type}\r\n\r\n".encode("latin-1")
        (RECORDED / f"{name}.http").write_bytes(head + recording.body)
        forms[name] = entries

    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in FILES]
        for file in files:
            file.write_bytes(FILES[file.name])
        async with server:
            await record_chromium(recorder, url, files, note)
            await record_curl(recorder, url, files, note)
    text = json.dumps(forms, ensure_ascii=False, indent=1)
    (RECORDED / "forms.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
