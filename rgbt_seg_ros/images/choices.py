"""Words for what thermal images may be said to be; nothing is imported, as commands ask before they do anything."""

WHITE_HOT, BLACK_HOT = "white-hot", "black-hot"
COLOURED = ("ironbow", "inferno", "jet", "hot", "rainbow", "rainbow-red-hot")
"""Names of the palettes that are not grey."""

REVERSED = "-reversed"
PALETTES = ("auto", "none", WHITE_HOT, BLACK_HOT, *COLOURED, *(name + REVERSED for name in COLOURED))
"""What an image may be said to be painted in; see `rgbt_seg_ros.images.palette.undo_palette`."""

FLOAT_UNITS = ("kelvin", "celsius")
"""Of thermal images of floats."""
