"""Text that a submission may have written, made fit to be shown."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 2_000  # characters: a screenful of reason; the rest of an error helps nobody

# Cc and Cf hold terminal escapes and marks that reverse the reading direction; Cs has no bytes.
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Colours, cursor moves; window titles, links.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")


def clean(text: str, longest: int = LONGEST) -> str:
    """Strip what a terminal, a log or a page would act on instead of showing.

    Args:
        text: anything.
        longest: characters kept; a longer text ends in an ellipsis.

    Returns:
        The text with its line breaks, tabs as blanks, and no escape sequence or other control
        character, no direction mark, surrogate or private character.
    """
    plain = _ESCAPE.sub("", text[: 4 * longest]).replace("\r\n", "\n").replace("\t", "    ")
    shown = "".join(c for c in plain if c == "\n" or unicodedata.category(c) not in _UNSHOWABLE)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
