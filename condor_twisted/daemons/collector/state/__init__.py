"""What a collector knows and decides, without I/O."""
