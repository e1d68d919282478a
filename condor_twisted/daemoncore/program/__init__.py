"""A daemon as a program of its own: command line, pid file, service manager."""
