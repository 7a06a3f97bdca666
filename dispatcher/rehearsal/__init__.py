"""Rules tried without a LiveKit: `dispatcher rules test` and `dispatcher rules explain`."""

from dispatcher.rehearsal.cases import rehearse
from dispatcher.rehearsal.reasons import explain
from dispatcher.rehearsal.situation import Unusable, project_of, read_body

__all__ = ["Unusable", "explain", "project_of", "read_body", "rehearse"]
