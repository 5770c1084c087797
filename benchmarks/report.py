"""The figures as text for people and as JSON for the plot."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import load, peers, workloads

# By workload and peer.
Figures = Mapping[str, Mapping[str, float | None]]

RESULTS = Path(__file__).parent / "results"


def environment() -> dict[str, Any]:
    versions: dict[str, str] = {}
    for peer in (*peers.PEERS, *peers.AIOHTTP_PEERS, peers.Peer("servers", "servers", peers.SERVER_DISTRIBUTIONS)):
        versions |= peer.versions()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load_generator": "wrk" if load.have_wrk() else "benchmarks.load",
        "versions": versions,
    }


def titles(names: Sequence[str]) -> dict[str, str]:
    known = {peer.name: peer.title for peer in (*peers.PEERS, *peers.AIOHTTP_PEERS)}
    return {name: known[name] for name in names}


def ratio(value: float | None, base: float | None) -> str:
    if not value or not base:
        return "-"
    return f"{value / base:.2f}" if value / base >= 0.1 else f"{value / base:.2g}"


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *rest = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def fastest_peer(row: Mapping[str, float | None], *, most: bool, asgi: bool = False) -> str | None:
    """The name of the best of those that are neither raw nor ours; `most` if more is better, `asgi` without aiohttp."""
    others = (peers.RAW, peers.OURS, *(peer.name for peer in peers.AIOHTTP_PEERS if asgi))
    rivals = {name: value for name, value in row.items() if value and name not in others}
    if not rivals:
        return None
    return (max if most else min)(rivals, key=lambda name: rivals[name])


def by_unit(figures: Figures) -> list[tuple[str, Figures]]:
    """The rows of requests and the rows of WebSockets' messages, which are no requests, with the name of the unit."""
    parts: dict[str, dict[str, Mapping[str, float | None]]] = {"request": {}, "message": {}}
    for name, row in figures.items():
        parts["message" if workloads.find(name).messages else "request"][name] = row
    return [(unit, part) for unit, part in parts.items() if part]


def table(figures: Figures, *, decimals: int, most: bool, asgi: bool = False) -> str:
    """A row per workload: every framework's figure, then ours in relation to raw ASGI and to the fastest peer.

    With `asgi` aiohttp, which has a server of its own, is no peer.
    """
    names = list(dict.fromkeys(name for row in figures.values() for name in row))
    rows = [["", *titles(names).values(), "ours/raw", f"ours/fastest {'ASGI ' if asgi else ''}peer", ""]]
    for workload, row in figures.items():
        cells = [f"{row[name]:,.{decimals}f}" if row.get(name) else "-" for name in names]
        fastest = fastest_peer(row, most=most, asgi=asgi)
        ours = row.get(peers.OURS)
        rows.append(
            [
                workloads.find(workload).title,
                *cells,
                ratio(ours, row.get(peers.RAW)),
                ratio(ours, row.get(fastest) if fastest else None),
                titles([fastest])[fastest] if fastest and ours else "",
            ]
        )
    return grid(rows)


def text(results: Mapping[str, Any]) -> str:
    """Everything, as it goes into latest.txt."""
    about = results["environment"]
    parts = [f"{about['date']}, {about['python']}, {about['system']}"]
    if found := results.get("in_process"):
        how = results["in_process_settings"]
        for unit, figures in by_unit(found):
            parts.append(
                f"In-process, µs per {unit}, less is better (best of {how['rounds']} rounds of {how['seconds']:g} s, "
                f"{how['loop']})\n\n" + table(figures, decimals=2, most=False)
            )
    for server, found in results.get("served", {}).items():
        how = results["served_settings"]
        for unit, figures in by_unit(found):
            generator = "benchmarks.websocket_load" if unit == "message" else about["load_generator"]
            parts.append(
                f"Served by {server}, {unit}s per second, more is better (best of {how['rounds']} rounds of "
                f"{how['seconds']:g} s, {how['connections']} connections, {generator})\n\n"
                + table(figures, decimals=0, most=True, asgi=unit == "message")
            )
        for unit, figures in by_unit(results["served_cpu"][server]):
            if any(value for row in figures.values() for value in row.values()):
                parts.append(
                    f"Served by {server}, µs of processor time per {unit} in server and framework, less is better\n\n"
                    + table(figures, decimals=1, most=False, asgi=unit == "message")
                )
    if figures := results.get("idle"):
        count = workloads.find(workloads.IDLE).connections
        parts.append(
            f"KiB of memory per idle WebSocket, less is better ({count:,} of them, on uvicorn)\n\n"
            + table(figures, decimals=1, most=False, asgi=True)
        )
    if notes := results.get("notes"):
        parts.append("Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    parts.append(", ".join(f"{name} {version}" for name, version in about["versions"].items()))
    return "\n\n".join(parts) + "\n"


def write(results: Mapping[str, Any], folder: Path = RESULTS) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "latest.txt").write_text(text(results), encoding="utf-8")


if __name__ == "__main__":
    # `python -m benchmarks.report` prints the tables of the last run again.
    sys.stdout.write(text(json.loads((RESULTS / "latest.json").read_text(encoding="utf-8"))))
