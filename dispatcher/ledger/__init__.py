"""Where sessions live between steps: records, inboxes, due times, leases. One interface, several homes."""
