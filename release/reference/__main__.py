"""`python -m release.reference [--write]`: what the documents take from the code is what the code says now.

Exit code 1, and what differs, where it is not; `--write` makes it anew.
"""

import sys

from release.distributions import ROOT
from release.reference.made import made


def main(*options: str) -> int:
    """Compare, or write."""
    files = {ROOT / path: text for path, text in made().items()}
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if options == ("--write",):
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
        stale = []
    if stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.stderr.write(f"these differ from what `python -m release.reference --write` makes: {names}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
