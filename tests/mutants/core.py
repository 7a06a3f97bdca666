"""Mistakes in the pure core: `python -m tests.mutants.core`. About ten minutes.

The columns: what the core's tables and properties make of a mutant, and what simulated lives make of it.
"""

from tests.mutants.run import Mutant, run_all

SELECTIONS = (("tests/unit/core",), ("tests/simulation",))

MUTANTS = {
    "dispatcher/core/session.py": (
        Mutant("asks while an attempt is open", "not (self.open or self.finished_at or", "not (self.finished_at or"),
        Mutant("asks for what was ended on purpose", "not (self.open or self.finished_at or", "not (self.open or"),
        Mutant("another is asked beside the queue", " and not self._may_still_be_served", ""),
        Mutant("an agent by name does not serve", "self.finished_at or self.served_by_name or", "self.finished_at or"),
    ),
    "dispatcher/core/probes.py": (
        Mutant("one probe in vain is told", "FAILING_AFTER: Final = 2", "FAILING_AFTER: Final = 1"),
        Mutant("an agent need not stay for a probe", "now >= joined.at + stay or", "now >= joined.at or"),
        Mutant(
            "what somebody cancelled has failed", "if stopped or session.finished else None", "if stopped else None"
        ),
        Mutant("another's agent is the probe's", "        if entry.assignment != key:\n            continue\n", ""),
    ),
    "dispatcher/core/rules.py": (
        Mutant("a rule applies in a probe's room", "    if is_probe(room.name):\n        return ()\n", ""),
    ),
    "dispatcher/core/timing.py": (
        Mutant("no grace for a missed agent", "GRACE_MS: Final = 2_000", "GRACE_MS: Final = 0"),
        Mutant("nothing lingers", "LINGER_MS: Final = 60_000", "LINGER_MS: Final = 0"),
        Mutant("a no that is listed late is found late", "= (2_000, 6_000, 9_000)", "= (2_000, 9_000)"),
    ),
    "dispatcher/core/plan.py": (
        Mutant(
            "asks in a room that is not listed",
            "    if session.missed_at:\n        looks",
            "    if session.missed_at < 0:\n        looks",
        ),
        Mutant("acts on an old look", "return act if fresh else Look()", "return act"),
        Mutant("waits for the latest deadline", "Wait(min(ahead))", "Wait(max(ahead))"),
        Mutant("forgets what is ahead", "return Wait(min(ahead)) if ahead else Rest()", "return Rest()"),
        Mutant(
            "forgets what is to be taken back",
            "        yield from (attempt.retract_at for",
            "        ((attempt.retract_at) for",
        ),
        Mutant(
            "a crowd is looked at with every event",
            "    if not session.looked_at <= now < again:\n",
            "    if session.present or not session.looked_at <= now < again:\n",
        ),
        Mutant(
            "a crowd's deadlines wait for its look",
            "min([again, *(ahead for ahead in instants if ahead > now)])",
            "again",
        ),
        Mutant(
            "a person who has left is not waited for",
            "        if assignment.alone_since:\n",
            "        if not assignment:\n",
        ),
        Mutant(
            "a name's end is no reason to look",
            "        if assignment.served_by_name:\n",
            "        if not assignment:\n",
        ),
    ),
    "dispatcher/core/late.py": (
        Mutant("whom nobody wants is looked at once", "for after in timing.LATE_MS if", "for after in () if"),
        Mutant("looks at facts that do not change", "[rule.name for rule in rules if rule.late]", "None"),
        Mutant("who is hidden stays so", "None if person.hidden else", "[] if person.hidden else"),
        Mutant(
            "a list is right, whatever is heard", "    if session.missed_at:  # a", "    if session.missed_at < 0:  # a"
        ),
        Mutant("who is not listed has not joined", "yield from (session.unseen_since + after", "yield from (0 * after"),
        Mutant("looks for whoever has gone", "in shown | gone or now", "in shown or now"),
        Mutant("looks for ever", " or now >= session.unseen_since + timing.UNSEEN_MS[-1]:", ":"),
    ),
    "dispatcher/core/fold.py": (
        Mutant(
            "an agent that left is no reason to look",
            "    return replace(session, stale=True)\n",
            "    return session\n",
        ),
        Mutant(
            "nobody who joins is a reason to look",
            "    return may_be_assigned(session, rules, person, asked_for)\n",
            "    return False\n",
        ),
        Mutant(
            "everybody's leaving is a reason to look",
            "return assignment.identity == person.known_as and bool(assignment.open)",
            "return bool(assignment.open)",
        ),
        Mutant("what a webhook shows is no reason not to look", "rules, person, asked_for)", "rules, person)"),
        Mutant("a final end is not final", "    if session.final:\n        return session\n", ""),
        Mutant("who lives again is not looked at", "finished=False, missed_at=0, stale=True)", "finished=False)"),
    ),
    "dispatcher/core/verdicts.py": (
        Mutant(
            "silent after two seconds",
            "now >= asked + silent_after and",
            "now >= asked + timing.GRACE_MS and",
        ),
        Mutant("an earlier launch's end is this one's", "bool(attempt.target.launcher) and note", "False and note"),
        Mutant("a crash counts as an end on purpose", "return Verdict.CRASHED,", "return Verdict.FINISHED,"),
        Mutant("a polite leaving is the end", "return Verdict.LEFT,", "return Verdict.FINISHED,"),
        Mutant(
            "who lingers is greeted for ever", "if assignment.goodbyes and stayed", "if assignment.remnant and stayed"
        ),
        Mutant(
            "two goodbyes of a long day are the end",
            "if assignment.goodbyes and stayed",
            "if assignment.goodbyes or stayed",
        ),
        Mutant("what the agent said is not heard", "    if done:\n", "    if not reason and done:\n"),
        Mutant("another's job speaks for it", "job.succeeded and job.known_as in mine", "job.succeeded"),
        Mutant("who leaves at once has finished", "if stayed < assignment.policy.min_stay:", "if stayed < 0:"),
    ),
    "dispatcher/core/orders.py": (
        Mutant(
            "an order that comes again is another one",
            "    if session.find(assignment.key):\n        return session\n",
            "",
        ),
        Mutant("who cancels is given another agent", "finished_at=now, cancelled=True", "cancelled=True"),
        Mutant(
            "a cancelled agent stays",
            "        session = close(session, key, attempt.number, Verdict.CANCELLED, now)\n",
            "        pass\n",
        ),
        Mutant(
            "another try is later",
            "replace(retries.renewed(assignment), cancelled",
            "replace(assignment, finished_at=0, cancelled",
        ),
        Mutant("metadata without end", "kept <= SEALED_MAX and ", ""),
        Mutant("orders without end", "len(session.assignments) < ASSIGNMENTS_MAX or", "True or"),
        Mutant(
            "an order is forgotten with the ledger",
            "if id_ and key == request_key(id_) else None",
            "if not id_ else None",
        ),
    ),
    "dispatcher/core/leaving.py": (
        Mutant("nobody is new", "return [one for one in late if not known", "return [one for one in late if False"),
        Mutant("all who came last are new", "for one in late if not known or", "for one in late if known or"),
        Mutant("who comes back is not new", " or _came_back(one, departed)]", "]"),
        Mutant(
            "who is missed has not gone",
            "(*session.departed, *gone)[-DEPARTED_MAX:]",
            "session.departed[-DEPARTED_MAX:]",
        ),
        Mutant("nobody who is there is known", "here=tuple(here[-HERE_MAX:])", "here=()"),
        Mutant(
            "a whole second counts as one instant",
            "until = min(until, left_at) if left_at else until",
            "until = left_at or until",
        ),
        Mutant("who never left has come back", " and gone.sid != person.sid ", " "),
        Mutant(
            "newcomers wait for the grace", "(verdict is Verdict.LEFT and new)", "(verdict is Verdict.LEFT and not new)"
        ),
        Mutant("done for those who came back, too", "min((one.joined_at - 1 for one in new), default=until)", "until"),
        Mutant(
            "the agent's short stay makes everybody new",
            "max(left.joined_at, left.left_at - timing",
            "(left.left_at - timing",
        ),
    ),
    "dispatcher/core/closing.py": (
        Mutant(
            "a queued launch is deleted",
            "(verdict in _PARTED and attempt.agent_sid) or",
            "verdict in _PARTED or",
        ),
        Mutant("what waits in the queue lingers", " or (verdict is Verdict.SILENT and attempt.queued):", ":"),
        Mutant(
            "failed attempts cost nothing",
            "    paid = retries.failed(assignment, verdict, now, lifeless=lifeless)\n",
            "    paid = assignment\n",
        ),
    ),
    "dispatcher/core/targets.py": (
        Mutant("a sign of life closes nothing", "if one.began_at > seen_at),", "if seen_at),"),
        Mutant(
            "an agent of meanwhile is no sign of life", "or silence.began_at <= facts.seen_at", "or not silence.room"
        ),
        Mutant("two in a row open it", "len(row) >= SILENT_IN_A_ROW and", "len(row) > 1 and"),
        Mutant("one room opens it", "len({one.room for one in row}) > 1", "len(row) > 1"),
        Mutant("who was never seen is waited for", "return not facts.seen_at or (", "return ("),
        Mutant("silence is in a row for ever", "> silences[-1].ended_at - timing.SILENT_WITHIN_MS", "> 0"),
        Mutant("no probe is ever made", "else Circuit.HALF_OPEN", "else Circuit.OPEN"),
        Mutant("probes are made all the time", "max(facts.opened_at, facts.probed_at)", "facts.opened_at"),
        Mutant("nobody's word counts", "facts.absent_at, *said[:1])", "*said[:1])"),
        Mutant("one slow agent is fast enough", "max(lately) <= timing.FAST_MS", "min(lately) <= timing.FAST_MS"),
        Mutant("few agents are enough", "len(lately) >= JOINS_MAX and", "lately and"),
        Mutant("yesterday's agents count", "if one.at > now - timing.JOINS_WITHIN_MS]", "if one.at]"),
        Mutant("the oldest agents stay", "key=_by_coming)[-JOINS_MAX:]", "key=_by_coming)[:JOINS_MAX]"),
        Mutant("an open circuit is asked instead", "for one in ahead if not one.open", "for one in ahead if one"),
    ),
    "dispatcher/core/hour.py": (
        Mutant(
            "what is told twice counts twice", "for one in outcomes if one.mark not in known}", "for one in outcomes}"
        ),
        Mutant("a minute too many counts", "range(newest - MINUTES + 1,", "range(newest - MINUTES,"),
        Mutant("minutes are kept for ever", "if n > max(minutes) - MINUTES", "if n"),
        Mutant("spells are kept for ever", "if n > max(spells) - SPELLS)", "if n)"),
        Mutant("old spans count", "if spell - SPELLS < one.number <= spell)", "if one.number <= spell)"),
        Mutant("a class's end is its middle", "GROWTH ** (n - 0.5))", "GROWTH**n)"),
        Mutant("the oldest marks stay", "sorted(known | {*new})[-MARKS_MAX:]", "sorted(known | {*new})[:MARKS_MAX]"),
    ),
    "dispatcher/core/jobs.py": (
        Mutant(
            "a queue is a yes",
            "return any(job.outcome is JobCondition.QUEUED for job in jobs) and all(",
            "return not all(",
        ),
        Mutant("a closing room is somebody's fault", "    JobCondition.ROOM_CLOSED: None,\n", ""),
        Mutant("a failed job may still have its agent", "(job.outcome or not job.identity)", "not job.identity"),
        Mutant("one no is everybody's", "if not jobs or not all(job.ended", "if not jobs or not any(job.ended"),
    ),
    "dispatcher/core/patience.py": (
        Mutant("a crowd does not matter", "elif attempt.crowded or not", "elif not"),
        Mutant("a crowd is forgotten", "crowded=attempt.crowded or crowded", "crowded=crowded"),
        Mutant("an unanswered create is as any", "or not attempt.dispatch or", "or"),
        Mutant("the rule's own span does not count", "or not policy.confirm_early:", "or not policy:"),
        Mutant("who has no other does not wait", "attempt.lifeless and another:", "attempt.lifeless:"),
        Mutant(
            "whose agents are seen is not waited for", "if outlook.open and attempt.lifeless and", "if outlook.open and"
        ),
        Mutant("confirm_within is no bound", "return min(limit, found,", "return min(found, found,"),
        Mutant("every join asks", "now >= one.started_at + soonest)", "now >= one.started_at)"),
        Mutant("old signs of life count", "own.seen_at <= attempt.started_at", "not own.seen_at"),
        Mutant("who was never asked is not there", "bool(attempt.dispatch) and own", "own"),
    ),
    "dispatcher/core/timeline.py": (
        Mutant("a no is no sign of life", "{Verdict.NO_SHOW, Verdict.REJECTED, Verdict.FAILED}", "{Verdict.NO_SHOW}"),
    ),
    "dispatcher/core/news.py": (
        Mutant("what is found is fast", "attempt.agent_seen_at <= attempt.started_at:", "not attempt.agent_seen_at:"),
        Mutant("a late agent is no news", "_ if entry.part is Part.AGENT:", "_ if entry.part is None:"),
        Mutant("a second end is an outcome", "in FAILURES and not entry.again", "in FAILURES"),
        Mutant("outcomes of an instant are one", "| which & 1023", "| 1"),
        Mutant("a second end is news", "attempt.dispatch and not entry.again:", "attempt.dispatch:"),
    ),
    "dispatcher/core/drive.py": (
        Mutant("a paused target is asked instead", "if target.name not in paused)", "if target.name)"),
        Mutant("who has probed probes again", "may_probe=not probed)", "may_probe=True)"),
    ),
    "dispatcher/core/pauses.py": (
        Mutant("a pause never ends", "not self.until or now < self.until", "self.at <= now"),
        Mutant("a pause without an end ends at once", "not self.until or now < self.until", "now < self.until"),
        Mutant("who is paused cannot be paused otherwise", "agent not in pauses and len(pauses)", "len(pauses)"),
        Mutant("the file's pauses hide an order's", "pause=held.get(agent), configured", "configured"),
    ),
    "dispatcher/core/nameless.py": (
        Mutant("agents with a name are sent away", " and not one.agent_name]", "]"),
        Mutant("whoever has no grant is sent away", "one.kind == AGENT and one.granted and", "one.kind == AGENT and"),
        Mutant("every rule sends away", ' and assignment.policy.unrequested_agents == "remove"', ""),
        Mutant("sent away where ours is not", "return bool(its_own) and", "return"),
        Mutant("sent away at once", "max(session.unwelcome_at, first)", "1"),
        Mutant("what has no name yet is sent away", "[0 if sure else 1]", "[0]"),
        Mutant("told to go once", "unwelcome_at=now + wait,", "unwelcome_at=now + 10**9,"),
    ),
    "dispatcher/core/surplus.py": (
        Mutant("the latest agent is kept", "    keep = min(serving,", "    keep = max(serving,"),
        Mutant(
            "a late agent serves nobody",
            " or assignment.abandoned(now):\n        return session\n    late",
            " or assignment:\n        return session\n    late",
        ),
        Mutant(
            "unattributed agents are not watched", "unattributed=sids, unattributed_since=since,", "unattributed=sids,"
        ),
        Mutant("a late agent stays with those who are done", "(spare or wrong or late)", "(spare or wrong)"),
        Mutant("a name serves for good", "now < since + assignment.policy.join_within", "now >= since"),
        Mutant("a name begins anew with each look", "(session.named_since or now) if free", "now if free"),
        Mutant("who has no grant serves by name", "if agent.granted and agent.agent_name", "if agent.agent_name"),
        Mutant("newcomers put off what is told", "else session.strange_since or now", "else since"),
        Mutant(
            "what was told is told again",
            "announced = session.unrequested_announced and not fresh",
            "announced = False",
        ),
        Mutant("names are told whole", "brief(agent.agent_name, AGENT_MAX) for", "agent.agent_name for"),
    ),
    "dispatcher/core/attribution.py": (
        Mutant("nothing is adopted", "new = sorted(unknown,", "new = sorted(unknown[:0],"),
        Mutant(
            "a foreign dispatch is ours",
            "replace(_attempt(dispatch, assignment.last_number + 1, now), ours=False)",
            "_attempt(dispatch, assignment.last_number + 1, now)",
        ),
        Mutant("what the record forgot is open again", "elif number < assignment.last_number:", "elif number < 0:"),
        Mutant("jobs are not remembered", "(*attempt.identities, *fresh)[-ATTEMPT", "fresh[-ATTEMPT"),
    ),
    "dispatcher/core/revival.py": (
        Mutant("whoever is there, too, is overlooked", "nobody_else = {one.sid", "nobody_else = True or {one.sid"),
        Mutant("an agent is looked up for ever", "    new = now < session", "    new = True or now < session"),
        Mutant("an agent without the grant passes", "all(one.granted and one.agent_name", "all(one.agent_name"),
        Mutant("a dispatch of its name explains nothing", "not wanted and names.isdisjoint(asked_for)", "not wanted"),
        Mutant(
            "an attempt of this session explains nothing",
            "attempt.target.agent for assignment in session.assignments for attempt in assignment.open",
            "attempt.target.agent for assignment in () for attempt in assignment.open",
        ),
        Mutant("the room's own agent is taken back", "named and not wanted and names", "named and names"),
        Mutant("an attempt explains agents without end", " and _asked(one) not in came]", "]"),
        Mutant(
            "what one look adopts is one attempt",
            "one.attempt.started_at, one.attempt.dispatch",
            'one.attempt.started_at, ""',
        ),
        Mutant(
            "an id learnt later makes another attempt",
            "for key, started_at, _ in came}",
            "for key, started_at, _ in ()}",
        ),
        Mutant(
            "two attempts without an id are one",
            "one.attempt.started_at, one.attempt.dispatch",
            "0, one.attempt.dispatch",
        ),
        Mutant("a late create's agent comes twice", "in here if one.attempt.last_agent_sid}", "in here if not one}"),
        Mutant("two lives' attempts of one number are one", " if not one.attempt.belated)  # found", ")  # found"),
        Mutant("a session that lives is asked", "if life.finished and now <", "if now <"),
        Mutant("a session of long ago is asked", "and now < _ended_at(life) + timing.REVIVED_MS", ""),
        Mutant("any agent's attempt will do", " if one.attempt.target.agent == name]", "]"),
        Mutant("any attempt will do", "if may_come(one.attempt) and _asked", "if _asked"),
        Mutant("one that was given up explains nothing", "(attempt.open or given_up) and", "attempt.open and"),
        Mutant("what was taken back comes yet", "given_up = attempt.listed and attempt", "given_up = attempt"),
        Mutant(
            "whom a worker refused comes yet", "attempt.listed and attempt.verdict in _MAY_STILL_COME", "attempt.listed"
        ),
        Mutant("another system's attempt will do", "if not all(one.attempt.ours", "if not any(one.attempt.ours"),
        Mutant("any job's agent will do", "agent.known_as in (one.attempt.identities or {agent.known_as})", "agent"),
        Mutant("attempts with jobs come last", "key=lambda one: not one.attempt.identities)", "key=lambda one: 0)"),
        Mutant("one of two is enough", "            return []\n        free", "            continue\n        free"),
        Mutant("its identity is enough", "        belated=True,\n", ""),
        Mutant("remnants are without end", "len(session.assignments) >= REMNANTS_MAX:", "not session:"),
    ),
    "dispatcher/core/tags.py": (
        Mutant("tags are not read", "return Tag(key, int(number)) if ours else None", "return None"),
        Mutant("a tag needs no signature", "return Tag(key, int(number)) if ours else None", "return Tag(key, 1)"),
        Mutant("a tag is any room's", "[self.instance, room, sid,", '[self.instance, "", sid,'),
        Mutant("a tag is any life's", "[self.instance, room, sid,", '[self.instance, room, "",'),
        Mutant("a tag is any assignment's", " key, number, target.agent,", ' "", number, target.agent,'),
        Mutant("a tag is any attempt's", " key, number, target.agent,", ' key, "", target.agent,'),
        Mutant(
            "a tag is any agent's", "target.agent, target.deployment, *launcher])", "target.deployment, *launcher])"
        ),
        Mutant(
            "a tag is any deployment's", "target.agent, target.deployment, *launcher])", "target.agent, *launcher])"
        ),
        Mutant("a tag is any installation's", "if whose != self.instance or len", "if len"),
        Mutant("a tag is of any length", " or len(text) > _TAG_MAX:", ":"),
        Mutant("numbers may be any", "return tag.number <=", "return tag.number <= 10**9 or 0 <="),
    ),
    "dispatcher/core/text.py": (
        Mutant(
            "what is cut is measured in characters",
            "if len(text) <= most and _size(text) <= most:",
            "if len(text) <= most:",
        ),
        Mutant("what is cut the same becomes the same", 'return f"{kept}~', 'return kept or f"'),
        Mutant("what is cut may be as short as what is not", "kept = text[:most]", "kept = text[: most // 8]"),
        Mutant("what has no shape is shown", "one if one.isprintable() else one.encode", "one if one else one.encode"),
    ),
    "dispatcher/ledger/record.py": (
        Mutant("a record is of any size", "if len(record) <= RECORD_MAX else", "if record else"),
        Mutant("who serves is left out", "return not one.serving, not one.open,", "return one.serving, not one.open,"),
        Mutant(
            "what is under way is left out",
            "return not one.serving, not one.open,",
            "return not one.serving, one.open,",
        ),
        Mutant(
            "what is to be taken back is left out", " not one.shows, -one.started_at,", " one.shows, -one.started_at,"
        ),
        Mutant("the oldest stay", " not one.shows, -one.started_at,", " not one.shows, one.started_at,"),
        Mutant("an assignment is left without any", "if spare and space < 0:", "if space < 0:"),
    ),
    "dispatcher/core/observe.py": (
        Mutant("done for ever", "gone_at > 0 and any(", "gone_at < 0 and any("),
        Mutant(
            "who comes in the grace waits", "assignment.finished_at or assignment.left_at", "assignment.finished_at"
        ),
        Mutant("over at the first look", "if session.missed_at and now >=", "if now >="),
        Mutant(
            "over although it is listed",
            "replace(session, finished=False, missed_at=0,",
            "replace(session, missed_at=0,",
        ),
        Mutant(
            "who came back is forgotten before it is judged",
            "session = missed(replace(session, present=len(snapshot.participants)), snapshot, now)",
            "session = remembered(missed(session, snapshot, now), audience, now)",
        ),
        Mutant("stale for ever", "stale=False, looked_at=now)", "looked_at=now)"),
        Mutant(
            "an agent came when its job was listed",
            "return before.named_since if known and known.served_by_name else now",
            "return now",
        ),
    ),
    "dispatcher/core/retries.py": (
        Mutant("no backoff", "(timing.BACKOFF_MS << min(failures - 1, 10))", "0 * failures"),
        Mutant("starved for good", "due_at=now + assignment.policy.retry_every", "due_at=now + 10**12"),
        Mutant(
            "no fallback",
            "if assignment.target_index + 1 < len(assignment.policy.targets):",
            "if not assignment.policy.targets:",
        ),
        Mutant("no grace", "now + assignment.policy.finish_grace", "now"),
        Mutant("a dead target is asked three times", "and lifeless and not last:", "and not last and not assignment:"),
        Mutant("the last target is asked once", "and lifeless and not last:", "and lifeless:"),
        Mutant("no brake on crashes", "crashes=crashes + 1, due_at=now + wait)", "crashes=crashes + 1)"),
    ),
    "dispatcher/core/transitions.py": (
        Mutant(
            "an unknown outcome counts as unsent",
            "    return with_entry(session, entry)\n",
            "    return unsent(session, step, now, why)\n",
        ),
        Mutant("what was asked to go is asked at once again", "retract_at=again,", "retract_at=now,"),
    ),
    "dispatcher/core/assignments.py": (
        Mutant(
            "everybody's rule has an assignment",
            "    if rule.go_on or rule.policy.per",
            "    if rules or rule.policy.per",
        ),
    ),
}

if __name__ == "__main__":
    run_all(MUTANTS, SELECTIONS)
