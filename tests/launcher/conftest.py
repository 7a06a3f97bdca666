"""Two files in this folder need LiveKit's own clients: `make e2e` installs them, `make test` does without."""

from importlib.util import find_spec

_CLIENTS = find_spec("livekit.rtc") and find_spec("livekit.agents")

collect_ignore = [] if _CLIENTS else ["test_bithuman.py", "test_real.py"]
