"""Child processes: started, watched, told, reaped."""
