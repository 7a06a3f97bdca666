"""Random lives: hostile ones, one for each seed; and the smallest that still goes wrong."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from msgspec.structs import replace

from dispatcher.core.facts import Ms
from tests.simulation.life import (
    EXTRAS,
    FORGERIES,
    PEOPLE,
    Answer,
    Call,
    End,
    Fate,
    Happening,
    Life,
    Reply,
    Trouble,
    What,
)
from tests.simulation.rulebook import RULEBOOK

DEAD: Final = ("greeter", "overflow", "voicemail", "phone", "launch:avatar")
CALM_MAX: Final[Ms] = 150_000
_FAULTS: Final = (
    *("fates", "creates", "looks", "retracts", "hooks", "troubles"),
    *("wipes", "turns", "versions", "pauses", "forgers", "closes", "orders"),
)
_NEED_TAGS: Final = {
    "wipes",
    "troubles",
    "creates",
    "forgers",
    "closes",
    "orders",
}  # an old server has none to be found by
_LISTS: Final = ("happenings", "fates", "creates", "looks", "retracts", "hooks", "troubles", "undecodable")
_PLAIN: Final = {
    "token": False,
    "forged": "",
    "replicas": 1,
    "durable": True,
    "rules": "one",
    "seed": 0,
    "looks_apart": 0,
    "creates_apart": 0,
    "knows_deployments": True,
    "dry_run": False,
    "dead": (),
    "crowd": False,
    "launchers": 1,
}


def life_of(seed: int) -> Life:
    """The life of this seed; each fault is left out of about half of them, so that none hides the others."""
    rnd = Random(seed)  # noqa: S311
    hostile = {fault for fault in _FAULTS if rnd.random() < 0.5}
    if rnd.random() < 0.1:
        hostile = hostile - _NEED_TAGS | {"old"}
    calm = rnd.randrange(5_000, CALM_MAX)
    replicas = rnd.choice((1, 1, 2))
    return Life(
        rules=rnd.choice(list(RULEBOOK)),
        seed=seed,
        happenings=tuple(_happenings(rnd, calm, hostile)),
        token=rnd.random() < 0.2,
        forged=rnd.choice(list(FORGERIES)) if "forgers" in hostile else "",
        fates=tuple(_fate(rnd) for _ in range(rnd.randrange(1, 9))) if "fates" in hostile else (),
        creates=tuple(_call(rnd, slow=12_000) for _ in range(rnd.randrange(1, 6))) if "creates" in hostile else (),
        looks=tuple(_call(rnd, slow=2_500) for _ in range(rnd.randrange(1, 25))) if "looks" in hostile else (),
        retracts=tuple(_call(rnd, slow=5_000) for _ in range(rnd.randrange(1, 6))) if "retracts" in hostile else (),
        hooks=tuple(_hook(rnd) for _ in range(rnd.randrange(1, 25))) if "hooks" in hostile else (),
        troubles=tuple(_trouble(rnd) for _ in range(rnd.randrange(1, 5))) if "troubles" in hostile else (),
        replicas=replicas,
        durable=replicas > 1 or "old" in hostile or rnd.random() < 0.7,
        looks_apart=rnd.choice((50, 200, 500)) if "turns" in hostile else 0,
        creates_apart=rnd.choice((50, 200, 500)) if "turns" in hostile else 0,
        undecodable=tuple(rnd.sample(range(1, 20), rnd.randrange(6))) if "versions" in hostile else (),
        knows_deployments="old" not in hostile,
        dry_run=rnd.random() < 0.05,
        dead=tuple(rnd.sample(DEAD, rnd.randrange(1, 4))) if rnd.random() < 0.2 else (),
        crowd=rnd.random() < 0.3,
        launchers=rnd.choice((1, 2)),
        calm=calm,
    )


def _happenings(rnd: Random, calm: Ms, hostile: set[str]) -> Iterator[Happening]:
    yield Happening(rnd.randrange(1_000), What.JOINS, rnd.choice(list(PEOPLE)))
    everybody = [*PEOPLE, *PEOPLE, *EXTRAS]
    usual = [What.JOINS] * 6 + [What.LEAVES] * 4 + [What.CLOSES] * ("closes" in hostile)
    usual += [What.KICKS, What.ASKS, What.DELETES, What.ABORTS] + [What.RELOADS] * 2
    for _ in range(rnd.randrange(8)):
        yield Happening(rnd.randrange(calm), rnd.choice(usual), rnd.choice(everybody))
    for _ in range(rnd.randrange(1, 4) if "forgers" in hostile else 0):
        yield Happening(rnd.randrange(calm), What.FORGES, rnd.choice(list(FORGERIES)))
        yield Happening(rnd.randrange(calm), What.JOINS, "twin")
    for _ in range(rnd.randrange(1, 3) if "wipes" in hostile else 0):
        yield Happening(rnd.randrange(calm), What.WIPES)
    for _ in range(rnd.randrange(1, 5) if "orders" in hostile else 0):
        what = rnd.choice((What.ORDERS, What.ORDERS, What.CANCELS, What.RETRIES))
        yield Happening(rnd.randrange(calm), what, rnd.choice(("greeter", "sales")) if what is What.ORDERS else "")
    for _ in range(rnd.randrange(1, 3) if "pauses" in hostile else 0):
        began = rnd.randrange(calm)
        yield Happening(began, What.PAUSES, rnd.choice(("greeter", "greeter", "overflow", "phone", "launch:avatar")))
        yield Happening(rnd.randrange(began, calm), What.RESUMES)


def _fate(rnd: Random) -> Fate:
    return Fate(
        answer=rnd.choice((Answer.ACCEPTS,) * 5 + (Answer.SILENT, Answer.SILENT, Answer.REJECTS, Answer.NO_SHOW)),
        take=rnd.choice((100, 300, 2_000, 6_000, 11_000, 14_000, 25_000)),
        lag=rnd.choice((20, 300, 2_000, 5_000)),
        start=rnd.choice((50, 300, 3_000, 28_000, 35_000)),
        end=rnd.choice((End.STAYS,) * 4 + tuple(End)),
        stay=rnd.choice((1_000, 4_000, 6_000, 20_000, 70_000)),
        fixed=rnd.random() < 0.2,
        outlives=rnd.random() < 0.7,
        bound=rnd.random() < 0.3,
        revives=rnd.random() < 0.7,
    )


def _call(rnd: Random, *, slow: Ms) -> Call:
    reply = rnd.choice((Reply.OK,) * 4 + tuple(Reply))
    return Call(reply=reply, took=rnd.choice((5, 20, 20, 100, 1_000, rnd.randrange(1, slow))))


def _hook(rnd: Random) -> tuple[Ms, ...]:
    kind = rnd.random()
    if kind < 0.25:
        return ()
    if kind < 0.4:
        return (10, rnd.randrange(20_000))
    return (rnd.choice((10, 30, 100, 2_000, rnd.randrange(30_000))),)


def _trouble(rnd: Random) -> Trouble:
    return Trouble(rnd.randrange(1, 80), rnd.choice((10, 1_000, 9_000, 12_000, 25_000)), dies=rnd.random() < 0.6)


def shrunk(life: Life, wrong: Callable[[Life], bool], *, tries: int = 400) -> Life:
    """A smaller life that still is wrong: entries left out or made usual, as far as so many tries reach."""
    candidates = _smaller(life)
    for _ in range(tries):
        smaller = next(candidates, None)
        if smaller is None:
            break
        if wrong(smaller):
            life, candidates = smaller, _smaller(smaller)
    return life


def _smaller(life: Life) -> Iterator[Life]:
    for name in _LISTS:
        if getattr(life, name):
            yield replace(life, **{name: ()})
    for name, plain in _PLAIN.items():
        if getattr(life, name) != plain:
            yield replace(life, **{name: plain})
    for name in _LISTS:
        listed = getattr(life, name)
        for index in reversed(range(len(listed))):
            yield replace(life, **{name: listed[:index] + listed[index + 1 :]})
        for index, entry in enumerate(listed):
            for simpler in _simpler(entry):
                yield replace(life, **{name: (*listed[:index], simpler, *listed[index + 1 :])})


def _simpler(entry: object) -> Iterator[object]:
    """The entry as the usual one, or with one of its fields as usual."""
    match entry:
        case Fate() | Call():
            usual = type(entry)()
            if entry != usual:
                yield usual
                for field in entry.__struct_fields__:
                    if getattr(entry, field) != getattr(usual, field):
                        yield replace(entry, **{field: getattr(usual, field)})
        case tuple() if entry != (10,):
            yield (10,)
        case _:
            return
