"""Measures what a collector's work costs: ours and the real one, side by side.

``python -m bench`` starts both collectors on loopback with an open policy, drives
them in turns with the same bytes, and prints the CPU time their processes spent per
operation. Nothing in here is part of the installed package, and nothing of the
package is used to drive: the driver has its own small CEDAR client.
"""
