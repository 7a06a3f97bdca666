"""docs/my-agent-does-not-come.md shows what `explain` says today, and leads on from each of its last lines."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.core.rules import NAMELESS
from dispatcher.core.session import Assignment, Attempt, Session, with_entry
from dispatcher.core.timeline import Because, Deadline, Entry, Said, Verdict
from dispatcher.core.timing import SILENT_FEW_MS
from dispatcher.core.verdicts import LEFT_AGAIN
from dispatcher.explain import SENTENCES, diagnosis, narrative
from tests.unit.core.world import agent, assignment, attempt, session

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "my-agent-does-not-come.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+)\n((?:.*\n)+?)(?=^## |\Z)", PAGE, re.MULTILINE))
WAITING = replace(assignment(attended=True), rule="everyone")
STARVED = replace(WAITING, rounds=1)
FEW = Deadline(after=SILENT_FEW_MS, because=Because.FEW)


SILENCE = Entry(at=0, said=Said.ATTEMPT_ENDED, verdict=Verdict.SILENT, took=FEW.after, patience=FEW)


def stands(wanted: Assignment, *attempts: Attempt) -> Session:
    """A session of this one assignment."""
    return session(replace(wanted, attempts=attempts))


def failed(verdict: Verdict, times: int = 3) -> Session:
    """Starved, after so many attempts that all ended alike; of silence it was known as soon as where few wait."""
    known = FEW if verdict is Verdict.SILENT else None
    return stands(STARVED, *(attempt(number + 1, verdict=verdict, patience=known) for number in range(times)))


STANDS = {
    "No rule asks for an agent": session(),
    "The rule names no agent": stands(
        replace(STARVED, rule="as-asked", policy=replace(STARVED.policy, targets=(NAMELESS,)))
    ),
    "The agent is paused": stands(replace(WAITING, paused=True)),
    "The first attempt is under way": stands(WAITING, attempt(1)),
    "No worker took the job": failed(Verdict.SILENT),
    "The worker said no": failed(Verdict.REJECTED),
    "A worker took the job and no agent joined": failed(Verdict.NO_SHOW),
    "The agent leaves at once": failed(Verdict.FAILED),
    "The agent has left": with_entry(
        stands(replace(WAITING, finished_at=1)),
        Entry(at=1, said=Said.ATTEMPT_ENDED, assignment="everyone", verdict=Verdict.FINISHED, done=LEFT_AGAIN),
    ),
    "The room has its agent": stands(WAITING, attempt(1, agent_sid=agent().sid)),
    "Another agent comes": failed(Verdict.SILENT),
}


def stories(section: str) -> list[list[str]]:
    """What `dispatcher explain` prints of a session, as the section shows it: without the headline, stripped."""
    shown = re.findall(r"^\$ dispatcher explain \S+\n\S+ \(RM_.*\n((?:  .+\n)+)```", section, re.MULTILINE)
    return [[line.strip() for line in story.splitlines()] for story in shown]


def sentence(template: str) -> re.Pattern[str]:
    """What a line of the timeline may be, with or without how long it took; of silence, how it was known."""
    known = re.escape(next(narrative(with_entry(session(), SILENCE))).partition("silent")[2])
    written = re.escape(template).replace(r"\{verdict\}", rf"(silent{known}|\w+( \w+){{0,2}})")
    return re.compile(re.sub(r"\\{\w+\\}", ".+", written) + r"(, \d+\.\d\d s)?")


@pytest.mark.parametrize(("heading", "stands"), STANDS.items())
def test_the_page_shows_the_diagnosis_that_explain_gives(heading: str, stands: Session) -> None:
    """Word for word, with the default limits."""
    [story] = stories(SECTIONS[heading])
    assert story[-1] == diagnosis(stands)


def test_no_story_on_the_page_is_made_up() -> None:
    """Each is of a situation above, and each of its lines one that `explain` has."""
    sentences = [sentence(template) for template in SENTENCES.values()]
    told = [story for heading in STANDS for story in stories(SECTIONS[heading])]
    lines = [line for story in stories(PAGE) for line in story[:-1] if line != "…"]

    assert {story[-1] for story in stories(PAGE)} == {story[-1] for story in told}
    assert [line for line in lines if not any(one.fullmatch(line[14:]) for one in sentences)] == []


def test_each_line_to_look_for_leads_to_the_section_that_shows_it() -> None:
    """The quotations in the list stand in the section that its link names, but for what is left out as `…`."""
    found = re.findall(r"^- \[(.+)\]\(#(.+)\)$", PAGE, re.MULTILINE)
    by_anchor = {heading.lower().replace(" ", "-"): text for heading, text in SECTIONS.items()}

    assert found
    quoted = [
        (anchor, part)
        for quotes, anchor in found
        for quote in re.findall("`(.+?)`", quotes)
        for part in quote.split(" … ")
    ]
    assert [(anchor, part) for anchor, part in quoted if part not in by_anchor[anchor]] == []


def test_every_diagnosis_of_a_missing_agent_is_on_the_page() -> None:
    """The words between the parts that vary: whatever `explain` ends with, it can be looked up."""
    missing = {Verdict.SILENT, Verdict.NO_SHOW, Verdict.REJECTED, Verdict.REFUSED, Verdict.UNSENT, Verdict.FAILED}
    told = {verdict: diagnosis(failed(verdict)).partition("; ")[2] for verdict in missing}

    assert [verdict for verdict, said in told.items() if said.split(", 3 times")[0].split("`")[0] not in PAGE] == []
