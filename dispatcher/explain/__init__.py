"""A room in sentences: what happened in it, how it stands, why its agent is missing; and the service's own trouble.

All of it is written as `visible` shows it: people read this on terminals.
"""

from dispatcher.explain.absent import UnknownRoom, absence, resembling
from dispatcher.explain.causes import WAITING, causes, likeliest
from dispatcher.explain.diagnosis import diagnosis
from dispatcher.explain.known import Known
from dispatcher.explain.link import page_of
from dispatcher.explain.narrative import SENTENCES, in_words, narrative
from dispatcher.explain.pauses import paused_by, taken_out_by
from dispatcher.explain.probes import probes_told
from dispatcher.explain.service import trouble_told
from dispatcher.explain.words import clock

__all__ = [
    "SENTENCES",
    "WAITING",
    "Known",
    "UnknownRoom",
    "absence",
    "causes",
    "clock",
    "diagnosis",
    "in_words",
    "likeliest",
    "narrative",
    "page_of",
    "paused_by",
    "probes_told",
    "resembling",
    "taken_out_by",
    "trouble_told",
]
