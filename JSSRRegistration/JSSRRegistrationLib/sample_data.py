"""The sample patient: a phantom of four contrast phases, made on this computer at first use."""

import os
from typing import Any

import slicer
from slicer.i18n import tr as _

from jssr.errors import JSSRError
from JSSRRegistrationLib.logic import JSSRRegistrationLogic
from JSSRRegistrationLib.records import Callbacks

CATEGORY = "JSSR"
SAMPLE_NAME = "JSSRPhantomPatient"
SEED = 1


def register() -> None:
    """Offer the patient in the Sample Data module; nothing is downloaded, so it has no address."""
    import SampleData

    icons = os.path.join(os.path.dirname(os.path.dirname(__file__)), "Resources", "Icons")
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris=[],
        fileNames=[],
        nodeNames=[],
        thumbnailFileName=os.path.join(icons, f"{SAMPLE_NAME}.png"),
        customDownloader=_onClicked,
    )


def _onClicked(source: Any) -> None:
    """The user asked for the patient in the Sample Data module."""

    def progress(step: str, fraction: float) -> None:
        slicer.util.showStatusMessage(f"{step} {round(100 * fraction)} %")
        slicer.app.processEvents()

    logic = JSSRRegistrationLogic()
    try:
        logic.makeSamplePatient(SEED, Callbacks(progress=progress))
    except JSSRError as error:
        message = _("The sample patient could not be made.")
        slicer.util.errorDisplay(f"{message}\n\n{error}")
    finally:
        logic.close()
