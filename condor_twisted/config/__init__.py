"""HTCondor's configuration language and typed access to its values."""
