"""Tokens: what they say, who signs them, and how one gets some."""
