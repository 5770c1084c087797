"""What an import costs: `import framework.web` beside `import starlette.applications`, and what it pulls in.

`python -m benchmarks.import_time`. Each import runs in an interpreter of its own, the two take turns, the best counts.
"""

from __future__ import annotations

import json
import subprocess
import sys

OURS = "framework.web"
PEER = "starlette.applications"
ROUNDS = 15

# Nothing of these may be imported before a program uses what needs it.
OPTIONAL = (
    "aiohttp",
    "backports.zstd",
    "brotli",
    "brotlicffi",
    "granian",
    "httpx",
    "hypercorn",
    "jinja2",
    "pytest",
    "uvicorn",
    "uvloop",
    "websockets",
)

PROGRAM = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import {module}
elapsed = time.perf_counter() - start
import json
print(json.dumps({{"ms": elapsed * 1e3, "modules": sorted(set(sys.modules) - before)}}))
"""


def run(module: str) -> tuple[float, list[str]]:
    """Milliseconds that the import took, and the modules it brought."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"import {module} failed:\n{done.stderr}")
    answer = json.loads(done.stdout)
    return answer["ms"], answer["modules"]


def main() -> None:
    best = {OURS: float("inf"), PEER: float("inf")}
    modules: dict[str, list[str]] = {}
    for _ in range(ROUNDS):
        for module in best:
            elapsed, modules[module] = run(module)
            best[module] = min(best[module], elapsed)
    for module, elapsed in best.items():
        print(f"import {module}: {elapsed:.1f} ms, {len(modules[module])} modules")
    ratio = best[OURS] / best[PEER]
    print(f"ratio {ratio:.2f}, at most 1 wanted: {'holds' if ratio <= 1 else 'does not hold'}")
    found = [name for name in OPTIONAL if name in modules[OURS]]
    print(f"optional packages imported: {', '.join(found) or 'none'}")
    raise SystemExit(bool(ratio > 1 or found))


if __name__ == "__main__":
    main()
