"""Make the model bundle of a run."""

import datetime
from pathlib import Path
from typing import Literal

from jssr.bundle.card import Card, Figure
from jssr.bundle.export import export_bundle
from jssr.errors import InputError, counted
from jssr.labels import Phase
from jssr.networks import Networks, build_networks
from jssr.networks.config import SIZE_DIVISOR
from jssr.training.checkpoint import best_checkpoint, latest_checkpoint, load_module, read_position
from jssr.training.config import TrainingConfig
from jssr.training.monitor import read_figures
from jssr.training.run_files import SETTINGS_NAME
from jssr.training.settings import load_config, to_yaml

_UNITS = {
    "tre_body_mm": "mm",
    "tre_liver_mm": "mm",
    "tre_body_identity_mm": "mm",
    "tre_liver_identity_mm": "mm",
    "synthesis_mae_hu": "HU",
    "leakage_percent": "%",
    "warped_dice": "Dice",
    "warped_dice_identity": "Dice",
    "warped_dice_liver": "Dice",
    "warped_dice_liver_identity": "Dice",
    "dice_mean": "Dice",
    "dice_liver": "Dice",
    "dice_lesion": "Dice",
    "folding": "fraction of voxels",
    "log_jacobian_sd": "",
}
Which = Literal["best", "latest"]


def export_run(
    run: Path,
    output: Path,
    *,
    which: Which = "best",
    figures: tuple[Figure, ...] = (),
    overwrite: bool = False,
) -> str:
    """Write the averaged weights of a run's checkpoint as a bundle.

    Args:
        run: the run's folder.
        output: the bundle's folder; it appears whole or not at all.
        which: the checkpoint that validated best, or the latest.
        figures: measured elsewhere (``jssr evaluate``), beside the run's own validation.
        overwrite: replace an existing folder.

    Returns:
        Which checkpoint was taken, in words.

    Raises:
        InputError: no run or no checkpoint there, ``output`` exists, or a network had no part in
            the training.
    """
    checkpoint = best_checkpoint(run) if which == "best" else latest_checkpoint(run)
    if checkpoint is None or not (run / SETTINGS_NAME).is_file():
        raise InputError(f"The folder {run} holds no checkpoint of a training run.")
    config = load_config(str(run / SETTINGS_NAME))
    if not (config.method.synthesis and config.method.segmentation):
        absent = "segmentor" if config.method.synthesis else "generator"
        raise InputError(
            f"The run {run} trained without the {absent}, and a bundle needs all networks; train "
            "with method.synthesis and method.segmentation."
        )
    networks = averaged_networks(checkpoint, config)
    step = read_position(checkpoint).step
    measured = (*_validation_figures(run, step, config), *figures)
    export_bundle(
        output,
        networks,
        config.networks_config(),
        _card(config),
        _without_folders(config),
        measured,
        overwrite=overwrite,
    )
    return _taken(run, step, config)


def _taken(run: Path, step: int, config: TrainingConfig) -> str:
    latest = latest_checkpoint(run)
    assert latest is not None, "exported without a checkpoint"
    position = read_position(latest)
    if position.best_step is None:
        return f"step {step}, the latest; validation marked none as the best"
    best = f"validated best ({config.validation.best_figure} {position.best_value:.4g})"
    if step == position.best_step:
        return f"step {step}, which {best}"
    return f"step {step}, the latest; step {position.best_step} {best}"


def averaged_networks(checkpoint: Path, config: TrainingConfig) -> Networks:
    """The averaged weights of a checkpoint in fresh networks, on the CPU, in evaluation mode."""
    networks = build_networks(config.networks_config())
    load_module(checkpoint, "average", networks)
    return networks.eval()


def _card(config: TrainingConfig) -> Card:
    card = config.card
    return Card(
        name=card.name,
        version=card.version,
        date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        license=card.license,
        intended_use=card.intended_use,
        limits=card.limits or _limits(config),
        window_hu=config.window_hu,
        spacing_mm=config.spacing_mm,
        size_divisor=SIZE_DIVISOR,
        description=card.description,
        phases=tuple(Phase),
    )


def _limits(config: TrainingConfig) -> str:
    if config.data.source == "phantoms":
        return (
            "Trained on procedural phantoms only, never on a patient's scan: a starting point for "
            "training on real data, and unproven on it."
        )
    return "Trained on one cohort; unproven on other scanners, protocols and diseases."


def _validation_figures(run: Path, step: int, config: TrainingConfig) -> list[Figure]:
    """The validation rows at (or last before) the exported step."""
    rows = [row for row in read_figures(run, "validation") if row["step"] <= step]
    if not rows:
        return []
    kind = "phantom" if config.data.source == "phantoms" else "cohort"
    pairs = counted(config.validation.pairs, f"held-out {kind} pair")
    measured_on = f"{pairs}, validation during training"
    return [
        Figure(name, float(rows[-1][name]), unit, measured_on)
        for name, unit in _UNITS.items()
        if rows[-1].get(name) is not None
    ]


def _without_folders(config: TrainingConfig) -> str:
    """The configuration as YAML, free of the trainer's own folders."""
    cohort = config.data.cohort.model_copy(
        update={
            name: None if value is None else "CACHE"
            for name, value in (
                ("cache", config.data.cohort.cache),
                ("annotated_cache", config.data.cohort.annotated_cache),
            )
        }
    )
    data = config.data.model_copy(update={"cohort": cohort})
    return to_yaml(config.model_copy(update={"data": data, "output": "runs/run"}))
