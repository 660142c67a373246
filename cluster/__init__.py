"""Several processors on one NATS JetStream cluster: each range of shards belongs to exactly one of them."""
