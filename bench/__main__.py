"""`python -m bench`: the benchmarks that need no LiveKit, one after the other.

Those on a real livekit-server are bench.joins, bench.rush and bench.ordinary.
"""

import runpy

NAMES = ("webhook", "ledger", "burst", "rules", "log", "lists", "rooms", "tape", "tracing", "crowd", "growth", "field")

for name in NAMES:
    print(f"\n== bench.{name}")
    runpy.run_module(f"bench.{name}", run_name="__main__")
