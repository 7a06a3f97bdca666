"""The one door to LiveKit: its API, its messages, its webhooks."""
