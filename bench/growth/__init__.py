"""How cost grows: with sessions, audience, rules, replicas, projects and metadata."""
