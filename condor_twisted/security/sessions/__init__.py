"""Sessions: those that were negotiated, and those that both sides just know."""
