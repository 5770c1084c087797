"""A file server: a folder with its index, videos that can be sought in, and downloads.

python examples/file_server.py [folder]

Open http://localhost:8080/. A browser plays and shows what it can; with ?download behind its name a file is saved.

curl -i http://localhost:8080/README.md -H 'Range: bytes=0-99'
curl -OJ 'http://localhost:8080/README.md?download'
"""

from __future__ import annotations

import sys
from pathlib import Path

from framework import web


async def offer_download(request: web.Request, response: web.StreamResponse) -> None:
    if "download" in request.query and response.status in {200, 206}:
        # Without a name of its own: the browser takes the last part of the path.
        response.headers["Content-Disposition"] = "attachment"


def make_app(folder: Path) -> web.Application:
    app = web.Application()
    # Conditional requests, ranges and HEAD are answered by the resource itself; nothing outside the folder is served.
    app.router.add_static("/", folder, show_index=True)
    app.on_response_prepare.append(offer_download)
    return app


if __name__ == "__main__":
    web.run_app(make_app(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
