"""What is known of each agent and project, over all replicas."""
