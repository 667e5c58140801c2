"""A result in plain words: what the panel says of verdict and figures. No Qt, no MRML."""

from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

from jssr.labels import LABELS

VERDICT_COLORS = {
    "good": ("#e5f4e9", "#1b6e35", "#b5dcc0"),
    "doubtful": ("#fff3d6", "#7a5200", "#ecd291"),
    "failed": ("#fbe4e2", "#9b1c12", "#ecb8b3"),
}
"""Background, text and border color of a verdict."""

ERROR_COLORS = VERDICT_COLORS["failed"]

REASONS_SHOWN = 5


def card(colors: tuple[str, str, str]) -> str:
    """Style sheet of a label that shall stand out in these colors, in light and dark themes."""
    background, text, border = colors
    return (
        f"QLabel {{ background-color: {background}; color: {text};"
        f" border: 1px solid {border}; border-radius: 4px; padding: 6px; }}"
    )


def verdictHtml(summary: Mapping[str, Any]) -> str:
    """The verdict with its first reasons; :func:`reasonsText` has all of them."""
    verdict = summary["verdict"]
    title = {
        "good": _("Good: no figure speaks against the alignment"),
        "doubtful": _("Doubtful: look before using it"),
        "failed": _("Failed: do not use this alignment"),
    }[verdict["level"]]
    reasons = [_sentence(reason) for reason in verdict["reasons"]]
    shown = reasons[:REASONS_SHOWN]
    if len(reasons) > len(shown):
        shown.append(_("and {count} more").format(count=len(reasons) - len(shown)))
    return f"<b>{title}</b>" + "".join(f"<br>• {escape(reason)}" for reason in shown)


def reasonsText(summary: Mapping[str, Any]) -> str:
    """All reasons of the verdict, one a line."""
    return "\n".join(_sentence(reason) for reason in summary["verdict"]["reasons"])


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:]


def figuresHtml(summary: Mapping[str, Any]) -> str:
    """The main figures and one row an organ."""
    rows = "".join(
        f"<tr><td style='padding-right:14px'>{name}</td><td>{value}</td></tr>"
        for name, value in _mainFigures(summary)
    )
    # The button Before shows something else: the moving volume as it came.
    before = _("Before → after deformation; the linear alignment is in both.")
    note = f"<p style='margin-top:4px; margin-bottom:4px'><i>{before}</i></p>"
    return f"<table>{rows}</table>{note}{_organTable(summary['metrics']['organs'])}"


def foldingText(fraction: float) -> str:
    """What a folding fraction means."""
    if fraction == 0:
        return _("none: every point has one partner")
    percent = f"{100 * fraction:.3g}"
    return _("{percent} % of the body folds over itself; do not trust it there").format(
        percent=percent
    )


def _mainFigures(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    metrics = summary["metrics"]
    deformation = metrics["deformation"]
    pairs = [(o["dice_before"], o["dice_after"]) for o in metrics["organs"]]
    known = [(before, after) for before, after in pairs if before is not None and after is not None]
    rows = []
    if known:
        before, after = (sum(values) / len(known) for values in zip(*known, strict=True))
        rows.append((_("Organ overlap (Dice)"), _arrow(before, after)))
    rows += [
        (
            _("Similarity"),
            _arrow(metrics["similarity_before"], metrics["similarity_after"]),
        ),
        (
            _("Deformation"),
            _("{mean:.1f} mm on average, {largest:.1f} mm at most").format(
                mean=deformation["mean_mm"], largest=deformation["max_mm"]
            ),
        ),
        (_("Folding"), foldingText(deformation["folding_fraction"])),
        *_lesionRow(metrics["lesions"]),
        (_("Phases"), _phases(summary)),
        (_("Made by"), _origin(summary)),
    ]
    return rows


def _arrow(before: float, after: float) -> str:
    return f"{before:.2f} → <b>{after:.2f}</b>"


def _lesionRow(lesions: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    if not lesions:
        return []
    largest = max(lesion["diameter_mm"] for lesion in lesions)
    words = _("{count} on the fixed scan, up to {diameter:.0f} mm").format(
        count=len(lesions), diameter=largest
    )
    changes = [abs(change) for lesion in lesions if (change := lesion["volume_change"]) is not None]
    if changes:
        words += _("; volume change up to {change:.0f} %").format(change=100 * max(changes))
    return [(_("Lesions"), words)]


def _phases(summary: Mapping[str, Any]) -> str:
    def word(guess: Mapping[str, Any]) -> str:
        if guess["phase"] is None:
            return _("unknown")
        how = _("given") if guess["given"] else _("guessed")
        return f"{escape(guess['phase'])} ({how})"

    return _("{moving} onto {fixed}").format(
        moving=word(summary["moving_phase"]), fixed=word(summary["fixed_phase"])
    )


def _origin(summary: Mapping[str, Any]) -> str:
    seconds = sum(summary["metrics"]["seconds"].values())
    return _("{model}, {device}, {seconds:.0f} s").format(
        model=escape(str(summary["model"])), device=escape(str(summary["device"])), seconds=seconds
    )


def _organTable(organs: list[Mapping[str, Any]]) -> str:
    titles = {label.name: label.title for label in LABELS}
    cells = "<td align='right' style='padding-left:14px'>{}</td>"
    head = (_("Organ"), _("Dice before"), _("after"), _("Volume change"))
    rows = "".join(
        f"<tr><td>{escape(titles.get(o['name'], o['name']))}</td>"
        + cells.format(_number(o["dice_before"]))
        + cells.format(_number(o["dice_after"]))
        + cells.format(_percent(o))
        + "</tr>"
        for o in organs
        if o["dice_after"] is not None or o["cut_by_field_of_view"]
    )
    if not rows:
        return ""
    header = f"<th align='left'>{head[0]}</th>" + "".join(
        f"<th align='right' style='padding-left:14px'>{h}</th>" for h in head[1:]
    )
    return f"<hr><table><tr>{header}</tr>{rows}</table>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(organ: Mapping[str, Any]) -> str:
    if organ["cut_by_field_of_view"]:
        return _("cut off")
    change = organ["volume_change"]
    if change is None:
        return "–"
    percent = round(100 * change)
    return f"{percent:+d} %" if percent else "0 %"
