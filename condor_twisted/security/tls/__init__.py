"""TLS as authentication uses it."""
