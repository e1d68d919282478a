"""The conversations around DC_AUTHENTICATE: what each side says and makes of it."""
