"""What the panel says of a model: its manifest in plain words. No Qt, no MRML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from slicer.i18n import tr as _

_BEFORE = {
    "tre_liver_mm": "tre_liver_identity_mm",
    "tre_body_mm": "tre_body_identity_mm",
    "warped_dice": "warped_dice_identity",
}
"""Figures that say little without their counterpart: the same measured on unregistered scans."""


def manifestHtml(manifest: Any) -> str:
    """Name, version, license, purpose and figures of a model, and on what they were measured."""
    head = _("<b>{name}</b> {version}, {date}. License: {license}.").format(
        name=escape(manifest.name),
        version=escape(manifest.version),
        date=escape(manifest.date),
        license=escape(manifest.license),
    )
    lines = [head, escape(manifest.intended_use), escape(manifest.limits)]
    for cohort in dict.fromkeys(figure.measured_on for figure in manifest.figures):
        figures = [figure for figure in manifest.figures if figure.measured_on == cohort]
        lines.append(
            _("Measured on {cohort}: {figures}.").format(
                cohort=escape(cohort), figures=_figures(figures)
            )
        )
    if not manifest.figures:
        lines.append(_("Its accuracy was not measured."))
    return "<br>".join(line for line in lines if line)


def _figures(figures: Sequence[Any]) -> str:
    values = {figure.name: figure.value for figure in figures}
    told = {_BEFORE[name] for name in values if name in _BEFORE}
    return ", ".join(_figure(figure, values) for figure in figures if figure.name not in told)


def _figure(figure: Any, values: Mapping[str, float]) -> str:
    """As ``error in the liver <b>2.9</b> mm (9.19 unregistered)``."""
    title = _titles().get(figure.name)
    # A title that is known tells the unit where it is none of measure.
    unit = figure.unit if title is None or figure.unit in ("mm", "HU", "%") else ""
    text = f"{escape(title or figure.name)} <b>{figure.value:.3g}</b> {escape(unit)}".rstrip()
    before = values.get(_BEFORE.get(figure.name, ""))
    if before is None:
        return text
    return _("{figure} ({before} unregistered)").format(figure=text, before=f"{before:.3g}")


def _titles() -> dict[str, str]:
    return {
        "tre_liver_mm": _("error in the liver"),
        "tre_body_mm": _("error in the body"),
        "warped_dice": _("organ overlap (Dice)"),
        "dice_mean": _("organ labels (mean Dice)"),
        "dice_liver": _("liver label (Dice)"),
        "synthesis_mae_hu": _("error of the synthesized scan"),
        "leakage_percent": _("geometry leakage"),
        "folding": _("folded part of the voxels"),
        "log_jacobian_sd": _("SD of the log-Jacobian"),
    }
