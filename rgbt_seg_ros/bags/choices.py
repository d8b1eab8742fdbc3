"""Words for what recordings may be said to be; nothing is imported, as commands ask before they do anything."""

STAMPS = ("auto", "header", "receive")
"""Of the time that images are paired by; auto: their header stamps, or the time of reception where they are useless."""
