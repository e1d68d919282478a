"""What the collector knows: ads by key, and what may be done with them.

Pure: no Twisted, sockets, files or clocks. ``collector_state`` is the front door.
"""
