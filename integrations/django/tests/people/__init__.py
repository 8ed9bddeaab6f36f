"""A custom user model and backends."""
