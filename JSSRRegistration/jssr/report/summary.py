"""The report's words and tables."""

from collections.abc import Sequence

from jssr import page
from jssr.labels import LABELS
from jssr.registration.result import (
    BEFORE,
    Metrics,
    OrganFigures,
    PhaseGuess,
    RegistrationResult,
    VerdictLevel,
)

_LABELS = {label.name: label for label in LABELS}

_VERDICTS = {
    VerdictLevel.GOOD: ("Good", "No figure speaks against this registration."),
    VerdictLevel.DOUBTFUL: ("Doubtful", "Look at the pictures before using this registration."),
    VerdictLevel.FAILED: ("Failed", "Do not use this registration."),
}


def verdict_box(result: RegistrationResult) -> str:
    """The verdict in plain words, with its reasons."""
    level = result.verdict.level
    title, sentence = _VERDICTS[level]
    reasons = "".join(f"<li>{page.text(reason)}</li>" for reason in result.verdict.reasons)
    return (
        f'<div class="verdict {level.value}"><strong>{title}</strong>{sentence}'
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + "</div>"
    )


def cards(result: RegistrationResult) -> str:
    """The figures to read first."""
    metrics = result.metrics
    liver = next((organ for organ in metrics.organs if organ.name == "liver"), None)
    shown = []
    if liver is not None and liver.dice_after is not None:
        before = page.number(liver.dice_before, 3)
        shown.append(
            (page.number(liver.dice_after, 3), f"liver overlap (Dice), {before} before deformation")
        )
    shown += [
        (
            page.number(metrics.deformation.mean_mm, 1, "mm"),
            "mean deformation beyond the alignment",
        ),
        (page.number(metrics.deformation.p95_mm, 1, "mm"), "95 % of the body moves less than"),
        (page.number(100 * metrics.deformation.folding_fraction, 3, "%"), "of the body folds"),
        (
            page.number(metrics.similarity_after, 3),
            f"local correlation, {page.number(metrics.similarity_before, 3)} before deformation",
        ),
        (page.number(sum(metrics.seconds.values()), 0, "s"), "computing time"),
    ]
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><b>{value}</b><span>{label}</span></div>' for value, label in shown
        )
        + "</div>"
    )


def phase_sentence(result: RegistrationResult) -> str:
    """Which phases the scans have, and who says so."""
    return (
        f"Fixed scan: {_phase(result.fixed_phase)}. Moving scan: {_phase(result.moving_phase)}. "
        f"{100 * result.metrics.overlap_fraction:.0f} % of the fixed body is covered by the moving "
        f"scan; of the smaller body {100 * result.metrics.shared_fraction:.0f} % lie in both."
    )


def phase_table(result: RegistrationResult) -> str:
    """How probable each phase that was guessed is; empty where none was."""
    guesses = [("Fixed", result.fixed_phase), ("Moving", result.moving_phase)]
    guesses = [(title, g) for title, g in guesses if g.probabilities and not g.given]
    if not guesses:
        return ""
    names = list(dict.fromkeys(name for _, guess in guesses for name in guess.probabilities))
    rows = [
        [title, *(page.number(guess.probabilities.get(name), 2) for name in names)]
        for title, guess in guesses
    ]
    return page.table(
        ["Scan", *map(page.text, names)],
        rows,
        caption="Probability of each phase, from the organs and the urine.",
    )


def organ_table(metrics: Metrics) -> str:
    """Overlap before and after, volumes and volume change of each organ."""
    rows = []
    for organ in metrics.organs:
        cut = ' <span class="muted">(cut by the field of view)</span>'
        rows.append(
            [
                _organ(organ.name) + (cut if organ.cut_by_field_of_view else ""),
                page.number(organ.dice_before, 3),
                f"<b>{page.number(organ.dice_after, 3)}</b>",
                _volume(organ, organ.fixed_volume_ml),
                _volume(organ, organ.moving_volume_ml),
                _percent(organ.volume_change),
            ]
        )
    return page.table(
        ["Organ", "Dice before", "Dice after", "Fixed, ml", "Moving, ml", "Volume change"],
        rows,
        caption=f"{BEFORE} Volume change: moving volume that the transform assigns to the fixed "
        "organ. Organs and lesions are measured on the networks' grid of "
        f"{metrics.grid_spacing_mm:g} mm from the model's most probable labels, so volumes "
        "measured in the written segmentations differ.",
    )


