"""Finished registrations, kept in the scene so that the panel shows them again after a reload."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from JSSRRegistrationLib.outputs import SceneOutput

MADE_ATTRIBUTE = "JSSR.Output"
"""Attribute of a node that a registration made: which output it is."""

_COUNT = "result.count"


@dataclass(frozen=True)
class StoredResult:
    """One registration: its inputs, the nodes it made and its figures.

    ``summary`` is :meth:`jssr.registration.result.RegistrationResult.summary`. Nodes that were
    deleted since are missing from ``nodes``; a deleted input is ``None``.
    """

    fixedVolume: Any
    movingVolume: Any
    nodes: Mapping[SceneOutput, Any]
    summary: Mapping[str, Any]

    def title(self) -> str:
        """The moving volume's name, as the list of results shows it."""
        return self.movingVolume.GetName() if self.movingVolume else "–"


def store(node: Any, results: list[StoredResult]) -> None:
    """Replace what ``node``, the module's ``vtkMRMLScriptedModuleNode``, remembers of results."""
    for i in range(len(read(node))):
        _write(node, i, None)
    for i, result in enumerate(results):
        _write(node, i, result)
    node.SetParameter(_COUNT, str(len(results)))


def read(node: Any) -> list[StoredResult]:
    """The results that ``node`` remembers, in the order of registration."""
    return [_read(node, i) for i in range(int(node.GetParameter(_COUNT) or 0))]


def _write(node: Any, i: int, result: StoredResult | None) -> None:
    def refer(role: str, target: Any) -> None:
        node.SetNodeReferenceID(f"result.{i}.{role}", None if target is None else target.GetID())

    refer("fixed", result and result.fixedVolume)
    refer("moving", result and result.movingVolume)
    for output in SceneOutput:
        refer(output.value, result and result.nodes.get(output))
    if result is None:
        node.UnsetParameter(f"result.{i}.summary")
    else:
        node.SetParameter(f"result.{i}.summary", json.dumps(result.summary))


def _read(node: Any, i: int) -> StoredResult:
    nodes = {output: node.GetNodeReference(f"result.{i}.{output.value}") for output in SceneOutput}
    return StoredResult(
        fixedVolume=node.GetNodeReference(f"result.{i}.fixed"),
        movingVolume=node.GetNodeReference(f"result.{i}.moving"),
        nodes={output: made for output, made in nodes.items() if made is not None},
        summary=json.loads(node.GetParameter(f"result.{i}.summary")),
    )
