"""`dispatcher doctor`, on a real Valkey and a fake LiveKit: what it prints, and its exit code."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.cli.doctor import examine
from dispatcher.cli.main import main
from dispatcher.config import Config, LedgerAt, Secret
from dispatcher.ledger.installation import Installation, LiveKitAt
from dispatcher.ledger.redis import address
from dispatcher.ledger.redis.ledger import RedisLedger
from dispatcher.testing import DEV_KEYS, FakeLiveKit, WorkerServer
from tests.integration.house import config, rule
from tests.real.redis_servers import Redis, alone, cluster, debian_redis, secured, sentinels
from tests.real.server import free_port


@pytest.fixture
async def livekit() -> AsyncIterator[FakeLiveKit]:
    """A LiveKit with one room."""
    async with FakeLiveKit() as fake:
        await fake.rooms.open("lobby")
        yield fake


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Redis]:
    """A Valkey that keeps nothing on disk."""
    with alone(tmp_path / "valkey") as server:
        yield server


def settings(livekit: FakeLiveKit) -> Config:
    """A configuration for this LiveKit."""
    return config(livekit.url, rule("greeter"))


async def examined(settings: Config, redis: str | None) -> tuple[int, str]:
    """The exit code, and everything written."""
    lines: list[str] = []
    ledger = None if redis is None else LedgerAt("redis", address.read(redis))
    code = await examine(replace(settings, ledger=ledger), lines.append)
    return code, "".join(lines)


async def test_without_redis_it_asks_livekit_alone(livekit: FakeLiveKit) -> None:
    """The ledger is in memory, and that is well."""
    code, told = await examined(settings(livekit), None)

    assert code == 0
    assert "ok       ledger: in memory" in told
    assert f"ok       livekit default: {livekit.url}: 1 rooms" in told


async def test_rules_of_projects_are_counted_once_each(livekit: FakeLiveKit) -> None:
    """Whether they stand beside the projects, or in one."""
    shared = settings(livekit)
    (project,) = shared.projects
    own = replace(shared, rules=(), projects=(replace(project, rules=(rule("greeter"), rule("notes", name="notes"))),))

    assert ": 1 rule\n" in (await examined(shared, None))[1]
    assert ": 2 rules\n" in (await examined(own, None))[1]


async def test_workers_are_asked_once(livekit: FakeLiveKit) -> None:
    """Those that are configured; who does not answer is a warning, as no dispatch depends on it."""
    async with WorkerServer("greeter") as worker:
        urls = (worker.url, "http://127.0.0.1:9")
        code, told = await examined(replace(settings(livekit), workers=urls), None)

    assert code == 0
    assert "ok       workers: registered: `greeter` x1" in told
    assert "warning  workers: http://127.0.0.1:9: refused; livekit-agents answers there" in told


async def test_a_redis_that_keeps_nothing_is_a_warning(livekit: FakeLiveKit, valkey: Redis) -> None:
    """It is near, of the right version, evicts nothing and takes writes; exit code 0."""
    code, told = await examined(settings(livekit), valkey.url)

    assert code == 0
    assert "error" not in told
    assert "maxmemory-policy noeviction" in told
    assert f"warning  redis 127.0.0.1:{valkey.port}: neither an append-only file nor a replica" in told
    assert "ok       redis writes" in told


async def test_a_redis_that_evicts_is_an_error(livekit: FakeLiveKit, valkey: Redis) -> None:
    """It is told with what to do about it; exit code 1."""
    valkey.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    code, told = await examined(settings(livekit), valkey.url)

    assert code == 1
    assert "maxmemory-policy allkeys-lru; sessions would vanish with no word: CONFIG SET" in told


async def test_a_replica_is_an_error_twice(livekit: FakeLiveKit, valkey: Redis) -> None:
    """It says so, and it takes no write."""
    valkey.ask("REPLICAOF", "127.0.0.1", 1)

    code, told = await examined(settings(livekit), valkey.url)

    assert code == 1
    assert "a replica: it refuses every write" in told
    assert "error    redis writes: Redis: ReadOnlyError" in told


async def test_a_redis_that_is_not_there_is_an_error(livekit: FakeLiveKit) -> None:
    """Its reason is told, and LiveKit is asked all the same."""
    code, told = await examined(settings(livekit), f"redis://127.0.0.1:{free_port()}")

    assert code == 1
    assert "error    redis: 127.0.0.1:" in told
    assert ": Connection refused; docs/redis.md" in told
    assert "ok       livekit default" in told


async def test_a_redis_that_hangs_is_an_error(
    livekit: FakeLiveKit, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr("dispatcher.ledger.redis.checkup.WITHIN_S", 0.2)
    valkey.hang()

    code, told = await examined(settings(livekit), valkey.url)

    assert code == 1
    assert "error    redis: Redis: no answer within 0.2 s" in told


async def test_q4_a_wrong_secret_is_an_error(livekit: FakeLiveKit) -> None:
    """LiveKit refuses the key, and it is said what that means; the secret is not."""
    [project] = settings(livekit).projects
    wrong = replace(project, keys=dict.fromkeys(DEV_KEYS, Secret("not-the-secret-at-all-not-the-secret")))

    code, told = await examined(replace(settings(livekit), projects=(wrong,)), None)

    assert code == 1
    assert f"error    livekit default: {livekit.url}: unauthorized; the key or the secret is not this server's" in told
    assert "not-the-secret" not in told


async def test_every_master_of_a_cluster_is_examined(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """Each has its lines."""
    with cluster(tmp_path) as here:
        code, told = await examined(settings(livekit), here.url)

        assert code == 0
        for node in here.nodes:
            assert f"ok       redis 127.0.0.1:{node.port}: valkey" in told


async def test_another_installation_on_the_same_keys_is_an_error(livekit: FakeLiveKit, valkey: Redis) -> None:
    """It is named, with what to do; under another name nobody is in the way, and production itself is well."""
    installation = Installation(livekits=lambda: {"default": LiveKitAt("other.example:443", ("APIother",))})
    async with aclosing(RedisLedger(address.read(valkey.url), installation=installation)) as ledger:
        await ledger.counts()
        code, told = await examined(settings(livekit), valkey.url)
        named, told_of_named = await examined(replace(settings(livekit), instance="staging"), valkey.url)
    after, _ = await examined(settings(livekit), valkey.url)

    assert (code, named, after) == (1, 0, 0)
    assert "error    redis keys: instance default is another installation's, which has default at other.example" in told
    assert "give one of the two another `instance`" in told
    assert "ok       redis keys: no other installation works as instance staging" in told_of_named


async def test_the_doctor_owns_nothing(livekit: FakeLiveKit, valkey: Redis) -> None:
    """Who was examined first is not the one whose keys they are."""
    await examined(settings(livekit), valkey.url)

    assert [key for key in valkey.ask("KEYS", "*") if ":o:" in key] == []


async def test_two_projects_that_are_one_livekit_are_an_error(livekit: FakeLiveKit) -> None:
    """By another name of the same place, which the configuration cannot know: their rooms are the same."""
    [project] = settings(livekit).projects
    alias = replace(project, name="alias", url=livekit.url.replace("127.0.0.1", "localhost"))
    both = replace(settings(livekit), projects=(project, alias))

    code, told = await examined(both, None)

    assert code == 1
    assert "error    livekit alias: its rooms are those of project default as well" in told


def test_the_command_tells_warnings_too_and_fails_on_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A port that Kubernetes has set is a warning, a LiveKit that is not there an error: exit code 1."""
    url = f"http://127.0.0.1:{free_port()}"
    environment = {"LIVEKIT_URL": url, "DISPATCHER_AGENT": "greeter", "DISPATCHER_PORT": "tcp://10.0.0.1:8080"}
    key, secret = next(iter(DEV_KEYS.items()))
    for name, value in {**environment, "LIVEKIT_API_KEY": key, "LIVEKIT_API_SECRET": secret}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    assert main(["doctor"]) == 1

    told = capsys.readouterr().out
    assert "warning  configuration: environment: DISPATCHER_PORT" in told
    assert f"error    livekit default: {url}: unreachable (Connection refused); nobody answers there" in told


@pytest.mark.real
async def test_the_master_behind_sentinels_is_examined(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """It is named as the sentinels name it, and its replicas are persistence enough."""
    with sentinels(tmp_path) as here:
        code, told = await examined(settings(livekit), here.url)

    assert code == 0
    assert "ok       redis main: 2 replicas" in told


@pytest.mark.real
async def test_a_user_of_few_rights_may_do_all_but_see_everything(livekit: FakeLiveKit, tmp_path: Path) -> None:
    """Over TLS, with the rights that docs/redis.md asks for: it writes, and what INFO says is unknown."""
    with secured(tmp_path, debian_redis()) as server:
        code, told = await examined(settings(livekit), server.url)

    assert code == 0
    assert "warning  redis" in told
    assert "are not for this user to see; ask whoever runs it; or allow the user +info" in told
    assert "ok       redis writes" in told
