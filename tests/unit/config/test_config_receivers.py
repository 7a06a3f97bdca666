"""Receivers of notices: what their fields must say together, and that no mistake shows a secret."""

from pathlib import Path

import pytest

from dispatcher.config.receivers import PAGERDUTY_URL
from tests.unit.config.files import RULE, loaded, told

KEY = "whsec_" + "A" * 32
BYTES = "write whsec_ and 24 to 64 bytes in base64: make one with `openssl rand -base64 32`"
NO_URL = "`url` is none: write https://, a host and a path"
ANSWERED = "url: 'https://hooks.example/hush-path'"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("format: slack", f"{NO_URL}, without a user"),
        (f"secret: {KEY}", f"{NO_URL}, without a user"),
        (ANSWERED, f"`secret` is missing: {BYTES}"),
        ("format: pagerduty", "`secret` is missing: write the integration's routing key"),
        (f"{ANSWERED}, format: slack, secret: hush-key", "`secret` is not for slack, whose URL is the secret"),
        (f"{ANSWERED}, secret: hush-key", f"`secret` is none: {BYTES}"),
        (f"{ANSWERED}, secret: whsec_hush", f"`secret` is too short or too long: {BYTES}"),
        (f"{ANSWERED}, secret: whsec_{'hush' * 22}", f"`secret` is too short or too long: {BYTES}"),
    ],
)
def test_each_format_has_what_it_needs_and_nothing_else(tmp_path: Path, fields: str, said: str) -> None:
    """Told at the receiver, with what to write; never what stands there, which may be a secret."""
    [line] = told(tmp_path, f"{RULE}notices: [{{name: ops, {fields}}}]")

    assert line == f"bad.yaml:2:11: notices[0]: {said}"
    assert "hush" not in line


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://hush.example", f"{NO_URL}, without a user"),
        ("https://", f"{NO_URL}, without a user"),
        ("https://hush@example.com/in", f"{NO_URL}, without a user"),
        ("https://hush.example:0/in", f"{NO_URL}, without a user"),
        ("https://hush.example:65536/in", NO_URL),
        ("https://[hush", NO_URL),
        ("http://hush.example/in", "`url` must be https; http is for a receiver with `allow_private: true`"),
    ],
)
@pytest.mark.parametrize("format_", ["standard", "pagerduty"])
def test_a_url_must_be_one_that_can_be_trusted(tmp_path: Path, format_: str, url: str, said: str) -> None:
    """Also where the format has one of its own, and this one takes its place."""
    fields = f"{{name: ops, format: {format_}, url: '{url}', secret: {KEY}}}"

    [line] = told(tmp_path, f"{RULE}notices: [{fields}]")

    assert line == f"bad.yaml:2:11: notices[0]: {said}"
    assert "hush" not in line


def test_http_is_for_who_may_be_at_a_private_address(tmp_path: Path) -> None:
    """What `allow_private` says of the address holds for the scheme, too."""
    fields = f"{{name: ops, url: 'http://10.0.0.7/in', secret: {KEY}, allow_private: true}}"

    [one] = loaded(tmp_path, f"{RULE}notices: [{fields}]").receivers

    assert (one.url.get_secret_value(), one.allow_private) == ("http://10.0.0.7/in", True)


def test_pagerduty_s_url_need_not_be_written(tmp_path: Path) -> None:
    """A region's own may be."""
    fields = "{name: a, format: pagerduty, secret: key}, {name: b, format: pagerduty, secret: key, url: 'https://eu.example'}"

    receivers = loaded(tmp_path, f"{RULE}notices: [{fields}]").receivers

    assert [one.url.get_secret_value() for one in receivers] == [PAGERDUTY_URL, "https://eu.example"]


@pytest.mark.parametrize("secret", [KEY, KEY.removeprefix("whsec_"), "whsec_" + "AAAA" * 21 + "AA=="])
def test_a_key_of_24_to_64_bytes_is_taken(tmp_path: Path, secret: str) -> None:
    """With its prefix and without it."""
    [one] = loaded(tmp_path, f"{RULE}notices: [{{name: ops, {ANSWERED}, secret: '{secret}'}}]").receivers

    assert one.secret.get_secret_value() == secret


def test_a_name_is_one_receiver_s_alone(tmp_path: Path) -> None:
    """Told at the second place, beside what else is wrong there."""
    first, second = f"name: ops, {ANSWERED}, format: slack", f"name: ops, {ANSWERED}"

    assert told(tmp_path, f"{RULE}notices:\n- {{{first}}}\n- {{{second}}}\n") == [
        f"bad.yaml:4:3: notices[1]: `secret` is missing: {BYTES}",
        "bad.yaml:4:10: notices[1].name: notices[0] has the same name",
    ]


def test_receivers_are_eight_at_most(tmp_path: Path) -> None:
    """Each has a loop and a queue of its own."""
    many = [f"{{name: ops-{number}, {ANSWERED}, format: slack}}" for number in range(9)]

    assert len(loaded(tmp_path, f"{RULE}notices: [{', '.join(many[:8])}]").receivers) == 8
    assert told(tmp_path, f"{RULE}notices: [{', '.join(many)}]") == ["bad.yaml:2:10: notices: write at most 8"]
