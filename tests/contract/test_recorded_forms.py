"""Forms as Chromium and curl sent them (recorded/, made by `record_forms`), read on both sides."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.contract.backends import Backend
from tests.contract.multiparts import Upload, form_items, in_pieces, keep, refusal, submit

RECORDED = Path(__file__).parent / "recorded"
FORMS: dict[str, list[dict[str, str]]] = json.loads((RECORDED / "forms.json").read_text(encoding="utf-8"))

#: Recordings that do not give back the form they were made of, each with a test of its own.
ODD = {"chromium-latin-1", "curl-nested", "curl-fields-escaped", "curl-files-escaped", "curl-headers", "curl-type"}


class Recording(NamedTuple):
    content_type: str
    body: bytes


def recorded(name: str) -> Recording:
    head, _, body = (RECORDED / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    return Recording(head.decode("latin-1").removeprefix("Content-Type: "), body)


async def replay(backend: Backend, name: str, look: Any = form_items, piece: int = 0) -> Any:
    """What `look` sees of the recorded request, sent in pieces of `piece` bytes or at once."""
    content_type, body = recorded(name)
    content = in_pieces(body, piece) if piece else body
    return await submit(backend, look, content, headers={"Content-Type": content_type})


def sent_name(client: str, name: str, *, is_field: bool) -> str:
    """The name as it arrives. Clients escape by percent what would end the name, and nobody can tell that from a name
    that has percent signs; a backslash goes out as it is and is read as one half of a quoted pair.
    """
    line_break = "%0D%0A" if client == "chromium" and is_field else "%0A"
    return name.replace('"', "%22").replace("\n", line_break).replace("\\", "")


def sent_value(client: str, value: str) -> str:
    """The value as it arrives: browsers send every line break as CR LF, curl sends what it is given."""
    return value.replace("\r\n", "\n").replace("\n", "\r\n") if client == "chromium" else value


def expected(name: str) -> list[tuple[str, Any]]:
    """The form `name` was made of: for a file, its name and its content."""
    client = name.partition("-")[0]
    items: list[tuple[str, Any]] = []
    for entry in FORMS[name]:
        if "urlencoded" in name:
            items.append((entry["name"].replace("\n", "\r\n"), sent_value(client, entry["value"])))
        elif "filename" not in entry:
            items.append((sent_name(client, entry["name"], is_field=True), sent_value(client, entry["value"])))
        elif not entry["filename"]:
            items.append((entry["name"], bytearray()))  # a file input without a file
        else:
            filename = sent_name(client, entry["filename"], is_field=False)
            items.append((entry["name"], (filename, base64.b64decode(entry["content_base64"]))))
    return items


def without_content_types(items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(name, (value[0], value[2]) if isinstance(value, Upload) else value) for name, value in items]


@pytest.mark.parametrize("name", sorted(FORMS.keys() - ODD))
@pytest.mark.parametrize("piece", [0, 97], ids=["whole", "in pieces"])
async def test_form(backend: Backend, name: str, piece: int) -> None:
    items = await replay(backend, name, piece=piece)
    assert without_content_types(items) == expected(name)


async def test_types_of_files_by_chromium(backend: Backend) -> None:
    items = await replay(backend, "chromium-files")
    types = {value.filename: value.content_type for _, value in items if isinstance(value, Upload)}
    assert types["plain.txt"] == "text/plain"
    assert types["lines.csv"] == "text/csv"
    assert types["page.html"] == "text/html"
    assert types["no extension"] == "application/octet-stream"


async def test_blobs_by_fetch(backend: Backend) -> None:
    assert await replay(backend, "chromium-fetch") == [
        ("note", "by fetch\r\nin lines"),
        ("blob", Upload("blob", "text/x-note; charset=utf-8", b"without a name")),
        ("json", Upload("größe.json", "application/json", b'{"a": 1}')),
    ]


async def test_form_in_latin_1_by_chromium(backend: Backend) -> None:
    """The browser names its charset in the last field, which is too late, and encodes the names by it too."""
    with pytest.raises(UnicodeDecodeError):
        await replay(backend, "chromium-latin-1")


async def test_parts_in_latin_1_by_chromium(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        first = await reader.next()
        return first.name, await first.text(encoding="windows-1252"), await (await reader.next()).text()

    assert await replay(backend, "chromium-latin-1", look) == ("gr\udcf6\udcdfe", "naïve", "&#9731;")


async def test_nested_files_by_curl(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        reader = await request.multipart()
        nested = await reader.next()
        files = [(part.filename, await part.read(decode=True)) async for part in nested]
        return nested.headers["Content-Disposition"], files, await reader.next()

    disposition, files, end = await replay(backend, "curl-nested", look)
    assert (disposition, end) == ('form-data; name="files"', None)
    assert files == [value for _, value in expected("curl-nested")]


async def test_nested_files_by_curl_are_no_form(backend: Backend) -> None:
    with pytest.raises(ValueError, match="nested multipart"):
        await replay(backend, "curl-nested")


@pytest.mark.parametrize("name", ["curl-fields-escaped", "curl-files-escaped"])
async def test_line_break_in_a_name_by_curl(backend: Backend, name: str) -> None:
    """`curl --form-escape` escapes by backslash, and sends a line break as it is, in the middle of the header."""

    async def look(request: Any) -> Any:
        reader = await request.multipart()
        found = []
        with refusal(backend):
            while (part := await reader.next()) is not None:
                found.append(part.filename or part.name)
        return found

    found = await replay(backend, name, look)
    assert {'qu"ote', "back\\slash"} <= {name.removesuffix(".txt") for name in found}


async def test_headers_and_filename_by_curl(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        upload = (await request.post())["file"]
        return upload.headers["X-Part"], keep(upload)

    name = "größe %221%22.txt"
    upload = Upload(name, "text/plain; charset=iso-8859-1", b"plain text\n")
    assert await replay(backend, "curl-headers", look) == ("7", upload)


async def test_json_by_curl(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        part = await (await request.multipart()).next()
        return part.name, part.headers["Content-Type"], await part.json()

    assert await replay(backend, "curl-type", look) == ("json", "application/json", {"a": 1})
    assert await replay(backend, "curl-type") == [("json", b'{"a": 1}')]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "binary", "8bit"])
async def test_encoded_parts_by_curl(backend: Backend, encoding: str) -> None:
    async def look(request: Any) -> Any:
        return [part async for part in read(await request.multipart())]

    async def read(reader: Any) -> Any:
        async for part in reader:
            yield part.name, part.headers["Content-Transfer-Encoding"], await part.text()

    assert await replay(backend, f"curl-encoded-{encoding}", look) == [
        ("note", encoding, "naïve = ☃"),
        ("file", encoding, "naïve ☃\n"),
    ]


async def test_file_by_chromium_in_chunks(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        part = await (await request.multipart()).next()
        chunks = []
        while chunk := await part.read_chunk(64):
            chunks.append(chunk)
        return part.filename, b"".join(chunks)

    assert await replay(backend, "chromium-file", look, piece=33) == ("plain.txt", b"plain text\n")
