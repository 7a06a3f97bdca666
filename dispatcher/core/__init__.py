"""The pure core: values in, values out. No clock, no IO, no logging, nothing async."""
