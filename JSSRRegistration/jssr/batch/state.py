"""What a batch has done so far, in one small file that makes it resumable."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jssr import __version__
from jssr.errors import InputError
from jssr.io.atomic import make_folder, write_json
from jssr.io.stamps import stamps

if TYPE_CHECKING:
    from jssr.batch.cases import Case  # whose search for scans asks for batches

STATE_NAME = "batch.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    ``fingerprint`` tells its input files apart from changed ones. ``kind`` of a failure is
    ``input``, which will fail again, or ``other``, which may not. ``summary`` is that of
    :meth:`jssr.registration.result.RegistrationResult.summary`. No path and no name is kept.
    """

    done: bool
    fingerprint: str
    seconds: float
    kind: str = ""
    message: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)


class State:
    """The outcomes of a batch in its output folder, saved after every case.

    Raises:
        InputError: the folder holds results that were made with other settings, or other files, or
            it cannot be made.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        self._path = output / STATE_NAME
        self._settings = {"jssr": __version__, **settings}
        self._outcomes: dict[str, Outcome] = {}
        if self._path.exists():
            self._load()
        elif output.is_dir() and any(output.iterdir()):
            raise InputError(
                f"The output folder '{output}' holds files that are no batch's; choose another."
            )
        make_folder(output)
        self._save()

    def outcome(self, case: "Case") -> Outcome | None:
        """The outcome that still counts: results are there, or the same input failed before."""
        outcome = self._outcomes.get(case.name)
        if outcome is None or outcome.fingerprint != fingerprint(case):
            return None
        if outcome.done:
            return outcome if (self._path.parent / case.name).is_dir() else None
        return outcome if outcome.kind == "input" else None

    def record(self, case: "Case", outcome: Outcome) -> None:
        """Keep the outcome of a case."""
        self._outcomes[case.name] = outcome
        self._save()

    def _save(self) -> None:
        cases = {name: asdict(each) for name, each in self._outcomes.items()}
        document = {"schema": _SCHEMA, "settings": self._settings, "cases": cases}
        write_json(self._path, document)

    def _load(self) -> None:
        try:
            document = json.loads(self._path.read_text("utf-8"))
            settings = document["settings"]
            outcomes = {name: Outcome(**each) for name, each in document["cases"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                f"'{self._path}' is damaged; choose another output folder or remove this one."
            ) from None
        changed = [key for key, value in self._settings.items() if settings.get(key) != value]
        if changed:
            told = ", ".join("version of JSSR" if key == "jssr" else key for key in changed)
            raise InputError(
                f"'{self._path.parent}' holds results made with other settings ({told}); "
                "choose another output folder, or give the same again to go on."
            )
        self._outcomes = outcomes


def holds_batch(folder: Path) -> bool:
    """Whether a batch wrote ``folder``; the file of another program with the same name is none."""
    try:
        document = json.loads((folder / STATE_NAME).read_text("utf-8"))
        return "jssr" in document["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def fingerprint(case: "Case") -> str:
    """Which image each scan of the case is, its phase, and its files' sizes and times."""
    parts: list[Any] = []
    for scan in (case.fixed, case.moving):
        # Series that lie in one folder have the same files, so the slice's name has to tell; it is
        # hashed, since it may name the patient.
        name = hashlib.sha256(os.fsencode(scan.image.name)).hexdigest()
        mask = stamps(scan.mask) if scan.mask else []
        parts += [name, scan.phase.value if scan.phase else None, stamps(scan.image), mask]
    return json.dumps(parts)
