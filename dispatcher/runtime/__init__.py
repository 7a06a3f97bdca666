"""The configuration in force."""
