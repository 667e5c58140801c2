"""The words for contrast phases: what people write in names, tables and series descriptions."""

import re
import unicodedata

from jssr.errors import InputError
from jssr.labels import Phase

AUTO = "auto"
_WITH = r"(?:with|w/?|mit|avec)"
_WITHOUT = r"(?:without|w/?o|w/out|ohne|sans|sin)"
# Only without these a scan is non-contrast: without artefacts it need not be.
_AGENT = r"(?:oral\W+)?(?:iv|i\.?v|contrast\w*|c|km|kontrast\w*|inj\w*|enh\w*|mdc|pdc)"
_AND = r"\W*(?:and|und|u|et|y|or|then)?\W*"
# An examination of both, as in "ABD W/WO CONTRAST", says nothing of one series.
_BOTH = (
    rf"{_WITH}{_AND}{_WITHOUT}|{_WITHOUT}{_AND}{_WITH}"
    rf"|(?:plain|nativ\w*|non\W*contrast){_AND}(?:{_WITH}\W*)?(?:contrast|km|kontrast\w*)"
)
_WORDS: dict[Phase, str] = {
    Phase.NON_CONTRAST: (
        r"(?:non?|pre)\W*con(?:trast)?|non.?enhanced|non.?ce|un.?enh\w*|nativ\w*|plain"
        rf"|nc|ncct|ncect|nect|{_WITHOUT}(?=\W*$|\W+{_AGENT})"
    ),
    Phase.ARTERIAL: r"art|\w*art[eé]ri\w*|hap|eap|lap|pancreatic",
    Phase.PORTAL_VENOUS: (
        r"port|porta|porta[el]\w*|porto\w*|pv|pvp|vp|ven|vei?n(?:o|ö|eu)\w*|nephro(?:gra|gen)\w*"
    ),
    Phase.DELAYED: r"delay\w*|dp|equil\w*|excr[eé]t\w*",
}
# The arterial phase may be late too, so these count only where no phase is named; late venous may
# be either.
_LATE = r"late|spat|sp(?:ä|ae)t\w*|tard\w*"
# Beside a phase it is the time after injection, as in "PV 70s DELAY".
_SECONDS_OF_DELAY = (
    r"(?i)\d+[\W_]*s(?:ec[^\W_]*)?[\W_]*delay[^\W_]*"
    r"|delay[^\W_]*[\W_]*\d+[\W_]*s(?:ec[^\W_]*)?(?![^\W_])"
)


def phase_from_name(text: str) -> Phase | None:
    """The phase that ``text`` speaks of, ``None`` if of none or of several.

    Only whole words count, where digits, underscores and the like end a word:
    ``CT_PV_1mm`` is portal-venous, ``Pavlov`` is nothing.
    """
    words = _words(text)
    named = _named(words)
    if len(named) > 1:
        named = _named(_words(re.sub(_SECONDS_OF_DELAY, " ", text)))
    if re.search(_whole(_LATE), words):
        named = [Phase.DELAYED] if not named else [p for p in named if p is not Phase.PORTAL_VENOUS]
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


def has_word(text: str, pattern: str) -> bool:
    """Whether a whole word of ``text`` matches ``pattern``, told apart as words for phases are."""
    return re.search(_whole(pattern), _words(text)) is not None


def _unknown(text: str, others: list[str]) -> str:
    known = ", ".join([*others, *(phase.value for phase in Phase)])
    fault = "names several phases" if len(_named(_words(text))) > 1 else "is unknown"
    return f"the phase '{text}' {fault}, write {known}"


def _named(words: str) -> list[Phase]:
    told = re.sub(_whole(_BOTH), " ", words)
    return [phase for phase, pattern in _WORDS.items() if re.search(_whole(pattern), told)]


def _words(text: str) -> str:
    # Names of files come with their accents apart from macOS.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFC", text))
    return re.sub(r"[\d_\-.,;:()\[\]+]+", " ", spaced).lower()


def _whole(pattern: str) -> str:
    return rf"(?<![^\W_])(?:{pattern})(?![^\W_])"
