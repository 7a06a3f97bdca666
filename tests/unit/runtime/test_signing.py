"""The key of tags: every replica derives the same from the project's secrets, and none shows it."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.runtime.signing import ProjectSigner

OLD, NEW = "an-old-secret-of-the-project", "the-secret-that-follows-it"


@given(text=st.text())
def test_what_one_replica_signs_another_knows(text: str) -> None:
    """The secret is all they share."""
    assert ProjectSigner([NEW]).signed(text, ProjectSigner([NEW]).sign(text))


def test_s5_while_keys_are_rotated_either_is_known_and_the_first_signs() -> None:
    """As with webhooks; once the old one is gone, so is what it signed."""
    before, between, after = ProjectSigner([OLD]), ProjectSigner([NEW, OLD]), ProjectSigner([NEW])

    assert between.signed("x", before.sign("x"))
    assert after.signed("x", between.sign("x"))
    assert not after.signed("x", before.sign("x"))
    assert not before.signed("x", between.sign("x"))


def test_a_signature_is_of_one_text_and_whole() -> None:
    """Not of another, not a part of it, not one with something behind it."""
    signer = ProjectSigner([NEW])
    signature = signer.sign("x")

    assert [signer.signed("x", one) for one in (signature, signature[:-1], signature + "0", "", "ü", "\ud800")] == [
        True, False, False, False, False, False,
    ]  # fmt: skip
    assert not signer.signed("y", signature)


def test_the_key_is_made_for_this_purpose() -> None:
    """A token of LiveKit's, which the bare secret signs, is no signature of ours, nor the reverse."""
    digest = hmac.digest(NEW.encode(), b"x", "sha256").hex()

    assert not digest.startswith(ProjectSigner([NEW]).sign("x"))


def test_law_11_neither_secret_nor_key_shows() -> None:
    """Neither in what is printed of a signer, nor in a signature."""
    signer = ProjectSigner([NEW])

    assert NEW not in repr(signer) + signer.sign("x")
    assert "keys" not in repr(signer)
