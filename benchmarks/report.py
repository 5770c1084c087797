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


def fastest_peer(row: Mapping[str, float | None], *, most: bool) -> str | None:
    """The name of the best of those that are neither raw nor ours; `most` if more is better."""
    rivals = {name: value for name, value in row.items() if value and name not in (peers.RAW, peers.OURS)}
    if not rivals:
        return None
    return (max if most else min)(rivals, key=lambda name: rivals[name])


def table(figures: Mapping[str, Mapping[str, float | None]], *, decimals: int, most: bool) -> str:
    """A row per workload: every framework's figure, then ours in relation to raw ASGI and to the fastest peer."""
    names = list(dict.fromkeys(name for row in figures.values() for name in row))
    rows = [["", *titles(names).values(), "ours/raw", "ours/fastest peer", ""]]
    for workload, row in figures.items():
        cells = [f"{row[name]:,.{decimals}f}" if row.get(name) else "-" for name in names]
        fastest = fastest_peer(row, most=most)
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
    if figures := results.get("in_process"):
        how = results["in_process_settings"]
        parts.append(
            f"In-process, µs per request, less is better (best of {how['rounds']} rounds of {how['seconds']:g} s, "
            f"{how['loop']})\n\n" + table(figures, decimals=2, most=False)
        )
    for server, figures in results.get("served", {}).items():
        how = results["served_settings"]
        parts.append(
            f"Served by {server}, requests per second, more is better (best of {how['rounds']} rounds of "
            f"{how['seconds']:g} s, {how['connections']} connections, {about['load_generator']})\n\n"
            + table(figures, decimals=0, most=True)
        )
        used = results["served_cpu"][server]
        if any(value for row in used.values() for value in row.values()):
            parts.append(
                f"Served by {server}, µs of processor time per request in server and framework, less is better\n\n"
                + table(used, decimals=1, most=False)
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
