"""The benchmark's page: table, box plots, time against error, settings of every method."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jssr import __version__, page
from jssr.errors import counted
from jssr.evaluation.methods import METHODS, Method
from jssr.evaluation.outcome import FAILED, MISSING, OK, MethodOutcome
from jssr.evaluation.plots import box_plot, time_error_plot
from jssr.evaluation.statistics import Row, compare, summarize
from jssr.labels import LABELS


@dataclass(frozen=True)
class Column:
    """One figure in the table: its name, heading, decimals and factor.

    Attributes:
        best: ``low`` or ``high``, the value that is bold; empty: none is.
        spread: whether the standard deviation stands beside the mean.
        in_case_table: whether the table of every pair has it too.
    """

    figure: str
    title: str
    digits: int = 2
    factor: float = 1.0
    best: str = ""
    spread: bool = True
    in_case_table: bool = False


COLUMNS = (
    Column("error_body_mm", "error, body<br>mm", best="low", in_case_table=True),
    Column("error_body_p95_mm", "p95, body<br>mm", best="low", in_case_table=True),
    Column("error_liver_mm", "error, liver<br>mm", best="low", in_case_table=True),
    Column("error_liver_p95_mm", "p95, liver<br>mm", best="low", in_case_table=True),
    Column("error_landmarks_mm", "error, landmarks<br>mm", best="low", in_case_table=True),
    Column("dice_mean", "Dice,<br>all organs", 3, best="high"),
    Column("dice_liver", "Dice,<br>liver", 3, best="high", in_case_table=True),
    Column("hd95_liver_mm", "HD95, liver<br>mm", best="low"),
    Column("surface_liver_mm", "surface, liver<br>mm", best="low"),
    Column("folding_percent", "folding<br>%", 4, spread=False, in_case_table=True),
    Column("log_jacobian_sd", "sd log J", 3, spread=False),
    Column("lesion_volume_change", "lesion volume<br>change, %", 1, 100.0),
    Column("lesion_volume_error", "lesion volume<br>error, %", 1, 100.0),
    Column("wall_s", "wall<br>s", 1, spread=False, in_case_table=True),
    Column("cpu_s", "CPU<br>s", 1, spread=False, in_case_table=True),
    Column("peak_mb", "memory<br>MB", 0, spread=False, in_case_table=True),
)


def benchmark_page(outcomes: Sequence[MethodOutcome], threads: int, cohort: str) -> str:
    """The page as HTML.

    Args:
        outcomes: any number of methods and cases.
        threads: what each process was given.
        cohort: how the cohort is called.
    """
    methods = [m for m in METHODS if any(o.method == m.name for o in outcomes)]
    rows = {m.name: _rows(outcomes, m) for m in methods}
    cases = {outcome.case for outcome in outcomes}
    body = [
        "<h1>Registration benchmark</h1>",
        f'<p class="lead">{page.text(cohort)}: {counted(len(cases), "pair")}, '
        f"{counted(threads, 'thread')} for each method, every method in a process of its own. "
        f"JSSR {page.text(__version__)}.</p>",
        page.section("Results", _main_table(methods, rows, outcomes), _explanation()),
        page.section("Error by case", *_box_plots(methods, rows)),
        page.section("Time against error", *_time_plots(methods, rows)),
    ]
    tests = _tests(methods, rows)
    if tests:
        body.append(page.section("Compared with JSSR on the same pairs", tests))
    if any(name.startswith("dice_") for row in rows.values() for r in row.values() for name in r):
        body.append(page.section("Dice by organ", _organ_table(methods, rows)))
    body.append(page.section("Settings", _settings(methods)))
    body.append(page.details("Every pair", _case_table(methods, outcomes)))
    return page.document("Registration benchmark", body)


def with_mean_dice(row: Row) -> Row:
    """The row with the mean Dice of all labels added."""
    organs = [row.get(f"dice_{label.name}") for label in LABELS]
    summary = summarize(organs)
    return row if summary is None else {**row, "dice_mean": summary.mean}


def _rows(outcomes: Sequence[MethodOutcome], method: Method) -> dict[str, Row]:
    return {
        outcome.case: with_mean_dice(outcome.figures)
        for outcome in outcomes
        if outcome.method == method.name and outcome.status == OK
    }


def _main_table(
    methods: Sequence[Method],
    rows: Mapping[str, Mapping[str, Row]],
    outcomes: Sequence[MethodOutcome],
) -> str:
    columns = [c for c in COLUMNS if any(c.figure in r for m in rows.values() for r in m.values())]
    means = {
        (m.name, c.figure): summarize(r.get(c.figure) for r in rows[m.name].values())
        for m in methods
        for c in columns
    }
    best = {}
    for column in columns:
        found = [s.mean for m in methods if (s := means[m.name, column.figure]) is not None]
        if column.best and found:
            best[column.figure] = min(found) if column.best == "low" else max(found)
    lines = []
    for method in methods:
        cells = [page.text(method.title) + _lost(method, outcomes), str(len(rows[method.name]))]
        for column in columns:
            summary = means[method.name, column.figure]
            if summary is None:
                cells.append(page.number(None))
                continue
            mean = page.number(summary.mean * column.factor, column.digits)
            spread = page.number(summary.sd * column.factor, column.digits)
            shown = f'{mean} <span class="muted">± {spread}</span>' if column.spread else mean
            strong = best.get(column.figure) == summary.mean
            cells.append(f"<b>{shown}</b>" if strong else shown)
        lines.append(cells)
    return page.table(["Method", "pairs", *(c.title for c in columns)], lines)


def _lost(method: Method, outcomes: Sequence[MethodOutcome]) -> str:
    own = [outcome for outcome in outcomes if outcome.method == method.name]
    absent = [outcome.message for outcome in own if outcome.status == MISSING]
    failed = sum(outcome.status == FAILED for outcome in own)
    if absent:
        return f'<br><span class="muted">{page.text(absent[0])}</span>'
    return f'<br><span class="muted">{failed} failed</span>' if failed else ""


def _explanation() -> str:
    return (
        "<p>Mean ± standard deviation over the pairs; the best of a column is bold. Error: "
        "distance between where a method sends a fixed point and where it belongs, mean over the "
        "tissue of the body, or inside the liver. Folding: part of the body where the Jacobian "
        "determinant is not positive. Lesion volume: the largest change among a pair's lesions "
        "above 10 mm, and the largest deviation from their true change. Wall time and memory are "
        "those of the whole process, reading and writing included.</p>"
    )


def _box_plots(methods: Sequence[Method], rows: Mapping[str, Mapping[str, Row]]) -> list[str]:
    found = []
    for figure, label in _error_figures(rows):
        values = {m.title: v for m in methods if (v := _values(rows[m.name].values(), figure))}
        plot = box_plot(values, label, _own(methods))
        found.append(page.picture(plot, f"Box plot of {label} by method"))
    return found or ["<p>No pair of this cohort has a known deformation.</p>"]


def _time_plots(methods: Sequence[Method], rows: Mapping[str, Mapping[str, Row]]) -> list[str]:
    found = []
    for figure, label in _error_figures(rows)[-1:]:
        points = {}
        for method in methods:
            errors = _values(rows[method.name].values(), figure)
            seconds = _values(rows[method.name].values(), "wall_s")
            if errors and seconds:
                points[method.title] = (sum(seconds) / len(seconds), sum(errors) / len(errors))
        plot = time_error_plot(points, label, _own(methods))
        found.append(page.picture(plot, f"Wall time against {label}, one dot a method"))
    return found or ["<p>No pair of this cohort has a known deformation.</p>"]


def _error_figures(rows: Mapping[str, Mapping[str, Row]]) -> list[tuple[str, str]]:
    known = [
        ("error_body_mm", "mean error in the body, mm"),
        ("error_landmarks_mm", "mean error at landmarks, mm"),
        ("error_liver_mm", "mean error inside the liver, mm"),
    ]
    present = {name for m in rows.values() for row in m.values() for name in row}
    return [(figure, label) for figure, label in known if figure in present]


def _tests(methods: Sequence[Method], rows: Mapping[str, Mapping[str, Row]]) -> str:
    own = next((m for m in methods if not m.is_peer and rows[m.name]), None)
    if own is None:
        return ""
    figures = [*_error_figures(rows), ("dice_liver", "Dice of the liver")]
    lines = []
    for method in methods:
        for figure, label in figures:
            test = compare(rows[own.name], rows[method.name], figure)
            if method is not own and test is not None:
                lines.append(
                    [
                        page.text(method.title),
                        page.text(label),
                        str(test.count),
                        page.number(test.mean_difference, 3),
                        page.number(test.median_difference, 3),
                        page.p_value(test.p_value),
                    ]
                )
    if not lines:
        return ""
    return page.table(
        ["Method", "Figure", "pairs", "mean difference", "median difference", "Wilcoxon p"],
        lines,
        caption=f"The method minus {own.title}, on the pairs that both registered.",
        text_columns=(1,),
    )


def _organ_table(methods: Sequence[Method], rows: Mapping[str, Mapping[str, Row]]) -> str:
    lines = []
    for label in LABELS:
        cells = [page.text(label.title)]
        for method in methods:
            summary = summarize(_values(rows[method.name].values(), f"dice_{label.name}"))
            cells.append(page.number(None if summary is None else summary.mean, 3))
        lines.append(cells)
    return page.table(["Organ", *(page.text(m.title) for m in methods)], lines)


def _settings(methods: Sequence[Method]) -> str:
    lines = [[page.text(m.title), page.text(m.settings), page.text(m.source)] for m in methods]
    return page.table(["Method", "Settings", "Source"], lines, text_columns=(1, 2))


def _case_table(methods: Sequence[Method], outcomes: Sequence[MethodOutcome]) -> str:
    titles = {method.name: method.title for method in methods}
    shown = [column for column in COLUMNS if column.in_case_table]
    lines = []
    for outcome in outcomes:
        figures = [page.number(outcome.figures.get(c.figure), c.digits) for c in shown]
        note = "" if outcome.status == OK else page.text(f"{outcome.status}: {outcome.message}")
        lines.append([page.text(outcome.case), page.text(titles[outcome.method]), *figures, note])
    return page.table(
        ["Pair", "Method", *(c.title for c in shown), ""], lines, text_columns=(1, len(shown) + 2)
    )


def _values(rows: Iterable[Row], figure: str) -> list[float]:
    return [value for row in rows if (value := row.get(figure)) is not None]


def _own(methods: Sequence[Method]) -> list[str]:
    return [method.title for method in methods if not method.is_peer]
