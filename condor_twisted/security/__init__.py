"""Negotiation, authentication methods, sessions and authorization, without I/O."""
