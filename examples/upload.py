"""An upload page: several files at once, with their progress, stored while they arrive.

python examples/upload.py uploads

Open http://localhost:8080/. Without JavaScript the page sends the same form to /form, which takes it whole.

curl http://localhost:8080/upload -F files=@README.md -F files=@LICENSE
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

from framework import web
from framework.multipart import BodyPartReader

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Upload</title>
<form id="form" action="/form" method="post" enctype="multipart/form-data">
<input type="file" name="files" multiple required> <button>Upload</button>
</form>
<progress id="progress" value="0" max="1" hidden></progress>
<p id="state"></p>
<ul id="stored"></ul>
<script>
const element = (id) => document.getElementById(id);
element("form").onsubmit = (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    request.open("POST", "/upload");
    request.responseType = "json";
    // fetch() cannot tell how much of a request was sent.
    request.upload.onprogress = ({loaded, total}) => {
        element("progress").value = loaded / total;
        element("state").textContent = `${loaded} of ${total} bytes`;
    };
    request.onload = () => {
        element("state").textContent = request.status === 200 ? "stored" : `refused (${request.status})`;
        for (const {name, size} of request.response ?? []) {
            const item = document.createElement("li");
            item.textContent = `${name}: ${size} bytes`;
            element("stored").append(item);
        }
    };
    request.onerror = () => { element("state").textContent = "the connection broke"; };
    element("progress").hidden = false;
    element("state").textContent = "";
    element("stored").replaceChildren();
    request.send(new FormData(event.target));
};
</script>
</html>
"""

FOLDER = web.AppKey("folder", Path)

#: Bytes of a single file. What is streamed counts towards no other limit.
LARGEST_FILE = 2**30

routes = web.RouteTableDef()


@routes.get("/")
async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


@routes.post("/upload")
async def upload(request: web.Request) -> web.Response:
    """Store each file while it arrives: a piece of it is in memory at a time, whatever its size."""
    stored = []
    async for part in await request.multipart():
        # A browser sends a file without a name where none was chosen.
        if isinstance(part, BodyPartReader) and part.name == "files" and part.filename:
            path, size = await store(part, request.app[FOLDER])
            stored.append({"name": path.name, "size": size})
    return web.json_response(stored)


async def store(part: BodyPartReader, folder: Path) -> tuple[Path, int]:
    path, file = await asyncio.to_thread(create, folder, part.safe_filename or "unnamed")
    size = 0
    try:
        with file:
            while chunk := await part.read_chunk(2**16):
                size += len(chunk)
                if size > LARGEST_FILE:
                    raise web.HTTPRequestEntityTooLarge(LARGEST_FILE, size)
                # A disk can be slow, and the loop serves others meanwhile.
                await asyncio.to_thread(file.write, chunk)
    except BaseException:
        # Also when the client leaves: half a file is none.
        path.unlink(missing_ok=True)
        raise
    return path, size


def create(folder: Path, name: str) -> tuple[Path, BinaryIO]:
    """A new file in `folder`, its name numbered where the folder has one of that name."""
    path = folder / name
    for number in itertools.count(1):
        try:
            return path, path.open("xb")
        except FileExistsError:
            path = folder / f"{Path(name).stem[:40]}-{number}{Path(name).suffix[:10]}"
    raise AssertionError("unreachable")


@routes.post("/form", client_max_size=2**26)
async def form(request: web.Request) -> web.Response:
    """Take the form whole, up to the limit of the route; large files wait in temporary ones meanwhile."""
    folder = request.app[FOLDER]
    for field in (await request.post()).getall("files", []):
        if isinstance(field, web.FileField) and field.filename:
            await asyncio.to_thread(copy, field, folder)
    raise web.HTTPSeeOther("/")


def copy(field: web.FileField, folder: Path) -> None:
    _, file = create(folder, field.safe_filename)
    with file:
        shutil.copyfileobj(field.file, file)


def make_app(folder: Path) -> web.Application:
    folder.mkdir(parents=True, exist_ok=True)
    app = web.Application()
    app[FOLDER] = folder
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app(Path(sys.argv[1] if len(sys.argv) > 1 else "uploads")))
