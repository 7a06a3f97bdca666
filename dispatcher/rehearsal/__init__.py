"""Rules tried without a LiveKit: `dispatcher rules test` and `dispatcher rules explain`."""

from dispatcher.rehearsal.cases import rehearse
from dispatcher.rehearsal.reasons import explain
from dispatcher.rehearsal.situation import Unusable, rules_of

__all__ = ["Unusable", "explain", "rehearse", "rules_of"]
