"""The service beside what people write by hand: the same rooms, at the same rates, in one run."""
