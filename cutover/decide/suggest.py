"""`did you mean ...?` for a word that is not known, and short lists of what there is."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean web1 or web2? `, with a space behind it, or nothing when no known word is close.

    Words with a common prefix are all a little close: only those about as close as the closest are named.
    """
    matches = get_close_matches(word, list(known), n=3, cutoff=0.6)
    ratios = {match: SequenceMatcher(None, match, word).ratio() for match in matches}
    close = [match for match, ratio in ratios.items() if ratio > max(ratios.values()) - 0.05]
    return f"did you mean {' or '.join(close)}? " if close else ""


def listed(words: Iterable[str], at_most: int = 20) -> str:
    """The words separated by commas; past `at_most` their number instead, so that a message stays readable."""
    all_words = list(words)
    if not all_words:
        return "none"
    more = len(all_words) - at_most
    return ", ".join(all_words[:at_most]) + (f" and {more} more" if more > 0 else "")
