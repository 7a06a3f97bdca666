"""Where sessions are kept between steps: records, inboxes, due times, leases. One interface, several homes."""
