"""Why Register cannot be pressed, in one sentence."""

from collections.abc import Sequence
from typing import Any

from slicer.i18n import tr as _

from JSSRRegistrationLib.parameters import (
    JSSRRegistrationParameterNode,
    chosenAlignment,
    chosenOutputs,
)


def reasonNotReady(
    logic: Any,
    parameters: JSSRRegistrationParameterNode,
    movingVolumes: Sequence[Any],
    modelError: str | None,
) -> str | None:
    """What is missing before a registration can start, or ``None``.

    ``modelError`` is why the chosen model was refused. The first thing that is missing is told, in
    the order in which the panel shows it.
    """
    missing = logic.missingPackages()
    if missing:
        return _("Install {packages} first (button above).").format(packages=", ".join(missing))
    if parameters.fixedVolume is None:
        return _("Choose the fixed volume: the CT scan that the others shall be brought onto.")
    if not movingVolumes:
        return _("Tick at least one moving volume: another phase of the same patient.")
    if modelError:
        return _("Choose another model: the chosen one was refused.")
    if not chosenOutputs(parameters):
        return _("Tick at least one output.")
    return logic.reasonNotReady(
        parameters.fixedVolume,
        movingVolumes,
        initialTransform=chosenAlignment(parameters),
        fixedMask=parameters.fixedMask,
        movingMask=parameters.movingMask if len(movingVolumes) == 1 else None,
    )
