"""Names of light and weather; nothing is imported, as commands ask before they do anything."""

CONDITIONS = ("day", "dusk", "night", "glare", "smoke", "rain")
