"""What an import costs: `import framework.web` beside `import starlette.applications`, and what it pulls in.

`python -m benchmarks.import_time`. Each import runs in an interpreter of its own, the two take turns, the best counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

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


def interpreter(cache: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with compiled modules in `cache`, so that neither side is compiled anew whatever the settings are."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done


def run(cache: str, module: str) -> tuple[float, list[str]]:
    """Milliseconds that the import took, and the modules it brought."""
    answer = json.loads(interpreter(cache, "-c", PROGRAM.format(module=module)).stdout)
    return answer["ms"], answer["modules"]


def slowest(cache: str, module: str, count: int = 12) -> list[str]:
    """The modules that cost most by themselves, with their milliseconds."""
    done = interpreter(cache, "-X", "importtime", "-c", f"import {module}")
    costs = []
    for line in done.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        if own.strip().isdecimal():
            costs.append((int(own) / 1000, rest.partition("|")[2].strip()))
    return [f"{cost:6.1f} ms  {name}" for cost, name in sorted(costs, reverse=True)[:count]]


def main() -> None:
    best = {OURS: float("inf"), PEER: float("inf")}
    modules: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(ROUNDS):
            for module in best:
                elapsed, modules[module] = run(cache, module)
                best[module] = min(best[module], elapsed)
        breakdown = slowest(cache, OURS)
    for module, elapsed in best.items():
        print(f"import {module}: {elapsed:.1f} ms, {len(modules[module])} modules")
    ratio = best[OURS] / best[PEER]
    print(f"ratio {ratio:.2f}, at most 1 wanted: {'holds' if ratio <= 1 else 'does not hold'}")
    found = [name for name in OPTIONAL if name in modules[OURS]]
    print(f"optional packages imported: {', '.join(found) or 'none'}")
    print("\n".join(["slowest by themselves:", *breakdown]))
    raise SystemExit(bool(ratio > 1 or found))


if __name__ == "__main__":
    main()
