"""Who is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

OURS = "framework"
RAW = "raw"
AIOHTTP = "aiohttp"


@dataclass(frozen=True)
class Peer:
    """A framework, the module that holds its applications, and the distributions whose versions matter."""

    name: str
    title: str
    distributions: tuple[str, ...] = ()
    # The beginning of a workload's name, and why there is none.
    missing: tuple[str, str] = ("", "")
    # The beginning of the names of all workloads that it is there for.
    only: str = ""

    @property
    def module(self) -> str:
        return f"benchmarks.apps.{self.name.partition('-')[0]}_app"

    def lacks(self, workload: str) -> str:
        """Why the framework is not measured by this workload; empty where it is."""
        prefix, reason = self.missing
        return reason if prefix and workload.startswith(prefix) else ""

    def versions(self) -> dict[str, str]:
        found = {}
        for distribution in self.distributions:
            try:
                found[distribution] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                found[distribution] = "not installed"
        return found


PEERS: tuple[Peer, ...] = (
    Peer(RAW, "raw ASGI"),
    Peer(OURS, "framework", ("asgi-framework", "multidict", "yarl", "msgspec", "multipart")),
    Peer("blacksheep", "BlackSheep", ("blacksheep",)),
    Peer("falcon", "Falcon", ("falcon",)),
    Peer("muffin", "Muffin", ("muffin", "asgi-tools", "http-router", "aiofile")),
    Peer("micropie", "MicroPie", ("micropie", "multipart"), missing=("static-", "MicroPie serves no files by itself")),
    Peer("starlette", "Starlette", ("starlette", "python-multipart")),
    Peer("litestar", "Litestar", ("litestar",)),
    Peer("fastapi", "FastAPI", ("fastapi", "pydantic")),
)

# Not ASGI applications: they are in the served table only, on aiohttp's own server. It sends files by sendfile() where
# the event loop can: asyncio's does, uvloop does not.
AIOHTTP_PEER = Peer(AIOHTTP, "aiohttp", ("aiohttp",))
AIOHTTP_SENDFILE = Peer(f"{AIOHTTP}-asyncio", "aiohttp sendfile", only="static-")
AIOHTTP_PEERS = (AIOHTTP_PEER, AIOHTTP_SENDFILE)

SERVER_DISTRIBUTIONS = ("uvicorn", "httptools", "uvloop", "granian", "orjson")


def select(names: Sequence[str]) -> list[Peer]:
    """The peers of these names, in the tables' order; none means all."""
    known = {peer.name for peer in PEERS}
    for name in names:
        if name not in known and name != AIOHTTP:
            raise SystemExit(f"no peer {name!r}; there are: {', '.join([*known, AIOHTTP])}")
    return [peer for peer in PEERS if not names or peer.name in names]
