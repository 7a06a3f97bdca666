"""What a configuration makes of trust: which dispatches' tags a project takes for ours."""

from msgspec.structs import replace

from dispatcher.config import Project, Secret
from dispatcher.core.plan import Create
from dispatcher.core.rules import Target
from dispatcher.core.snapshot import RoomSnapshot
from dispatcher.core.tags import Tag, Tags
from dispatcher.runtime.snapshot import ProjectRuntime, config_snapshot
from tests.integration.house import config, rule
from tests.unit.core.world import LOBBY, dispatch, session
from tests.unit.desk import NOWHERE, Staged

OLD, NEW = "an-old-secret-of-the-project", "the-secret-that-follows-it"
STEP = Create(assignment="greeter", number=3, target=Target("greeter"))


def site(*secrets: str, instance: str = "default") -> ProjectRuntime:
    """A project with these secrets, the first of which signs our calls."""
    keys = {f"key{number}": Secret(secret) for number, secret in enumerate(secrets)}
    project = Project(name="default", url="ws://localhost", keys=keys)
    configured = replace(config("ws://localhost", rule("greeter")), projects=(project,), instance=instance)
    return config_snapshot(configured, lambda _: Staged(), lambda _: NOWHERE, lambda *_: None).projects["default"]


def ours(made: Tags, read: Tags) -> bool:
    """Whether the one takes for its own what the other has made."""
    listed = RoomSnapshot(room=LOBBY, dispatches=(dispatch(tag=made.of(session(), STEP)),))
    return read.found(session(), listed) == {"AD_1": Tag("greeter", 3)}


def test_replicas_of_one_configuration_know_each_other_s_dispatches() -> None:
    """The secret is all that they share."""
    assert ours(site(NEW).tags, site(NEW).tags)


def test_s5_what_was_made_before_keys_were_rotated_is_ours_while_the_old_one_is_there() -> None:
    """Whichever stands first."""
    before, behind, first, after = (site(*secrets).tags for secrets in ([OLD], [OLD, NEW], [NEW, OLD], [NEW]))

    assert [ours(before, one) for one in (before, behind, first, after)] == [True, True, True, False]
    assert [ours(first, one) for one in (before, behind, first, after)] == [False, True, True, True]


def test_two_installations_of_one_project_are_strangers() -> None:
    """Each leaves the other's dispatches alone."""
    assert not ours(site(NEW, instance="blue").tags, site(NEW, instance="green").tags)


def test_law_11_neither_secrets_nor_keys_show_when_a_project_is_printed() -> None:
    """Wherever it may come to be logged."""
    made = site(NEW, OLD)

    assert NEW not in repr(made)
    assert OLD not in repr(made)
    assert "_keys" not in repr(made)
