"""What works without a LiveKit: `dispatcher rules test`, `rules explain`, and `dispatcher replay`."""

from dispatcher.offline.decisions import compare
from dispatcher.offline.replay import replay
from dispatcher.offline.rules_explain import answers, explain, told
from dispatcher.offline.rules_test import rehearse
from dispatcher.offline.situation import Described, Situation, Unusable, described, project_of, read_body

__all__ = [
    "Described",
    "Situation",
    "Unusable",
    "answers",
    "compare",
    "described",
    "explain",
    "project_of",
    "read_body",
    "rehearse",
    "replay",
    "told",
]
