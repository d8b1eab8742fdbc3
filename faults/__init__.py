"""Faults on purpose: kills, signals and full disks at random moments of a seed; see `faults.__main__`."""
