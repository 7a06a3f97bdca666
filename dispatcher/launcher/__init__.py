"""Starts a process for a room when somebody asks, proves that it is in the room, and ends it when it is not needed."""
