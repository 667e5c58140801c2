"""Rows of figures as a CSV file, and what sums them up."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from jssr.evaluation.statistics import Row, figure_names, summarize
from jssr.io.atomic import whole_file


def write_csv(path: Path, keys: Sequence[Mapping[str, str]], rows: Sequence[Row]) -> None:
    """One line a row: its keys (such as case and method), then its figures; gaps stay empty."""
    names = figure_names(rows)
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(keys[0] if keys else {}), *names])
        for key, row in zip(keys, rows, strict=True):
            values = ["" if row.get(name) is None else repr(row[name]) for name in names]
            writer.writerow([*key.values(), *values])


def summaries(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Count, mean, standard deviation and median of every figure that some row has."""
    found = {}
    for name in figure_names(rows):
        summary = summarize(row.get(name) for row in rows)
        if summary is not None:
            found[name] = asdict(summary)
    return found
