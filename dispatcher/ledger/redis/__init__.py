"""The ledger in Redis or Valkey: many replicas, and no accepted event lost with any of them (docs/redis.md)."""
