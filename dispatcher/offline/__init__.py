"""What works without a LiveKit: `dispatcher rules test`, `rules explain`, and `dispatcher replay`."""

from dispatcher.offline.decisions import compare
from dispatcher.offline.replay import replay
from dispatcher.offline.rules_explain import explain
from dispatcher.offline.rules_test import rehearse
from dispatcher.offline.situation import Unusable, project_of, read_body

__all__ = ["Unusable", "compare", "explain", "project_of", "read_body", "rehearse", "replay"]
