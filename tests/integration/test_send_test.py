"""`dispatcher send-test`: whether webhooks arrive and are verified, tried without LiveKit."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from dispatcher.cli.main import main
from dispatcher.testing import DEV_KEYS
from tests.integration.house import House, house

KEY, SECRET = next(iter(DEV_KEYS.items()))
RECORDED = Path(__file__).parents[1] / "recorded" / "02-participant_joined-standard.json"
ENVIRONMENT = {"LIVEKIT_URL": "http://127.0.0.1:9", "LIVEKIT_KEYS": f"{KEY}: {SECRET}", "DISPATCHER_AGENT": "greeter"}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An empty folder, and an environment as the service has it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


async def sent(url: str, *arguments: str) -> int:
    """What the command ends with, run beside the service."""
    return await asyncio.to_thread(main, ["send-test", "--url", url, *arguments])


async def heard(here: House) -> Mapping[str, float]:
    """The webhooks that the service counts."""
    return await here.counted("webhooks_total")


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("written", ["{url}", "{url}/", "{url}/webhook", "{url}/webhook/"])
async def test_the_url_that_serve_prints_is_taken(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the webhook's path and without it."""
    async with house() as here:
        assert await sent(written.format(url=here.service.url)) == 0
        assert capsys.readouterr().out.startswith(f"{here.service.url}/webhook: 200 ignored")


@pytest.mark.usefixtures("shell")
async def test_a_webhook_of_nobody_arrives_and_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Signed, verified, ignored: exit code 0, and no session."""
    async with house() as here:
        assert await sent(here.service.url) == 0
        assert capsys.readouterr().out == f"{here.service.url}/webhook: 200 ignored, signed with {KEY}\n"
        assert await heard(here) == {'livekit_dispatcher_webhooks_total{event="other",result="ignored"}': 1}
        assert await here.service.ledger.list("default") == []


@pytest.mark.usefixtures("shell")
async def test_a_recorded_webhook_is_sent_as_livekit_would(capsys: pytest.CaptureFixture[str]) -> None:
    """Its body, signed anew; and sent again it is a repeat."""
    async with house() as here:
        for said in ("recorded", "duplicate"):
            assert await sent(here.service.url, "--event", str(RECORDED)) == 0
            assert f"200 {said}, signed" in capsys.readouterr().out


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("version", ["1.12", "v1.9.4", "1.13.5"])
async def test_it_is_sent_as_an_older_livekit_would(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Servers before 1.13.0 sign without `iat`: their webhooks are recorded, too."""
    async with house() as here:
        assert await sent(here.service.url, "--event", str(RECORDED), "--like", version) == 0
        assert "200 recorded, signed" in capsys.readouterr().out


@pytest.mark.usefixtures("shell")
async def test_a_version_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Told as every mistake in the command line: exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        await sent("http://127.0.0.1:9", "--like", "old")
    assert "argument --like: invalid" in capsys.readouterr().err


async def test_each_key_is_tried(shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One that the service does not know: exit code 1, the reason, and what to look at; never a secret."""
    shell.setenv("LIVEKIT_KEYS", f"{KEY}: {SECRET}\nAPIother: another-secret-another-secret")
    async with house() as here:
        assert await sent(here.service.url) == 1
        printed = capsys.readouterr().out
    taken, refused = printed.splitlines()
    assert taken == f"{here.service.url}/webhook: 200 ignored, signed with {KEY}"
    assert refused.endswith(
        "/webhook: 401 unknown_key (signed with an API key that no project here has), signed with APIother"
    )
    assert "another-secret" not in printed


async def test_a_secret_that_cannot_sign(shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A public key in its place is told, and nothing is sent."""
    shell.setenv("LIVEKIT_KEYS", f"{KEY}: ssh-ed25519 AAAA")
    async with house() as here:
        assert await sent(here.service.url) == 1
        assert capsys.readouterr().out.startswith(f"{KEY}: unusable_secret: ")
        assert await heard(here) == {}


@asynccontextmanager
async def stranger(answer: str) -> AsyncIterator[str]:
    """A server that is not ours."""

    async def say(_request: web.Request) -> web.Response:
        return web.Response(text=answer)

    app = web.Application()
    app.router.add_post("/webhook", say)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("answer", ["hello", "[]"])
async def test_somebody_else_answers(answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said in one line, whatever it answers."""
    async with stranger(answer) as url:
        assert await sent(url) == 1
    assert "is the service running there?" in capsys.readouterr().out


@pytest.mark.usefixtures("shell")
async def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """Said in one line."""
    assert await sent("http://127.0.0.1:9") == 1
    assert capsys.readouterr().out == (
        "http://127.0.0.1:9/webhook: Connection refused: is the service running there?\n"
    )


@pytest.mark.usefixtures("shell")
async def test_what_cannot_be_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """A file or a project that is not there: exit code 2."""
    assert await sent("http://127.0.0.1:9", "--event", "no.json") == 2
    assert await sent("http://127.0.0.1:9", "--project", "defualt") == 2
    assert capsys.readouterr().err.splitlines() == [
        "no.json: No such file or directory",
        "no project is named defualt; did you mean 'default'?",
    ]


async def test_a_project_of_lk_s_signs_it(
    shell: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its key and secret, and a warning of who else may read them."""
    for name in ENVIRONMENT.keys() - {"DISPATCHER_AGENT"}:
        shell.delenv(name)
    shell.setenv("HOME", str(tmp_path))
    file = tmp_path / ".livekit" / "cli-config.yaml"
    file.parent.mkdir()
    file.write_text(f"projects: [{{name: here, url: 'ws://127.0.0.1:9', api_key: {KEY}, api_secret: {SECRET}}}]\n")
    file.chmod(0o644)
    async with house() as here:
        assert await sent(here.service.url, "--lk-project", "here") == 0
    out, err = capsys.readouterr()
    assert out == f"{here.service.url}/webhook: 200 ignored, signed with {KEY}\n"
    assert err == f"{file}: others may read the secrets in it (644): chmod 600 {file}\n"
