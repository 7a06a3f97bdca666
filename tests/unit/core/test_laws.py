"""Laws that hold in any life of a room, however hostile; hypothesis looks for one in which they do not."""

from hypothesis import given, settings

from dispatcher.core.plan import Create, Look, Rest, Retract, Step, Wait, plan
from dispatcher.core.record import dump, load
from dispatcher.core.rules import Rule
from dispatcher.core.see import see
from dispatcher.core.session import ATTEMPTS_MAX, NOTES_MAX, TIMELINE_MAX, Session
from tests.unit.core.lives import LIVES, RULES, Happening
from tests.unit.core.scene import Scene
from tests.unit.core.world import INSTANCE, LOBBY, person, rule


class Watched(Scene):
    """A scene in which every Create and Retract is held against the laws."""

    def ask(self) -> Create:
        """The Create that is due has been sent, lawfully."""
        before = self.session
        step = super().ask()
        asked = before.want(step.want)
        assert asked is not None
        assert asked.open == (), "law 5: an attempt is open"
        assert step.number > asked.last, "law 2: the number was used"
        assert not (before.over or before.missed_at or before.stale), "laws 4 and 14: the room was not seen alive"
        assert before.seen_at == self.now, "law 4: the look was not fresh"
        assert asked.attended or asked.policy.on == "room", "nobody is there"
        return step

    def take_back(self) -> Retract:
        """The Retract that is due has been carried out, lawfully."""
        before = self.session
        step = super().take_back()
        asked = before.want(step.want)
        assert asked is not None
        [taken] = [one for one in asked.attempts if one.number == step.number]
        assert taken.ours, "law 13: not ours"
        assert not taken.open, "an open attempt"
        assert bool(step.agent) != bool(step.dispatch), "the agent first"
        return step


def lived(rules: tuple[Rule, ...], life: list[Happening]) -> Scene:
    """The scene after a life, in which each happening was followed by whatever was due."""
    scene = Watched(*rules)
    for happening in life:
        happening(scene)
        scene.settle()
    return scene


@given(rules=RULES, life=LIVES)
def test_laws_2_4_5_13_14_hold_in_every_life(rules: tuple[Rule, ...], life: list[Happening]) -> None:
    """No Create or Retract that a law forbids, and the driver finds an end in few rounds."""
    lived(rules, life)
