"""Text from outside, as it may stand in a log, on /diagnostics or in an error: short, and in one line.

Names, encodings and parsers' findings come from messages and files of strangers: they may have a hundred thousand
characters, or line breaks and control codes that forge lines of a log.
"""

LONGEST_WORD = 80
LONGEST_SENTENCE = 1500


def quoted(text: object, longest: int = LONGEST_WORD) -> str:
    """A word or name from outside in quotation marks, with escapes for what cannot be printed."""
    return repr(shortened(str(text), longest))


def shown(value: object, longest: int = 3 * LONGEST_WORD) -> str:
    """A value from outside as Python writes it, shortened."""
    try:
        return shortened(repr(value), longest)
    except ValueError:
        # Of whole numbers only 4300 digits are written.
        return "a number of very many digits"


def printable(text: object, longest: int = LONGEST_SENTENCE) -> str:
    """A sentence that may quote from outside, in one line: escapes stand for what cannot be printed."""
    short = shortened(str(text), longest)
    if short.isprintable():
        return short
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in short
    )


def shortened(text: str, longest: int) -> str:
    """A text without its middle, if it is longer; what is left out is counted in its place."""
    if len(text) <= longest:
        return text
    # What to do stands at the end of a sentence.
    end = longest // 3
    return f"{text[: longest - end]}... ({len(text) - longest} characters left out) ...{text[-end:]}"


def duration(seconds: float) -> str:
    """A time for people: seconds up to 90, minutes up to 90, then hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
