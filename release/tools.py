"""`python -m release.tools NAME…`: programs that check what is shipped are in `.tools/`, each built once by Go."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

TOOLS: Final = Path(__file__).parents[1] / ".tools"
MODULES: Final = {
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
    "helm": "helm.sh/helm/v4/cmd/helm@v4.3.1",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
}


def install(name: str) -> Path:
    """Where the program is, in the version named here. Raises SystemExit with what is missing."""
    module = MODULES[name]
    folder = TOOLS / module.rpartition("/")[2]  # by name and version
    if not (folder / name).exists():
        go = shutil.which("go")
        if go is None:
            raise SystemExit(f"go is needed to build {name} (https://go.dev/dl/)")
        if subprocess.run([go, "install", module], env={**os.environ, "GOBIN": str(folder)}, check=False).returncode:
            raise SystemExit(f"go install {module} failed")
    return folder / name


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        sys.stdout.write(f"{install(chosen)}\n")
