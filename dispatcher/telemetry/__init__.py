"""What is told to people and to Prometheus."""
