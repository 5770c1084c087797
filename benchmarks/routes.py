"""What the number of routes costs us: 10, 1,000 and 10,000 of them, `python -m benchmarks.routes [PEER]`."""

from __future__ import annotations

import sys

from benchmarks import inprocess, peers
from benchmarks.report import grid
from benchmarks.workloads import route_workload

COUNTS = (10, 1_000, 10_000)
# What 10,000 routes may cost, in relation to 10.
LIMIT = 1.15
ROUNDS = 25
SECONDS = 0.015


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else peers.OURS
    (peer,) = peers.select([name])
    rows = [["µs per request", *(f"{count:,} routes" for count in COUNTS), f"{COUNTS[-1]:,} / {COUNTS[0]}"]]
    worst = 0.0
    # A process per route table, so that the tables take turns within a round.
    workers = {count: inprocess.Worker(peer, "asyncio") for count in COUNTS}
    try:
        for worker in workers.values():
            if worker.failure:
                raise SystemExit(f"{name}: {worker.failure}")
        for shared_prefix in (False, True):
            for last in (False, True):
                best = dict.fromkeys(COUNTS, float("inf"))
                for count, worker in workers.items():
                    worker.tell(do="prepare", workload=route_workload(count, shared_prefix, last).name)
                for worker in workers.values():
                    reply = worker.reply()
                    if "receives" not in reply:
                        raise SystemExit(f"{name}: {reply}")
                for _ in range(ROUNDS):
                    for count, worker in workers.items():
                        worker.tell(do="run", seconds=SECONDS)
                        best[count] = min(best[count], worker.reply()["us"])
                growth = best[COUNTS[-1]] / best[COUNTS[0]]
                worst = max(worst, growth)
                prefix = "one shared prefix" if shared_prefix else "distinct prefixes"
                rows.append(
                    [
                        f"{prefix}, {'last' if last else 'first'} route",
                        *(f"{best[count]:.2f}" for count in COUNTS),
                        f"{growth:.2f}",
                    ]
                )
    finally:
        for worker in workers.values():
            worker.close()
    print(grid(rows))
    print(f"\nworst {worst:.2f}, at most {LIMIT} wanted: {'holds' if worst <= LIMIT else 'does not hold'}")
    raise SystemExit(worst > LIMIT)


if __name__ == "__main__":
    main()
