"""docs/my-agent-does-not-come.md shows what `explain` says today, and leads on from each of its first lines."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.core.facts import Ms, RoomSid
from dispatcher.core.pauses import Pause, Paused
from dispatcher.core.rules import NAMELESS, Target
from dispatcher.core.session import Assignment, Attempt, Session, with_entry
from dispatcher.core.timeline import Because, Entry, Patience, Said, Verdict
from dispatcher.core.timing import SILENT_FEW_MS
from dispatcher.core.verdicts import LEFT_AGAIN
from dispatcher.explain import Known, diagnosis, narrative
from tests.unit.core.world import assignment, attempt, policy

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "my-agent-does-not-come.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+)\n((?:.*\n)+?)(?=^## |\Z)", PAGE, re.MULTILINE))
START: Ms = 1_795_281_214_990  # 17:13:34.990 UTC
FEW = Patience(after=SILENT_FEW_MS, because=Because.FEW)
EVERYONE = replace(assignment(attended=True), rule="everyone", waiting_since=START)
BY_MARIA = Pause(by="maria", at=START - 60_000, until=START + 985_010, reason="deploy")
NEEDED = Entry(at=START, said=Said.ASSIGNMENT_CREATED, assignment="everyone", agent="greeter")


class Story:
    """A session, told from its beginning; spans in seconds."""

    def __init__(self, wanted: Assignment = EVERYONE, first: Entry = NEEDED) -> None:
        self.wanted = wanted
        self.entries = [first]

    def then(self, after: float, said: Said, **fields: object) -> "Story":
        """So many seconds after the beginning."""
        entry = Entry(at=START + int(after * 1000), said=said, assignment="everyone", agent="greeter")
        self.entries.append(replace(entry, **fields))
        return self

    def asked(self, after: float, number: int) -> "Story":
        """An agent is asked for."""
        return self.then(after, Said.DISPATCH_REQUESTED, number=number)

    def ended(self, after: float, number: int, verdict: Verdict, took: float, **fields: object) -> "Story":
        """The attempt ends."""
        silent = {"patience": FEW} if verdict is Verdict.SILENT else {}
        ended = {"number": number, "verdict": verdict, "took": int(took * 1000), **silent, **fields}
        return self.then(after, Said.ATTEMPT_ENDED, **ended)

    def stands(self, *attempts: Attempt, **fields: object) -> Session:
        """How it stands after all that."""
        session = Session(room="lobby", sid=RoomSid("RM_wB7J33W882C3"), looked_at=START)
        session = replace(session, assignments=(replace(self.wanted, attempts=attempts, **fields),))
        for entry in self.entries:
            session = with_entry(session, entry)
        return session


def known(after: float, **agents: Ms) -> Known:
    """Asked so many seconds after the beginning."""
    return Known(now=START + int(after * 1000), agents=agents)


def failed(verdict: Verdict, times: int = 3) -> tuple[Attempt, ...]:
    """So many attempts that ended alike; of silence it was known as soon as where few wait."""
    silence = FEW if verdict is Verdict.SILENT else None
    return tuple(attempt(number + 1, verdict=verdict, patience=silence) for number in range(times))


def at(after: float) -> Ms:
    """An instant."""
    return START + int(after * 1000)


SILENT = (
    Story()
    .asked(0.05, 1)
    .ended(9.05, 1, Verdict.SILENT, 9)
    .asked(9.46, 2)
    .ended(18.46, 2, Verdict.SILENT, 9)
    .asked(19.38, 3)
    .ended(28.38, 3, Verdict.SILENT, 9)
    .then(28.38, Said.ASSIGNMENT_STARVED)
)
AS_ASKED = replace(EVERYONE, rule="as-asked", policy=replace(policy(), targets=(NAMELESS,)), rounds=1)
SERVING = attempt(1, agent_sid="PA_bot", agent_seen_at=at(0.41))
CAME = Story().asked(0.05, 1).then(0.41, Said.AGENT_JOINED, number=1, took=410)
AGAIN = (
    Story()
    .asked(0.05, 1)
    .then(0.41, Said.AGENT_JOINED, number=1, took=410)
    .ended(7.43, 1, Verdict.LEFT, 7.38, reason="client_initiated")
    .asked(10.45, 2)
    .then(10.78, Said.AGENT_JOINED, number=2)
    .ended(18.11, 2, Verdict.FINISHED, 7.66, reason="client_initiated", done=LEFT_AGAIN)
)
STANDS: dict[str, tuple[Session, Known]] = {
    "My agent does not come": (
        SILENT.stands(*failed(Verdict.SILENT), rounds=1, due_at=at(58.38)),
        known(41, greeter=0, sales=1),
    ),
    "The rule names no agent": (
        Story(AS_ASKED, replace(NEEDED, assignment="as-asked", agent=""))
        .then(0, Said.AGENT_UNNAMED, assignment="as-asked", agent="", reason="missing_key")
        .stands(),
        known(12),
    ),
    "The agent is paused": (
        Story().then(0.07, Said.ASSIGNMENT_PAUSED).stands(paused=True),
        replace(known(12), paused={"greeter": Paused(pause=BY_MARIA)}),
    ),
    "The first attempt is under way": (
        Story().asked(0.05, 1).stands(attempt(1, started_at=at(0.05))),
        known(3),
    ),
    "The worker said no": (
        Story().asked(0.05, 1).ended(2.05, 1, Verdict.REJECTED, 2).stands(*failed(Verdict.REJECTED, 1), due_at=at(2.5)),
        known(2.3),
    ),
    "A worker took the job and no agent joined": (
        Story()
        .asked(0.05, 1)
        .ended(30.05, 1, Verdict.NO_SHOW, 30)
        .stands(*failed(Verdict.NO_SHOW, 1), due_at=at(30.5)),
        known(30.2),
    ),
    "The agent leaves at once": (
        Story()
        .asked(0.05, 1)
        .ended(0.41, 1, Verdict.FAILED, 0.36, reason="client_initiated")
        .stands(*failed(Verdict.FAILED, 1), due_at=at(0.9)),
        known(0.6),
    ),
    "The agent's process is lost": (
        Story()
        .asked(0.05, 1)
        .then(0.41, Said.AGENT_JOINED, number=1, took=410)
        .ended(65.2, 1, Verdict.CRASHED, 65.15, reason="connection_timeout")
        .stands(*failed(Verdict.CRASHED, 1), due_at=at(66.2), waiting_since=at(65.2)),
        known(65.8),
    ),
    "The agent has left": (AGAIN.stands(finished_at=1), known(40)),
    "The room has its agent": (CAME.stands(SERVING), known(135)),
    "The agent comes half a minute late": (
        Story(first=Entry(at=START, said=Said.ROOM_FOUND))
        .then(0, Said.ASSIGNMENT_CREATED)
        .asked(0.05, 1)
        .then(0.41, Said.AGENT_JOINED, number=1, took=28_700)
        .stands(SERVING),
        known(60),
    ),
    "Another agent comes": (
        Story()
        .asked(0.05, 1)
        .ended(9.05, 1, Verdict.SILENT, 9)
        .asked(9.46, 2)
        .then(10, Said.AGENT_UNREQUESTED, assignment="", agent="")
        .stands(*failed(Verdict.SILENT, 1), attempt(2, started_at=at(9.46))),
        known(15),
    ),
}


def told(session: Session, known: Known) -> str:
    """What `dispatcher explain` prints of it."""
    title = f"{session.room} ({session.sid}, project default)"
    lines = [*diagnosis(session, known), title, *(f"  {line}" for line in narrative(session, known.now))]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("heading", STANDS)
def test_the_page_shows_what_explain_says(heading: str) -> None:
    """Word for word, with the default limits."""
    session, when = STANDS[heading]
    if heading == "Another agent comes":
        session = replace(session, unattributed=("PA_x",), unrequested_announced=True)
    section = PAGE.partition("\n## ")[0] if heading not in SECTIONS else SECTIONS[heading]

    assert f"$ dispatcher explain lobby\n{told(session, when)}```" in section


def test_no_story_on_the_page_is_made_up() -> None:
    """Each is of a situation above, or of a room without an assignment."""
    shown = re.findall(r"^\$ dispatcher explain lobby\n((?:.*\n)+?)```", PAGE, re.MULTILINE)

    assert len([story for story in shown if "(RM_" in story]) == len(STANDS)


def test_each_line_to_look_for_leads_to_the_section_that_shows_it() -> None:
    """The quotations in the list stand in the section that its link names, but for what is left out as `…`."""
    found = re.findall(r"^- \[(.+)\]\(#(.+)\)$", PAGE, re.MULTILINE)
    by_anchor = {heading.lower().replace(" ", "-").replace("'", ""): text for heading, text in SECTIONS.items()}

    assert found
    quoted = [
        (anchor, part)
        for quotes, anchor in found
        for quote in re.findall("`(.+?)`", quotes)
        for part in quote.split(" … ")
    ]
    assert [(anchor, part) for anchor, part in quoted if part not in by_anchor[anchor]] == []


def test_every_cause_of_a_missing_agent_is_on_the_page() -> None:
    """The words before the parts that vary: whatever `explain` says, it can be looked up."""
    missing = [Verdict.SILENT, Verdict.NO_SHOW, Verdict.REJECTED, Verdict.REFUSED, Verdict.UNSENT, Verdict.FAILED]
    causes = {}
    for verdict in missing:
        attempts = tuple(replace(one, target=Target("greeter")) for one in failed(verdict))
        [line] = diagnosis(Story().stands(*attempts), known(12))
        causes[verdict] = line.partition(". ")[2].split(", 3 times")[0].split("`")[0]

    assert [verdict for verdict, said in causes.items() if said not in PAGE] == []
