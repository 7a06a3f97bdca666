"""Whatever the OpenAPI document allows, and what it does not, is asked of the running service by schemathesis."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.integration.house import TOKEN, house, rule

SECONDS: Final = int(os.environ.get("FUZZ_SECONDS", "30"))  # `make fuzz` takes longer
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)  # not whether other methods are refused: a room may be called `a/look`, so GET of that path is one


@pytest.mark.slow("random requests for as long as SECONDS")
async def test_no_request_is_a_defect_and_each_answer_is_as_documented() -> None:
    """No 5xx, no error in the log, no answer that the document does not have; somebody is in a room meanwhile."""
    async with house(rule("greeter")) as here:
        here.livekit.workers.register("greeter")
        await here.livekit.rooms.join("lobby", "alice")
        fuzzer = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"),
            "run",
            f"{here.service.admin_url}/v1/openapi.json",
            *("--header", f"Authorization: Bearer {TOKEN}"),
            *("--max-time", str(SECONDS)),
            *("--exclude-path", "/v1/events"),  # a stream has no end
            *("--checks", ",".join(CHECKS)),
            "--no-color",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await fuzzer.communicate()
        assert fuzzer.returncode == 0, out.decode()
        assert [line for line in here.lines if line["action"] == "request.failed"] == []
        assert 'loop="http"' not in str(await here.counted("loop_errors_total"))
