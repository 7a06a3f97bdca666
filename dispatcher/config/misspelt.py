"""Finds variables that were meant for us and are not ours: a misspelt one would be passed over in silence."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from dispatcher.config.problems import Problem, in_environment

PREFIXES: Final = ("DISPATCHER_", "LIVEKIT_")  # of our variables; LiveKit's other programs have some of their own
NEAR: Final = 0.65  # how alike two names are, their prefixes left out, to be taken for one another

# What Kubernetes sets for Services named dispatcher or livekit.
_SERVICE_LINK: Final = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)")


def misspelt(environ: Mapping[str, str], known: Collection[str]) -> Iterator[Problem]:
    """A warning for each variable that is set, resembles one of the `known` ones and is none of them."""
    for name in sorted(environ):
        prefix = next((one for one in PREFIXES if name.startswith(one)), None)
        if prefix is None or name in known or _SERVICE_LINK.fullmatch(name):
            continue
        ours = {
            one.removeprefix(prefix): one for one in known if one.startswith(prefix) or not one.startswith(PREFIXES)
        }
        if near := get_close_matches(name.removeprefix(prefix), ours, n=1, cutoff=NEAR):
            yield in_environment(name, f"ignored: no variable of ours; is {ours[near[0]]} meant?")
