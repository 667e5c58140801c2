"""Guess a contrast phase from what people write in names and series descriptions."""

import re

from jssr.labels import Phase

# In the order in which they are tried: "non contrast" holds "contrast", "late arterial" "late".
_WORDS: tuple[tuple[Phase, str], ...] = (
    (
        Phase.NON_CONTRAST,
        r"non.?(contrast|enhanced)|non.?ce|un.?enhanced|without|w/?o|nativ\w*|plain|pre.?contrast"
        r"|nc|ncct|ncect|nect|ohne|sans|precontrast|noncontrast|unenhanced",
    ),
    (Phase.ARTERIAL, r"art\w*|hap|eap|lap|pancreatic"),
    (Phase.PORTAL_VENOUS, r"port\w*|pv|pvp|vp|ven\w*|nephro\w*"),
    (Phase.DELAYED, r"del\w*|late|dp|equil\w*|excret\w*|sp(?:ä|ae|a)t\w*|tard\w*"),
)


def phase_from_name(text: str) -> Phase | None:
    """The phase that ``text`` speaks of, ``None`` if of none.

    Only whole words count, where digits, underscores and the like end a word:
    ``CT_PV_1mm`` is portal-venous, ``Pavlov`` is nothing.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    words = re.sub(r"[\d_\-.,;:()\[\]+]+", " ", spaced).lower()
    for phase, pattern in _WORDS:
        if re.search(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", words):
            return phase
    return None
