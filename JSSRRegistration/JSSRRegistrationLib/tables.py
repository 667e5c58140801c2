"""Figures of registrations as MRML tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import vtk

from jssr.labels import LABELS

MovingSummary = tuple[str, Mapping[str, Any]]
"""The name of a moving scan and the summary of its registration."""

Row = tuple[str, float | str | None, str]
_TITLES = {label.name: label.title for label in LABELS}


def fillQualityTable(node: Any, summary: Mapping[str, Any]) -> None:
    """Verdict and figures of one registration: name, value, unit."""
    rows = _verdictRows(summary) + _overallRows(summary["metrics"])
    for organ in summary["metrics"]["organs"]:
        rows += _organRows(organ)
    for number, lesion in enumerate(summary["metrics"]["lesions"], start=1):
        rows += _lesionRows(number, lesion)
    names = [row[0] for row in rows]
    values = [_shown(row[1]) for row in rows]
    units = [row[2] for row in rows]
    _fill(node, [("Figure", names), ("Value", values), ("Unit", units)])


def fillIntensityTable(node: Any, fixedName: str, scans: Sequence[MovingSummary]) -> None:
    """Mean and standard deviation in HU by organ and scan; the phase stands in the column's name.

    All ``scans``, at least one, share the fixed scan.
    """
    names = [label.title for label in LABELS]
    columns: list[tuple[str, list[Any]]] = [("Structure", names)]
    first = scans[0][1]
    columns += _intensityColumns(fixedName, first, "fixed")
    for name, summary in scans:
        columns += _intensityColumns(name, summary, "moving")
    kept = [
        row
        for row in range(len(names))
        if any(values[row] is not None for _, values in columns[1:])
    ]
    _fill(node, [(title, [values[row] for row in kept]) for title, values in columns])


def _intensityColumns(
    name: str, summary: Mapping[str, Any], side: str
) -> list[tuple[str, list[Any]]]:
    phase = summary[f"{side}_phase"]["phase"] or "unknown phase"
    found = {row["name"]: row for row in summary["metrics"]["intensities"]}
    # Averaged over such voxels a scan has far less noise than at its own resolution.
    voxel = f"{summary['metrics']['grid_spacing_mm']:g} mm voxels"
    columns = []
    for figure, title in (("mean", "mean HU"), ("sd", f"SD HU of {voxel}")):
        values = [found.get(label.name, {}).get(f"{side}_{figure}_hu") for label in LABELS]
        columns.append((f"{name} ({phase}) {title}", values))
    return columns


def _verdictRows(summary: Mapping[str, Any]) -> list[Row]:
    verdict = summary["verdict"]
    rows: list[Row] = [("Verdict", verdict["level"], "")]
    rows += [("Reason", reason, "") for reason in verdict["reasons"]]
    for side in ("fixed", "moving"):
        guess = summary[f"{side}_phase"]
        how = "given" if guess["given"] else "guessed"
        rows.append((f"Phase of the {side} scan ({how})", guess["phase"] or "unknown", ""))
    return rows


def _overallRows(metrics: Mapping[str, Any]) -> list[Row]:
    deformation = metrics["deformation"]
    return [
        ("Fixed body covered by the moving scan", _percent(metrics["overlap_fraction"]), "%"),
        ("Smaller body in both scans", _percent(metrics["shared_fraction"]), "%"),
        ("Similarity before deformation", metrics["similarity_before"], ""),
        ("Similarity after", metrics["similarity_after"], ""),
        ("Deformation, mean", deformation["mean_mm"], "mm"),
        ("Deformation, 95th percentile", deformation["p95_mm"], "mm"),
        ("Deformation, largest", deformation["max_mm"], "mm"),
        ("Folded voxels", _percent(deformation["folding_fraction"]), "%"),
        ("SD of the log-Jacobian", deformation["log_jacobian_sd"], ""),
        ("Time", sum(metrics["seconds"].values()), "s"),
        ("Peak memory of the process", metrics["peak_memory_mb"], "MB"),
    ]


def _organRows(organ: Mapping[str, Any]) -> list[Row]:
    title = _TITLES.get(organ["name"], organ["name"])
    rows: list[Row] = [
        (f"{title}: Dice before deformation", organ["dice_before"], ""),
        (f"{title}: Dice after", organ["dice_after"], ""),
        (f"{title}: volume change", _percent(organ["volume_change"]), "%"),
    ]
    return [row for row in rows if row[1] is not None]


def _lesionRows(number: int, lesion: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = [
        (f"Lesion {number}: diameter", lesion["diameter_mm"], "mm"),
        (f"Lesion {number}: volume", lesion["volume_ml"], "ml"),
        (f"Lesion {number}: volume change", _percent(lesion["volume_change"]), "%"),
    ]
    return [row for row in rows if row[1] is not None]


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction


def _shown(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else f"{value:.4g}"


def _fill(node: Any, columns: Sequence[tuple[str, Sequence[Any]]]) -> None:
    table = vtk.vtkTable()
    for title, values in columns:
        numbers = any(isinstance(value, int | float) for value in values)
        array = vtk.vtkDoubleArray() if numbers else vtk.vtkStringArray()
        array.SetName(title)
        for value in values:
            array.InsertNextValue(float("nan") if numbers and value is None else value)
        table.AddColumn(array)
    node.SetAndObserveTable(table)
    node.SetUseColumnTitleAsColumnHeader(True)
