"""The only code that acts: what came in becomes calls to LiveKit."""
