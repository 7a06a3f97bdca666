"""What else LiveKit tells while rooms open: tracks, an audience, egress; three in four of rooms without an agent."""

import itertools
from collections.abc import Iterator
from typing import Final, NamedTuple

from google.protobuf import json_format
from livekit.protocol import models

from bench.field.livekit import LiveKit, Visit

STAGES: Final = 50  # rooms with an audience, for which no agent is wanted
SEATS: Final = 20  # people there at the start
OURS_EVERY: Final = 4


class Event(NamedTuple):
    """What a webhook tells."""

    name: str
    visit: Visit
    content: dict[str, object]


class Background:
    """The stages stand in a LiveKit; each event that is asked for has happened there."""

    def __init__(self, livekit: LiveKit, numbers: Iterator[int]) -> None:
        self._livekit, self._numbers = livekit, numbers
        self._turn, self._told = itertools.count(), itertools.count()
        self._stages = [self._stage(f"stage-{next(numbers)}") for _ in range(STAGES)]

    def event(self) -> Event:
        """The next one; one in four is of a room that has an agent."""
        turn = next(self._turn)
        if turn % OURS_EVERY == 0 and (ours := self._served()) is not None:
            return self._in_ours(ours, turn // OURS_EVERY)
        told = next(self._told)
        return self._on_stage(self._stages[told % STAGES], told // STAGES)

    def close(self) -> None:
        """The stages are gone, untold."""
        for stage in self._stages:
            del self._livekit.visits[stage.room.name]

    def _served(self) -> Visit | None:
        newest = itertools.islice(reversed(self._livekit.visits.values()), 200)
        return next((visit for visit in newest if visit.agents and visit.people), None)

    def _in_ours(self, visit: Visit, turn: int) -> Event:
        recorder = models.ParticipantInfo(
            sid=f"PA_{visit.room.sid}_rec", identity="EG_1", kind=models.ParticipantInfo.EGRESS
        )
        recorder.state = models.ParticipantInfo.ACTIVE
        match turn % 4:
            case 0:
                return Event("track_published", visit, _track(visit.person))
            case 1:
                return Event("participant_joined", visit, of(recorder))
            case 2:
                return Event("track_unpublished", visit, _track(visit.person))
        return Event("participant_left", visit, of(recorder))

    def _on_stage(self, stage: Visit, turn: int) -> Event:
        match turn % 6:
            case 0:
                stage.people.append(_person(next(self._numbers)))
                return Event("participant_joined", stage, of(stage.people[-1]))
            case 1:
                return Event("track_published", stage, _track(stage.people[-1]))
            case 2:
                return Event("egress_started", stage, _egress(stage, "EGRESS_ACTIVE"))
            case 3:
                return Event("track_unpublished", stage, _track(stage.people[-1]))
            case 4:
                return Event("egress_ended", stage, _egress(stage, "EGRESS_COMPLETE"))
        return Event("participant_left", stage, of(stage.people.pop(0)))

    def _stage(self, name: str) -> Visit:
        room = models.Room(sid=f"RM_{name}", name=name, creation_time=1, creation_time_ms=1000)
        people = [_person(next(self._numbers)) for _ in range(SEATS)]
        visit = self._livekit.visits[name] = Visit(room, people[0], people)
        return visit


def _person(number: int) -> models.ParticipantInfo:
    made = models.ParticipantInfo(sid=f"PA_{number:012}", identity=f"listener-{number}", joined_at=1, joined_at_ms=1000)
    made.state = models.ParticipantInfo.ACTIVE
    return made


def of(who: models.ParticipantInfo) -> dict[str, object]:
    """What a webhook has of a participant."""
    return {"participant": json_format.MessageToDict(who)}


def _track(who: models.ParticipantInfo) -> dict[str, object]:
    return {**of(who), "track": {"sid": f"TR_{who.sid}", "mimeType": "audio/opus", "source": "MICROPHONE"}}


def _egress(stage: Visit, status: str) -> dict[str, object]:
    info = {"egressId": f"EG_{stage.room.sid}", "roomId": stage.room.sid, "roomName": stage.room.name, "status": status}
    return {"egressInfo": info}
