"""`python -m release.tools NAME…`: programs that check what is shipped are in `.tools/`, each built once by Go."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

TOOLS: Final = Path(__file__).parents[1] / ".tools"
MODULES: Final = {
    "alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager@v0.28.1",  # Debian's wants its /usr/share
    "compose": "github.com/compose-spec/compose-go/v2/cmd@v2.16.2",  # what Docker Compose itself reads files with
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
    "helm": "helm.sh/helm/v4/cmd/helm@v4.3.1",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
}


def program(name: str) -> Path:
    """Where the program is, or would be, in the version named here."""
    folder = MODULES[name].rpartition("/")[2]  # by name and version
    return TOOLS / folder / folder.partition("@")[0]


def install(name: str) -> Path:
    """Where the program is now. Raises SystemExit with what is missing."""
    module, built = MODULES[name], program(name)
    if not built.exists():
        go = shutil.which("go")
        if go is None:
            raise SystemExit(f"go is needed to build {name} (https://go.dev/dl/)")
        bin_folder = {"GOBIN": str(built.parent)}
        if subprocess.run([go, "install", module], env={**os.environ, **bin_folder}, check=False).returncode:
            raise SystemExit(f"go install {module} failed")
    return built


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        sys.stdout.write(f"{install(chosen)}\n")
