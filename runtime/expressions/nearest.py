"""The nearest known name, for "did you mean"."""

from collections.abc import Iterable
from difflib import get_close_matches

NAMES_MAX = 500  # a body may have more keys than a message is worth


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None when nothing is alike."""
    candidates = [one for _, one in zip(range(NAMES_MAX), known, strict=False)]
    by_case = next((one for one in candidates if one.casefold() == name.casefold()), None)
    return by_case or next(iter(get_close_matches(name[:100], candidates, n=1)), None)
