"""What a look at the room says of a launch."""

import pytest

from dispatcher.launcher.judgement import LISTED_MS, MISSING_MS, OWNER_GONE_MS, RoomSeen, Sight, judged
from dispatcher.launcher.launch import Launch, LaunchEnd

JOIN_WITHIN = 30_000
START = 1_000
HERE = {"avatar": "PA_1", "agent": "PA_2"}
ALONE = {"avatar": "PA_1"}
STRANGER = {"avatar": "PA_0", "agent": "PA_2"}


def seen(at: int, active: dict[str, str], sid: str = "RM_1") -> RoomSeen:
    """Who is there `at` so many milliseconds after the start."""
    return RoomSeen(began_boot=START + at, sid=sid, active=active)


@pytest.mark.parametrize(
    ("looks", "end"),
    [
        ([seen(0, {})], None),
        ([seen(JOIN_WITHIN - 1, {})], None),
        ([seen(JOIN_WITHIN, {})], LaunchEnd.NO_SHOW),
        ([seen(JOIN_WITHIN, HERE)], None),
        ([seen(0, {}, sid="")], None),  # no room yet: its process may open it
        ([seen(0, HERE), seen(1, {}, sid="")], LaunchEnd.ROOM_FINISHED),
        ([seen(0, HERE), seen(1, HERE, sid="RM_2")], LaunchEnd.ROOM_FINISHED),
        ([seen(0, HERE), seen(1, {"agent": "PA_2"})], None),
        ([seen(0, HERE), seen(1, {"agent": "PA_2"}), seen(MISSING_MS, {"agent": "PA_2"})], None),
        ([seen(0, HERE), seen(1, {"agent": "PA_2"}), seen(MISSING_MS + 1, {"agent": "PA_2"})], LaunchEnd.LEFT),
        ([seen(0, HERE), seen(1, {"agent": "PA_2"}), seen(2, HERE), seen(MISSING_MS + 1, {"agent": "PA_2"})], None),
        ([seen(0, HERE), seen(1, ALONE), seen(OWNER_GONE_MS, ALONE)], None),
        (
            [seen(0, HERE), seen(1, ALONE), seen(OWNER_GONE_MS + 1, ALONE)],
            LaunchEnd.OWNER_LEFT,
        ),
        ([seen(0, HERE), seen(1, ALONE), seen(2, HERE), seen(20_000, HERE)], None),
        ([seen(0, {}), seen(OWNER_GONE_MS, {})], LaunchEnd.OWNER_LEFT),  # while it is still starting
        (
            [seen(0, STRANGER), seen(JOIN_WITHIN, STRANGER)],
            LaunchEnd.NO_SHOW,
        ),
    ],
)
def test_why_it_has_to_end(looks: list[RoomSeen], end: LaunchEnd | None) -> None:
    """By the looks in their order; PA_0 had its identity before it was started."""
    launch, sight = Launch(id="1", launcher="avatar", identity="avatar", behalf="agent", started_boot=START), Sight()
    sight.strangers = frozenset({"PA_0"})
    judgements = []
    for look in looks:
        sight.note(launch, look)
        judgements.append(judged(launch, sight, look, JOIN_WITHIN))

    assert judgements == [None] * (len(looks) - 1) + [end]


def test_it_joins_once_and_is_known_by_its_newest_sid() -> None:
    """Whoever reconnects has a new SID, and has not joined anew."""
    launch, sight = Launch(id="1", launcher="avatar", identity="avatar", accepted_boot=500), Sight()
    assert launch.joined_after is None
    for at, sid in ((0, "PA_1"), (9, "PA_2")):
        sight.note(launch, seen(at, {"avatar": sid}))

    assert launch.joined_boot - launch.accepted_boot == 500
    assert (launch.room_sid, launch.participant) == ("RM_1", "PA_2")
    assert sight.calm
    sight.note(launch, seen(10, {}))
    assert not sight.calm


def test_a_launch_for_one_life_of_a_room_ends_with_it_before_it_has_joined() -> None:
    """At once, if it was listed; else only when a list that lags behind would show it."""
    for sid in ("", "RM_2"):
        mine = Launch(id="L1", launcher="avatar", identity="avatar", room_sid="RM_1", started_boot=START)
        sight = Sight()
        assert noted(mine, sight, seen(0, {}, sid)) is None
        assert noted(mine, sight, seen(LISTED_MS - 1, {}, sid)) is None
        assert noted(mine, sight, seen(LISTED_MS, {}, sid)) is LaunchEnd.ROOM_FINISHED

        assert noted(mine, sight := Sight(), seen(0, {})) is None
        assert noted(mine, sight, seen(1, {}, sid)) is LaunchEnd.ROOM_FINISHED


def test_one_that_has_joined_while_no_list_shows_its_room_goes_on() -> None:
    """Its room is the one that is listed then."""
    mine, sight = Launch(id="L1", launcher="avatar", identity="avatar", started_boot=START), Sight()

    assert noted(mine, sight, seen(0, HERE, "")) is None
    assert noted(mine, sight, seen(1, HERE, "RM_2")) is None
    assert noted(mine, sight, seen(2, HERE, "RM_3")) is LaunchEnd.ROOM_FINISHED


def noted(launch: Launch, sight: Sight, look: RoomSeen) -> LaunchEnd | None:
    """What a look says, once it is remembered."""
    sight.note(launch, look)
    return judged(launch, sight, look, JOIN_WITHIN)
