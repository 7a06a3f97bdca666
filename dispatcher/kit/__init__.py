"""The test kit for users: pytest's fixtures `livekit` and `dispatcher`, which docs/testing.md explains."""
