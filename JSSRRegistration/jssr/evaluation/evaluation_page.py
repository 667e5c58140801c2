"""The page of an evaluation: summary of every figure, comparison, and every pair."""

from collections.abc import Mapping, Sequence
from typing import Any

from jssr import page
from jssr.errors import counted
from jssr.evaluation.plots import box_plot
from jssr.evaluation.statistics import PairedTest, Row, figure_names
from jssr.labels import LABELS

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Registration error", ("error_", "before_error_")),
    ("Regularity and lesions", ("folding_", "log_jacobian_", "lesion")),
    ("Synthesis", ("synthesis_", "unsynthesized_", "leakage_")),
    ("Phases, verdict, cost", ("phase_", "verdict_", "seconds", "peak_")),
)
_OVERLAPS = (
    ("Overlap of warped labels", ""),
    ("Overlap before, by the linear part alone", "before_"),
    ("Segmentation of the fixed scan", "segmentation_fixed_"),
    ("Segmentation of the moving scan", "segmentation_moving_"),
)
_ERRORS = {
    "error_body_mm": "body",
    "before_error_body_mm": "body, before",
    "error_liver_mm": "liver",
    "before_error_liver_mm": "liver, before",
}


def evaluation_page(
    summary: Mapping[str, Any], rows: Mapping[str, Row], tests: Mapping[str, PairedTest]
) -> str:
    """The page as HTML.

    Args:
        summary: what ``summary.json`` holds.
        rows: figures by pair.
        tests: comparisons with another evaluation, by figure.
    """
    body = [
        "<h1>Evaluation</h1>",
        f'<p class="lead">{page.text(summary["model"])} on {page.text(summary["cohort"])}: '
        f"{counted(summary['pairs'], 'pair')}, "
        f"{len(summary['refused'])} refused, refinement {page.text(summary['refine'])}. "
        f"JSSR {page.text(summary['jssr'])}.</p>",
    ]
    if summary["refused"]:
        lines = [[page.text(pair), page.text(why)] for pair, why in summary["refused"].items()]
        body.append(
            page.section("Refused pairs", page.table(["Pair", "Reason"], lines, text_columns=(1,)))
        )
    plot = _plot(rows)
    if plot:
        body.append(page.section("Error by pair", plot))
    names = figure_names(rows.values())
    for title, prefixes in _GROUPS:
        shown = [name for name in names if name.startswith(prefixes)]
        if shown:
            body.append(page.section(title, _table(shown, summary["figures"])))
    for title, prefix in _OVERLAPS:
        lines = _organs(prefix, summary["figures"])
        if lines:
            head = ["Organ", "Dice", "HD95, mm", "mean surface distance, mm", "pairs"]
            body.append(page.section(title, page.table(head, lines)))
    if tests:
        body.append(page.section("Compared with the other evaluation", _tests(tests)))
    body.append(page.details("Every pair", _cases(names, rows)))
    return page.document("Evaluation", body)


def _plot(rows: Mapping[str, Row]) -> str:
    values: dict[str, Sequence[float]] = {}
    for figure, title in _ERRORS.items():
        found = [value for row in rows.values() if (value := row.get(figure)) is not None]
        if found:
            values[title] = found
    if not values:
        return ""
    own = [title for title in values if "before" not in title]
    return page.picture(box_plot(values, "mean error, mm", own), "Box plot of the error by pair")


def _table(names: Sequence[str], figures: Mapping[str, Mapping[str, float]]) -> str:
    lines = []
    for name in names:
        if name in figures:
            one = figures[name]
            digits = _digits(name)
            lines.append(
                [
                    _title(name),
                    f"<b>{page.number(one['mean'], digits)}</b>",
                    page.number(one["sd"], digits),
                    page.number(one["median"], digits),
                    str(int(one["count"])),
                ]
            )
    return page.table(["Figure", "mean", "sd", "median", "pairs"], lines)


def _organs(prefix: str, figures: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    lines = []
    for label in LABELS:
        dice = figures.get(f"{prefix}dice_{label.name}")
        if dice is None:
            continue
        cells = [page.text(label.title), _spread(dice, 3)]
        for figure in ("hd95", "surface"):
            cells.append(_spread(figures.get(f"{prefix}{figure}_{label.name}_mm"), 2))
        lines.append([*cells, str(int(dice["count"]))])
    return lines


def _spread(figure: Mapping[str, float] | None, digits: int) -> str:
    if figure is None:
        return page.number(None)
    mean, spread = (page.number(figure[key], digits) for key in ("mean", "sd"))
    return f'<b>{mean}</b> <span class="muted">± {spread}</span>'


def _tests(tests: Mapping[str, PairedTest]) -> str:
    lines = [
        [
            _title(name),
            page.number(test.mean_difference, _digits(name) + 1),
            page.number(test.median_difference, _digits(name) + 1),
            page.p_value(test.p_value),
            str(test.count),
        ]
        for name, test in tests.items()
    ]
    return page.table(
        ["Figure", "mean difference", "median difference", "Wilcoxon p", "pairs"],
        lines,
        caption="This evaluation minus the other, on the pairs that both hold; not corrected for "
        "the number of tests.",
    )


def _cases(names: Sequence[str], rows: Mapping[str, Row]) -> str:
    lines = [
        [page.text(pair), *(page.number(row.get(name), _digits(name)) for name in names)]
        for pair, row in rows.items()
    ]
    return page.table(["Pair", *map(_title, names)], lines)


def _title(name: str) -> str:
    return page.text(name.replace("_", " "))


def _digits(name: str) -> int:
    if name.startswith("peak_"):
        return 0
    if name.endswith("_percent") and name.startswith("folding"):
        return 4
    if name.endswith(("_mm", "_hu", "_db", "seconds", "_percent")):
        return 2
    return 3
