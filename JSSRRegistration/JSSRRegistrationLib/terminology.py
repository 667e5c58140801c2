"""JSSR's own list of SNOMED CT terms: Slicer's lists lack the portal vein and its like."""

from pathlib import Path
from typing import Any

from jssr.io.segmentation import TERMINOLOGY_CONTEXT

TERMINOLOGY_FILE = (
    Path(__file__).resolve().parent.parent / "Resources" / "Terminology" / "JSSRLiverCT.term.json"
)


def registerTerminology(logic: Any) -> bool:
    """Load the list into Slicer's terminologies logic; False if the file could not be read."""
    return logic.LoadTerminologyFromFile(str(TERMINOLOGY_FILE)) == TERMINOLOGY_CONTEXT
