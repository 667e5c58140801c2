"""What the panel says of a model: its manifest in plain words. No Qt, no MRML."""

from collections.abc import Sequence
from html import escape
from typing import Any

from slicer.i18n import tr as _

_BEFORE = {
    "tre_liver_mm": "tre_liver_identity_mm",
    "tre_body_mm": "tre_body_identity_mm",
    "warped_dice": "warped_dice_identity",
    "warped_dice_liver": "warped_dice_liver_identity",
}
"""Figures that say little without their counterpart: the same measured on unregistered scans."""


_MAIN = ("tre_liver_mm", "tre_body_mm", "warped_dice", "dice_mean")
"""What the panel shows of the figures known here; the tool tip has them all."""


def manifestHtml(manifest: Any) -> str:
    """Name, version, license, purpose and main figures of a model, and where they were measured."""
    head = _("<b>{name}</b> {version}, {date}. License: {license}.").format(
        name=escape(manifest.name),
        version=escape(manifest.version),
        date=escape(manifest.date),
        license=escape(manifest.license),
    )
    lines = [head, escape(manifest.intended_use), escape(manifest.limits)]
    if not manifest.figures:
        lines.append(_("Its accuracy was not measured."))
    text = "<br>".join(line for line in lines if line)
    for cohort, figures in _byCohort(manifest):
        rows = "".join(
            f"<tr><td style='padding-right:14px'>{escape(title)}</td>"
            f"<td style='padding-right:14px'><b>{escape(value)}</b></td>"
            f"<td>{escape(before)}</td></tr>"
            for name, title, value, before in _rows(figures)
            if name in _MAIN or name not in _titles()
        )
        measured = _("Measured on {cohort}:").format(cohort=escape(cohort))
        text += f"<p style='margin-bottom:2px'>{measured}</p><table>{rows}</table>"
    return text


def figuresText(manifest: Any) -> str:
    """Every measured figure of a model, one a line."""
    return "\n".join(
        f"{title}: {value} {before}".rstrip()
        for _cohort, figures in _byCohort(manifest)
        for _name, title, value, before in _rows(figures)
    )


def _byCohort(manifest: Any) -> list[tuple[str, list[Any]]]:
    cohorts = dict.fromkeys(figure.measured_on for figure in manifest.figures)
    return [(c, [f for f in manifest.figures if f.measured_on == c]) for c in cohorts]


def _rows(figures: Sequence[Any]) -> list[tuple[str, str, str, str]]:
    """Name, title, value with unit, and the same without registration, of each figure."""
    values = {figure.name: figure.value for figure in figures}
    told = {_BEFORE[name] for name in values if name in _BEFORE}
    rows = []
    for figure in figures:
        if figure.name in told:
            continue
        title = _titles().get(figure.name)
        # A title that is known tells the unit where it is none of measure.
        unit = figure.unit if title is None or figure.unit in ("mm", "HU", "%") else ""
        before = values.get(_BEFORE.get(figure.name, ""))
        told_before = (
            "" if before is None else _("(unregistered {before})").format(before=f"{before:.3g}")
        )
        rows.append(
            (figure.name, title or figure.name, f"{figure.value:.3g} {unit}".rstrip(), told_before)
        )
    return rows


def _titles() -> dict[str, str]:
    return {
        "tre_liver_mm": _("Error in the liver"),
        "tre_body_mm": _("Error in the body"),
        "warped_dice": _("Organ overlap (Dice)"),
        "warped_dice_liver": _("Liver overlap (Dice)"),
        "dice_mean": _("Organ labels (mean Dice)"),
        "dice_liver": _("Liver label (Dice)"),
        "dice_lesion": _("Lesion label (Dice)"),
        "synthesis_mae_hu": _("Error of the synthesized scan"),
        "leakage_percent": _("Geometry leakage"),
        "folding": _("Folded part of the voxels"),
        "log_jacobian_sd": _("SD of the log-Jacobian"),
    }
