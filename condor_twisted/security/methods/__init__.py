"""The authentication methods, one file and one class each."""
