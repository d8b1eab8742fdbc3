"""Numbers and names as a report shows them."""


def number(value: float | int | None, digits: int = 1) -> str:
    """A number for people: integers whole, others with `digits` decimals, a dash for None."""
    if value is None:
        return "–"
    text = f"{value:d}" if isinstance(value, int) else f"{value:.{digits}f}"
    return text.replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 in percent."""
    return "–" if share is None else f"{number(100.0 * share, digits)} %"


def plural(count: int, noun: str) -> str:
    """``1 car``, ``2 cars``, ``3 people``."""
    several = "people" if noun == "person" else noun + ("es" if noun.endswith("s") else "s")
    return f"{count} {noun if count == 1 else several}"


def words(name: str) -> str:
    """A key or class name as words."""
    return name.replace("_", " ")
