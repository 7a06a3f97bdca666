"""`dispatcher doctor`: checks everything that the service will depend on, a file for each thing that is checked.

One line for each check: ok, skipped, warning or error, and what to do. It changes nothing but one key of Redis, for a
second; with --room-trip it also makes a room, and ends it.
"""

from dispatcher.cli.doctor.command import EXAMPLE, HELP, NAME, READS, add, examine, run

__all__ = ["EXAMPLE", "HELP", "NAME", "READS", "add", "examine", "run"]
