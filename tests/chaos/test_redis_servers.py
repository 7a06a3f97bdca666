"""The servers that the chaos stands on are what they claim to be."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.real.redis_servers import (
    ALL_DATA,
    Make,
    alone,
    cluster,
    debian_redis,
    secured,
    sentinels,
    valkey,
    wait_until,
)

pytestmark = pytest.mark.real
MAKES = pytest.mark.parametrize("make", [valkey, debian_redis])
LONG_ON_REDIS = pytest.mark.parametrize("make", [valkey, pytest.param(debian_redis, marks=pytest.mark.long)])


@MAKES
@pytest.mark.parametrize(("options", "kept"), [((), None), (ALL_DATA, "1")])
def test_killed_it_comes_back_with_what_it_kept(
    make: Callable[[], Make], options: tuple[str, ...], kept: str | None, tmp_path: Path
) -> None:
    """With every write on disk all is there again, without it nothing; the port is the same."""
    with alone(tmp_path, *options, make=make()) as server:
        server.ask("SET", "a", "1")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            server.ask("PING")
        server.start()
        server.wait_ready()

        assert server.ask("GET", "a") == kept


@MAKES
def test_a_server_that_hangs_says_nothing_until_it_goes_on(make: Callable[[], Make], tmp_path: Path) -> None:
    """It is connected to and silent; then it answers."""
    with alone(tmp_path, make=make()) as server:
        server.hang()
        with pytest.raises(redis.TimeoutError):
            server.ask("PING")
        server.resume()

        assert server.ask("PING") is True


def test_tls_is_for_the_one_user_who_may_not_administrate(tmp_path: Path) -> None:
    """With the authority's certificate and the password all of `ld:` is writable; INFO, and other keys, are not."""
    plain = partial(redis.Redis, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    with secured(tmp_path, debian_redis()) as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.set("ld:a", "1") is True
            for refused in (("SET", "a", "1"), ("INFO",), ("FLUSHALL",)):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*refused)
        with plain(port=server.port) as client, pytest.raises((redis.ConnectionError, redis.TimeoutError)):
            client.ping()


@LONG_ON_REDIS
def test_the_sentinels_put_a_replica_in_the_masters_place(make: Callable[[], Make], tmp_path: Path) -> None:
    """The master killed, another server is the master by their word, with what the old one had."""
    with sentinels(tmp_path, make=make()) as here:
        first = here.master()
        first.ask("SET", "a", "1")
        first.ask("WAIT", 2, 1000)
        first.kill()
        wait_until(lambda: here.master() is not first, "a failover")

        wait_until(lambda: here.master().ask("ROLE")[0] == "master", "the new master knows")
        assert here.master().ask("GET", "a") == "1"


@LONG_ON_REDIS
def test_a_cluster_is_whole_again_when_its_dead_node_is_back(make: Callable[[], Make], tmp_path: Path) -> None:
    """Three masters serve all slots; one killed they do not; started again they do, with what it had kept."""
    with cluster(tmp_path, *ALL_DATA, make=make()) as here:
        here.nodes[0].ask("SET", "{b}", "1")  # slot 3300: the first node's
        here.nodes[0].kill()
        rest = here.nodes[1]
        wait_until(lambda: "cluster_state:fail" in rest.ask("CLUSTER", "INFO"), "the others miss it")
        here.nodes[0].start()
        here.nodes[0].wait_ready()
        wait_until(here.whole, "the cluster is whole")

        assert here.nodes[0].ask("GET", "{b}") == "1"
