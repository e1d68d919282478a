"""What a daemon writes into its logs, and where."""
