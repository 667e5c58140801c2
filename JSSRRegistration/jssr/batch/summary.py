"""One table and one page about a batch."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jssr import page
from jssr.batch.cases import Case, Unusable
from jssr.batch.state import Outcome
from jssr.errors import counted
from jssr.io.atomic import whole_file
from jssr.registration.result import BEFORE, Output, VerdictLevel
from jssr.registration.write import OUTPUT_FILES

TABLE_NAME = "summary.csv"
PAGE_NAME = "summary.html"


def write_summary(
    output: Path, cases: Sequence[Case | Unusable], outcomes: Mapping[str, Outcome]
) -> None:
    """Write :data:`TABLE_NAME` and :data:`PAGE_NAME` into ``output``."""
    rows = [summary_row(case, outcomes.get(case.name)) for case in cases]
    with whole_file(output / TABLE_NAME) as part:
        part.write_text(_table(rows), "utf-8")
    with whole_file(output / PAGE_NAME) as part:
        part.write_text(_page(output, rows), "utf-8")


def summary_row(case: Case | Unusable, outcome: Outcome | None) -> dict[str, str]:
    """One case, or a patient without any, in words and figures; what does not apply is empty."""
    row: dict[str, str] = dict.fromkeys(_COLUMNS, "")
    row.update(case=case.name, patient=case.patient, status="waiting")
    if outcome is None:
        return row
    row.update(status="done" if outcome.done else "failed", seconds=f"{outcome.seconds:.1f}")
    if not outcome.done:
        return {**row, "message": outcome.message}
    summary = outcome.summary
    metrics, verdict = summary["metrics"], summary["verdict"]
    liver = next((organ for organ in metrics["organs"] if organ["name"] == "liver"), {})
    return {
        **row,
        "fixed_phase": summary["fixed_phase"]["phase"] or "unknown",
        "moving_phase": summary["moving_phase"]["phase"] or "unknown",
        "verdict": verdict["level"],
        "similarity_before": _figure(metrics["similarity_before"]),
        "similarity_after": _figure(metrics["similarity_after"]),
        "liver_dice_before": _figure(liver.get("dice_before")),
        "liver_dice_after": _figure(liver.get("dice_after")),
        "deformation_p95_mm": _figure(metrics["deformation"]["p95_mm"]),
        "folding_percent": _figure(100 * metrics["deformation"]["folding_fraction"]),
        "message": "; ".join(verdict["reasons"]),
    }


_COLUMNS: tuple[str, ...] = (
    "case",
    "patient",
    "status",
    "verdict",
    "fixed_phase",
    "moving_phase",
    "similarity_before",
    "similarity_after",
    "liver_dice_before",
    "liver_dice_after",
    "deformation_p95_mm",
    "folding_percent",
    "seconds",
    "message",
)


def _figure(value: Any) -> str:
    return "" if value is None else f"{value:.4g}"


def counts(rows: Iterable[Mapping[str, str]]) -> str:
    """How many cases of the table came out how, in words.

    Raises:
        KeyError: the rows are not those of :data:`TABLE_NAME`.
    """
    marks = Counter(_mark(row) for row in rows)
    return ", ".join(f"{marks[mark]} {mark}" for mark in _MARKS)


_WITHOUT_VERDICT = {"failed": "not registered", "waiting": "waiting"}
_MARKS = (*(level.value for level in VerdictLevel), *_WITHOUT_VERDICT.values())


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _page(output: Path, rows: Sequence[Mapping[str, str]]) -> str:
    table = page.table(
        ["Case", "Verdict", *(title for title, _ in _PAGE_COLUMNS), "Remarks"],
        [_page_row(output, row) for row in rows],
        text_columns=(0, 1, len(_PAGE_COLUMNS) + 2),
        caption=BEFORE,
    )
    lead = f"{counted(len(rows), 'case')}: {counts(rows)}. For research, not for diagnosis."
    return page.document(
        "JSSR batch", ["<h1>JSSR batch</h1>", f'<p class="lead">{lead}</p>', table]
    )


_PAGE_COLUMNS = (
    ("Phases", "phases"),
    ("Similarity", "similarity"),
    ("Liver Dice", "liver_dice"),
    ("Moved,<br>95 % (mm)", "deformation_p95_mm"),
    ("Folding<br>(%)", "folding_percent"),
    ("Time<br>(s)", "seconds"),
)


def _page_row(output: Path, row: Mapping[str, str]) -> list[str]:
    shade = row["verdict"] or row["status"]
    values = {
        **row,
        "phases": _pair(row["moving_phase"], row["fixed_phase"]),
        "similarity": _pair(row["similarity_before"], row["similarity_after"]),
        "liver_dice": _pair(row["liver_dice_before"], row["liver_dice_after"]),
    }
    return [
        _link(output, row["case"]),
        f'<span class="mark {shade}">{_mark(row)}</span>',
        *(page.text(values[key]) for _, key in _PAGE_COLUMNS),
        page.text(row["message"]),
    ]


def _mark(row: Mapping[str, str]) -> str:
    """The verdict, or why there is none: a verdict may be ``failed`` as well."""
    return row["verdict"] or _WITHOUT_VERDICT[row["status"]]


def _pair(before: str, after: str) -> str:
    return f"{before} → {after}" if before or after else ""


def _link(output: Path, case: str) -> str:
    report = f"{case}/{OUTPUT_FILES[Output.REPORT]}"
    if not (output / report).is_file():
        return page.text(case)
    return f'<a href="{quote(report)}">{page.text(case)}</a>'
