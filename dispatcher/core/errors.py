"""The root of this package's errors.

What a foreign library raises stops at the door it came through, and becomes one of these. The class says whose fault
it is and what to do next; the text is for people, and never holds a secret.
"""


class DispatcherError(Exception):
    """Something went wrong, in a way that this package knows. Catch it to catch them all."""