def lesion_table(metrics: Metrics) -> str:
    """Each lesion's place, size and volume change."""
    rows = [
        [
            str(number),
            page.number(lesion.diameter_mm, 0),
            page.number(lesion.volume_ml, 1),
            ", ".join(page.number(value, 0) for value in lesion.centre_mm),
            _percent(lesion.volume_change),
        ]
        for number, lesion in enumerate(metrics.lesions, 1)
    ]
    return page.table(
        ["Lesion", "Diameter, mm", "Volume, ml", "Centre (LPS), mm", "Volume change"],
        rows,
        caption="Found by the model on the fixed scan; large changes of volume are not plausible "
        "between phases.",
    )


def intensity_table(metrics: Metrics, result: RegistrationResult) -> str:
    """Mean attenuation of organs and lesions in each phase, and the uptake between them."""
    rows = []
    for entry in metrics.intensities:
        uptake = None
        if entry.fixed_mean_hu is not None and entry.moving_mean_hu is not None:
            uptake = entry.fixed_mean_hu - entry.moving_mean_hu
        rows.append(
            [
                _organ(entry.name),
                _spread(entry.fixed_mean_hu, entry.fixed_sd_hu),
                _spread(entry.moving_mean_hu, entry.moving_sd_hu),
                page.number(uptake, 0),
            ]
        )
    fixed, moving = _short_phase(result.fixed_phase), _short_phase(result.moving_phase)
    return page.table(
        ["Structure", f"Fixed ({fixed}), HU", f"Moving ({moving}), HU", "Fixed − moving, HU"],
        rows,
        caption="Mean ± standard deviation over the model's labels on each scan, averaged to "
        f"voxels of {metrics.grid_spacing_mm:g} mm: the noise of its own voxels is larger.",
    )


def time_table(metrics: Metrics) -> str:
    """How long each step took."""
    rows = [[page.text(step), page.number(s, 1)] for step, s in metrics.seconds.items()]
    rows.append(["<b>all</b>", f"<b>{page.number(sum(metrics.seconds.values()), 1)}</b>"])
    return page.table(["Step", "Seconds"], rows)


def technical_table(result: RegistrationResult, version: str) -> str:
    """What made this result."""
    deformation = result.metrics.deformation
    agreement = result.metrics.synthesis_dice
    rows = [
        ["Model", page.text(result.model)],
        ["JSSR", page.text(version)],
        ["Device", page.text(result.device)],
        ["Refinement", page.text(result.refine.value)],
        ["Seed", str(result.seed)],
        ["Peak memory of the process", page.number(result.metrics.peak_memory_mb, 0, "MB")],
        ["Largest displacement", page.number(deformation.max_mm, 1, "mm")],
        ["Standard deviation of log J", page.number(deformation.log_jacobian_sd, 3)],
        ["Labels of synthesized and original scan agree (Dice)", page.number(agreement, 3)],
    ]
    return page.table(["", ""], rows)


def legend(present: Sequence[int]) -> str:
    """The colours of the labels that are on the pictures."""
    items = [
        f'<span style="white-space:nowrap;margin-right:16px">{_swatch(label.color)}'
        f"{page.text(label.title)}</span>"
        for label in LABELS
        if label.index in present
    ]
    return f"<p>{' '.join(items)}</p>" if items else ""


def _organ(name: str) -> str:
    label = _LABELS.get(name)
    if label is None:
        return page.text(name)
    return _swatch(label.color) + page.text(label.title)


def _swatch(color: tuple[int, int, int]) -> str:
    red, green, blue = color
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def _phase(guess: PhaseGuess) -> str:
    if guess.phase is None:
        return "phase unknown"
    how = "as given" if guess.given else "recognized from the organs"
    return f"<b>{guess.phase.value}</b> phase, {how}"


def _short_phase(guess: PhaseGuess) -> str:
    return "phase unknown" if guess.phase is None else guess.phase.value


def _volume(organ: OrganFigures, volume_ml: float) -> str:
    shown = page.number(volume_ml, 0)
    return f'<span class="muted">{shown}</span>' if organ.cut_by_field_of_view else shown


def _spread(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return page.number(None)
    return f'{page.number(mean, 0)} <span class="muted">± {page.number(deviation, 0)}</span>'


def _percent(change: float | None) -> str:
    if change is None:
        return page.number(None)
    sign = "+" if round(100 * change, 1) > 0 else ""
    return sign + page.number(100 * change, 1, "%")
