"""`python -m benchmarks`: both tables, or the part of them that was asked for."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks import idle_websockets, inprocess, peers, plot, report, served, workloads


def names(value: str) -> list[str]:
    return [name for name in value.split(",") if name]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="The framework beside its peers.")
    parser.add_argument("--quick", action="store_true", help="few short rounds: a first impression")
    parser.add_argument(
        "--only", type=names, default=[], metavar="WORKLOAD,…", help="only these; the beginning of a name is enough"
    )
    parser.add_argument("--peers", type=names, default=[], metavar="PEER,…", help="only these")
    parser.add_argument("--no-served", action="store_true", help="the in-process table only")
    parser.add_argument("--no-in-process", action="store_true", help="the served tables only")
    parser.add_argument(
        "--servers", type=names, default=list(served.SERVERS), metavar="SERVER,…", help="uvicorn,granian"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds in-process (15; quick: 7)")
    parser.add_argument("--seconds", type=float, metavar="S", help="a round's length in-process (0.04; quick: 0.015)")
    parser.add_argument("--served-rounds", type=int, metavar="N", help="rounds over the socket (8; quick: 1)")
    parser.add_argument("--served-seconds", type=float, metavar="S", help="a round's length over the socket (1)")
    parser.add_argument("--build-limit", type=float, metavar="S", help="for building an application (300; quick: 20)")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="the event loop in-process")
    parser.add_argument("--save", action="store_true", help="write results/ also when only a part was measured")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    quick = chosen.quick
    rounds = chosen.rounds or (7 if quick else 15)
    seconds = chosen.seconds or (0.015 if quick else 0.04)
    served_rounds = chosen.served_rounds or (1 if quick else 8)
    served_seconds = chosen.served_seconds or 1
    build_limit = chosen.build_limit or (20 if quick else 300)
    selected_peers = peers.select(chosen.peers)
    selected = workloads.select(chosen.only)
    notes: list[str] = []
    results: dict[str, Any] = {"environment": report.environment()}

    if not chosen.no_in_process:
        in_process = [workload for workload in selected if workload.name not in workloads.NOT_IN_PROCESS]
        cells = inprocess.measure(
            selected_peers, in_process, rounds=rounds, seconds=seconds, build_limit=build_limit, loop=chosen.loop
        )
        results["in_process_settings"] = {"rounds": rounds, "seconds": seconds, "loop": chosen.loop}
        results["in_process"] = {
            workload: {peer: cell.best for peer, cell in row.items()} for workload, row in cells.items()
        }
        results["in_process_rounds"] = {
            workload: {peer: cell.rounds for peer, cell in row.items()} for workload, row in cells.items()
        }
        for workload, row in cells.items():
            for peer, cell in row.items():
                if cell.note:
                    notes.append(f"{peer}, {workload}: {cell.note}")
                if cell.waits:
                    notes.append(
                        f"{peer}, {workload}: waits for a message after the body {cell.waits:g} times per request"
                    )

    with_aiohttp = not chosen.peers or peers.AIOHTTP in chosen.peers
    selected_served = [workload for workload in selected if workload.name in workloads.SERVED]
    if not chosen.no_served and selected_served:
        table = served.measure(
            selected_peers,
            selected_served,
            with_aiohttp=with_aiohttp,
            rounds=served_rounds,
            seconds=served_seconds,
            servers=chosen.servers,
        )
        results["served_settings"] = {
            "rounds": served_rounds,
            "seconds": served_seconds,
            "connections": workloads.CONNECTIONS,
        }
        own_server = table.pop(peers.AIOHTTP, {})
        for key in ("best", "best_cpu"):
            results["served" if key == "best" else "served_cpu"] = {
                server: {
                    workload: {
                        peer: getattr(cell, key) for peer, cell in {**row, **own_server.get(workload, {})}.items()
                    }
                    for workload, row in rows.items()
                }
                for server, rows in table.items()
            }
        for server, rows in {**table, peers.AIOHTTP: own_server}.items():
            for workload, row in rows.items():
                notes += [f"{peer} on {server}, {workload}: {cell.note}" for peer, cell in row.items() if cell.note]

    if not chosen.no_served and workloads.find(workloads.IDLE) in selected:
        results["idle"] = {workloads.IDLE: idle_websockets.measure(selected_peers, with_aiohttp=with_aiohttp)}

    results["notes"] = notes
    sys.stdout.write(report.text(results))
    whole = not (chosen.only or chosen.peers or chosen.no_served or chosen.no_in_process)
    if whole or chosen.save:
        report.write(results)
        plot.draw(results, report.RESULTS / "latest.svg")
        print(f"written to {report.RESULTS}", file=sys.stderr)


if __name__ == "__main__":
    with workloads.static_files():
        main()
