"""Numbers and names of the wire, each in one place."""
