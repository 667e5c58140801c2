"""What came of one method on one pair."""

from dataclasses import dataclass, field

from jssr.evaluation.statistics import Row

OK, FAILED, MISSING = "ok", "failed", "missing"


@dataclass(frozen=True)
class MethodOutcome:
    """One method on one case: its figures, or why there are none."""

    method: str
    case: str
    status: str
    message: str = ""
    figures: Row = field(default_factory=dict)
