"""The engine: PostgreSQL and NATS JetStream, started here or used at given addresses; journal, record, workers."""
