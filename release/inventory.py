"""`python -m release.inventory`: what is installed beside the service, as an SBOM; each licence is one that we take.

`dist/sbom.cdx.json` is for whoever scans it, `deploy/licences.md` for whoever reads it. Exit code 1: a licence is not
in LICENCES.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from release.distributions import DIST, ROOT
from release.smoke import empty_venv

LICENCES: Final = (  # each as some package writes it, whole: "GPL-3.0-only AND MIT" is not "MIT"
    *("Apache-2.0", "Apache Software License", "Apache-2.0 AND MIT", "Apache-2.0 OR BSD-3-Clause"),
    *(
        "Apache-2.0 AND BSD-2-Clause",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "3-Clause BSD License",
        "MIT",
        "MIT License",
        "MIT-0",
    ),
    *("PSF-2.0", "Python Software Foundation License"),
)
LISTED: Final = ROOT / "deploy" / "licences.md"
HEAD: Final = """\
# Licences of what the service needs

Every package of `deploy/requirements.lock`, as it says itself. `make lock` writes this list, and fails where a licence
is not permissive.

"""


def main() -> int:
    """Write both lists of one empty venv."""
    with TemporaryDirectory() as folder:
        empty_venv(sys.executable, Path(folder))
        python = Path(folder) / "venv" / "bin" / "python"
        DIST.mkdir(exist_ok=True)
        bill_of_materials(python, DIST / "sbom.cdx.json")
        listed = licences(python)
    if listed.returncode:
        sys.stderr.write(listed.stderr)
        return 1
    LISTED.write_text(HEAD + listed.stdout)
    return 0


def bill_of_materials(python: Path, target: Path) -> None:
    """The packages that this Python finds, in CycloneDX's JSON, the same each time."""
    options: list[str | Path] = ["--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "-o", target]
    subprocess.run([_tool("cyclonedx-py"), "environment", *options, python], check=True)


def licences(python: Path) -> subprocess.CompletedProcess[str]:
    """A table of its packages' licences; exit code 1 where one is not taken."""
    asked = ["--from=mixed", "--format=markdown", f"--allow-only={';'.join(LICENCES)}"]
    command: list[str | Path] = [_tool("pip-licenses"), "--python", python, *asked]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


if __name__ == "__main__":
    sys.exit(main())
