"""What the documents take from the code: `python -m release.reference`."""
