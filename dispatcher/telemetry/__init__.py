"""What the service tells people and Prometheus."""
