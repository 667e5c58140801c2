"""The layout of the Medical Segmentation Decathlon's Task03_Liver."""

import json
from pathlib import Path

from jssr.errors import InputError
from jssr.labels import Phase
from jssr.training.prepare.table import ScanRow

_VALIDATION_EVERY = 10


def read_decathlon(folder: Path) -> list[ScanRow]:
    """The annotated scans of the folder, portal-venous, every tenth one for validation.

    Its values, 1 liver and 2 tumour, are those of JSSR's label table.

    Raises:
        InputError: the folder is no Decathlon task of the liver.
    """
    description = folder / "dataset.json"
    if not description.is_file():
        raise InputError(
            f"The folder '{folder}' holds no dataset.json; give a CSV table or the folder of "
            "Task03_Liver."
        )
    try:
        content = json.loads(description.read_text("utf-8"))
        names = {str(value).lower() for value in content["labels"].values()}
        cases = [(folder / case["image"], folder / case["label"]) for case in content["training"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"'{description}' is no description of a Decathlon task (labels and training cases); "
            "unpack Task03_Liver again."
        ) from error
    if "liver" not in names:
        raise InputError(f"The task in '{folder}' has no label 'liver'; JSSR knows Task03_Liver.")
    rows = []
    for number, (image, labels) in enumerate(cases):
        rows.append(
            ScanRow(
                line=number + 1,
                patient=image.name.removesuffix(".gz").removesuffix(".nii"),
                phase=Phase.PORTAL_VENOUS,
                image=image,
                segmentation=labels,
                split="validation" if number % _VALIDATION_EVERY == 9 else "train",
                classes=("liver", "lesion"),
            )
        )
    return rows
