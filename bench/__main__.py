"""`python -m bench`: the benchmarks that need no LiveKit, one after the other.

Those on a real livekit-server are bench.joins, bench.rush and bench.ordinary.
"""

import runpy

for name in ("bench.webhook", "bench.ledger", "bench.burst", "bench.rules", "bench.log", "bench.lists", "bench.tape"):
    print(f"\n== {name}")
    runpy.run_module(name, run_name="__main__")
