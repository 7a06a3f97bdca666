"""The configuration in force, over the API: shown without secrets, with what a reload has done."""

from pathlib import Path

import yaml
from msgspec.structs import replace

from tests.integration.house import TOKEN
from tests.integration.test_reload import BAD, GREETER, SECRET, following, reload
from tests.integration.test_steering import answered, asking, token, tokens


async def test_what_is_in_force_is_told_with_the_reload_that_was_refused(tmp_path: Path) -> None:
    """Where it comes from and since when; a bad file changes nothing but `refused`; no secret is in it."""
    async with following(tmp_path) as (here, written), asking(here) as http:
        _, first = await answered(http, "GET", "/v1/config")
        assert (first["file"], first["refused"], first["deferred"]) == (str(written.file), None, [])
        assert yaml.safe_load(first["yaml"])["rules"][0]["agent"] == "greeter"
        assert [secret for secret in (SECRET, TOKEN) if secret in str(first)] == []

        await reload(here, written, BAD, "config.rejected")
        _, refused = await answered(http, "GET", "/v1/config")
        assert (refused["yaml"], refused["loaded_at"]) == (first["yaml"], first["loaded_at"])
        assert refused["refused"]["at"] >= first["loaded_at"]
        assert "agnet" in "".join(refused["refused"]["problems"])

        await reload(here, written, GREETER.replace("greeter", "host") + "concurrency: 7\n")
        _, after = await answered(http, "GET", "/v1/config")
        assert yaml.safe_load(after["yaml"])["rules"][0]["agent"] == "host"
        assert after["deferred"] == ["concurrency"]
        assert after["loaded_at"] >= after["refused"]["at"] == refused["refused"]["at"]


async def test_a_token_of_some_projects_does_not_see_all_of_them() -> None:
    """The configuration has every project, and everybody's tokens by name."""
    async with tokens(replace(token("admin"), projects=frozenset({"default"}))) as here, asking(here) as http:
        assert (await answered(http, "GET", "/v1/config"))[0] == 403
