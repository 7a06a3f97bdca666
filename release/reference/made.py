"""Every file that is made of the code, by its path."""

from release.distributions import ROOT
from release.reference.api import api
from release.reference.commands import command_line
from release.reference.diagrams import rooms, states
from release.reference.llms import llms


def made() -> dict[str, str]:
    """Path to text."""
    session = (ROOT / "dispatcher/core/session.py").read_text()
    return {
        "docs/cli.md": command_line(),
        "docs/api.md": api(),
        "docs/llms.txt": llms((ROOT / "docs/index.md").read_text()),
        "docs/diagrams/states.svg": states(session),
        "docs/diagrams/rooms.svg": rooms(
            (ROOT / "pyproject.toml").read_text(), (ROOT / "docs/architecture.md").read_text()
        ),
    }
