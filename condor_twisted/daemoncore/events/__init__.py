"""What a daemon waits for: timers, sockets and pipes, signals."""
