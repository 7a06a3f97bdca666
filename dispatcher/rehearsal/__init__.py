"""Without a LiveKit: `dispatcher rules test`, `rules explain`, and `dispatcher replay`."""

from dispatcher.rehearsal.cases import rehearse
from dispatcher.rehearsal.decisions import compare
from dispatcher.rehearsal.reasons import explain
from dispatcher.rehearsal.replay import replay
from dispatcher.rehearsal.situation import Unusable, project_of, read_body

__all__ = ["Unusable", "compare", "explain", "project_of", "read_body", "rehearse", "replay"]
