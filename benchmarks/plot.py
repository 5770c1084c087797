"""The figures as bars: `python -m benchmarks.plot` draws results/latest.svg from results/latest.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import peers, workloads
from benchmarks.report import RESULTS, titles

COLOURS = {
    "raw": "#bbbbbb",
    "framework": "#d62728",
    "blacksheep": "#1f3b6f",
    "falcon": "#2f6db3",
    "muffin": "#5ba3d0",
    "micropie": "#9ecae1",
    "starlette": "#1b7837",
    "litestar": "#5aae61",
    "fastapi": "#a6dba0",
    "aiohttp": "#e08214",
    "aiohttp-asyncio": "#fdb863",
}
# A linear scan of 10,000 routes is thousands of times slower; such bars are cut, with their figure written on them.
LONGEST_BAR = 12.0


def panel(axes: Any, figures: Mapping[str, Mapping[str, float | None]], title: str, *, most: bool) -> None:
    """Bars per workload: how many times as long (or as many requests) as ours."""
    names = list(dict.fromkeys(name for row in figures.values() for name in row))
    base_name = peers.OURS if any(row.get(peers.OURS) for row in figures.values()) else peers.RAW
    height = 0.8 / len(names)
    for index, name in enumerate(names):
        for line, row in enumerate(figures.values()):
            value, base = row.get(name), row.get(base_name)
            if not value or not base:
                continue
            relative = value / base
            position = line - 0.4 + (index + 0.5) * height
            axes.barh(position, min(relative, LONGEST_BAR), height * 0.92, color=COLOURS[name])
            label = f"{relative:.2f}" if relative < 10 else f"{relative:,.0f}"
            if relative > LONGEST_BAR:
                label = f"… {label}"
            end = (min(relative, LONGEST_BAR), position)
            axes.annotate(label, end, (2, 0), textcoords="offset points", va="center", fontsize=5.5, color="#444444")
    axes.axvline(1, color=COLOURS[peers.OURS], linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(figures)), [workloads.find(name).title for name in figures])
    axes.invert_yaxis()
    better = "more" if most else "less"
    axes.set_title(f"{title}, {titles([base_name])[base_name]} = 1, {better} is better", fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    axes.margins(y=0.01)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def draw(results: Mapping[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    # The same figures give the same file.
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    panels = []
    if figures := results.get("in_process"):
        panels.append((figures, "In-process time per request or message", False))
    for server, figures in results.get("served", {}).items():
        panels.append((figures, f"Requests or messages per second served by {server}", True))
    if figures := results.get("idle"):
        panels.append((figures, "Memory per idle WebSocket", False))
    if not panels:
        return
    heights = [len(figures) * max(len(row) for row in figures.values()) * 0.115 + 0.6 for figures, _, _ in panels]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(10, sum(heights) + 0.8), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for place, (figures, title, most) in zip(axes[:, 0], panels, strict=True):
        panel(place, figures, title, most=most)
    shown = dict.fromkeys(name for figures, _, _ in panels for row in figures.values() for name in row)
    handles = [Patch(color=COLOURS[name], label=title) for name, title in titles(list(shown)).items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    draw(json.loads((RESULTS / "latest.json").read_text(encoding="utf-8")), RESULTS / "latest.svg")
    print(RESULTS / "latest.svg", file=sys.stderr)


if __name__ == "__main__":
    main()
