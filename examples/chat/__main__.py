"""python -m examples.chat: the chat in one process."""

from __future__ import annotations

import argparse
import os

from examples.chat import broker_for, make_app
from framework import web

parser = argparse.ArgumentParser(prog="python -m examples.chat", description="A chat over WebSockets.")
parser.add_argument("--host", default="localhost", help="the address to listen on (default: %(default)s)")
parser.add_argument("--port", type=int, default=8080, help="the port to listen on (default: %(default)s)")
parser.add_argument(
    "--redis",
    metavar="URL",
    default=os.environ.get("REDIS_URL"),
    help="share the rooms with other processes: redis://localhost:6379 (default: the variable REDIS_URL)",
)

if __name__ == "__main__":
    arguments = parser.parse_args()
    web.run_app(make_app(broker_for(arguments.redis)), host=arguments.host, port=arguments.port)
