"""The tests in this folder need a browser: `make e2e` installs it, `make test` does without."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("playwright") and find_spec("axe_playwright_python") else ["test_*.py"]
