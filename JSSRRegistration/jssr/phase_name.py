"""The words for contrast phases: what people write in names, tables and series descriptions."""

import re
import unicodedata

from jssr.errors import InputError
from jssr.labels import Phase

AUTO = "auto"
_WORDS: dict[Phase, str] = {
    Phase.NON_CONTRAST: (
        r"(?:non|pre).?contrast|non.?enhanced|non.?ce|un.?enhanced|without|w/?o|nativ\w*|plain"
        r"|nc|ncct|ncect|nect|ohne|sans"
    ),
    Phase.ARTERIAL: r"art|\w*art[eé]ri\w*|hap|eap|lap|pancreatic",
    Phase.PORTAL_VENOUS: (
        r"port|porta|porta[el]\w*|porto\w*|pv|pvp|vp|ven|vei?n(?:o|ö|eu)\w*|nephro(?:gra|gen)\w*"
    ),
    Phase.DELAYED: r"delay\w*|dp|equil\w*|excret\w*",
}
# The arterial phase may be late too, so these count only where no phase is named.
_LATE = r"late|spat|sp(?:ä|ae)t\w*|tard\w*"
# An examination of both, as in "ABD W/WO CONTRAST", says nothing of one series.
_WITH, _WITHOUT = r"(?:with|w|mit)", r"(?:without|w/?o|ohne)"
_AND = r"\W*(?:and|und)?\W*"
_BOTH = rf"{_WITH}{_AND}{_WITHOUT}|{_WITHOUT}{_AND}{_WITH}"


def phase_from_name(text: str) -> Phase | None:
    """The phase that ``text`` speaks of, ``None`` if of none or of several.

    Only whole words count, where digits, underscores and the like end a word:
    ``CT_PV_1mm`` is portal-venous, ``Pavlov`` is nothing.
    """
    words = _words(text)
    named = _named(words)
    if not named and re.search(_whole(_LATE), words):
        return Phase.DELAYED
    return named[0] if len(named) == 1 else None


def read_phase(text: str, *, strict: bool = False) -> Phase:
    """The phase that somebody wrote where one is asked for.

    Args:
        text: a phase's own name or another word for it.
        strict: refuse ``late`` and its like, which may mean the late arterial phase.

    Raises:
        InputError: it names no phase, or several; the message is a part of a sentence.
    """
    phase = phase_from_name(text)
    if phase is None or (strict and not _named(_words(text))):
        raise InputError(_unknown(text, []))
    return phase


def read_phase_or_auto(text: str) -> Phase | None:
    """The same, but ``auto`` or nothing leave it open.

    Raises:
        InputError: as :func:`read_phase`.
    """
    if text.strip().lower() in ("", AUTO):
        return None
    phase = phase_from_name(text)
    if phase is None:
        raise InputError(_unknown(text, [AUTO]))
    return phase


def _unknown(text: str, others: list[str]) -> str:
    known = ", ".join([*others, *(phase.value for phase in Phase)])
    return f"the phase '{text}' is unknown, write {known}"


def _named(words: str) -> list[Phase]:
    told = re.sub(_whole(_BOTH), " ", words)
    return [phase for phase, pattern in _WORDS.items() if re.search(_whole(pattern), told)]


def _words(text: str) -> str:
    # Names of files come with their accents apart from macOS.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFC", text))
    return re.sub(r"[\d_\-.,;:()\[\]+]+", " ", spaced).lower()


def _whole(pattern: str) -> str:
    return rf"(?<![^\W_])(?:{pattern})(?![^\W_])"
