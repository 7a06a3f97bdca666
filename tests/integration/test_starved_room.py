"""docs/starved-room.md shows what a service says today."""

from tests.integration.starved_room import documented, output, stable, starved_room


async def test_the_document_shows_what_commands_log_metrics_and_notice_say() -> None:
    """But for instants, spans and ids; `python -m tests.e2e.starved_room` writes it anew."""
    async with starved_room() as (here, ops):
        told = await output(here, ops)
    shown = documented()

    assert {name: stable(text) for name, text in told.items()} == {name: stable(shown[name]) for name in told}
    assert 'livekit_dispatcher_assignments{state="starved"} 1.0' in told["In the metrics"]


def test_every_block_of_the_document_is_of_a_run() -> None:
    """The alert's is tested in tests/e2e, with a real Prometheus."""
    assert set(documented()) == {"In the terminal", "In the log", "In the metrics", "The notice", "The alert"}
