"""What a daemon says of its own work in its ad."""
