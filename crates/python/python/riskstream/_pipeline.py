"""`check`: whether a pipeline file is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import _arguments as arguments
from . import _riskstream
from ._errors import Diagnostic


@dataclass(frozen=True)
class Check:
    """What a valid pipeline file declares. `str()` gives the command's text."""

    lines: list[str]
    version: str
    inputs: list[str]
    entities: list[str]
    features: list[str]
    warnings: tuple[Diagnostic, ...]
    #: Stages, topics, and the state of each stage, as `riskstream check --explain` prints them.
    plan: str

    def __str__(self) -> str:
        return "\n".join(self.lines)


def check(pipeline: arguments.Path, rollout: Optional[arguments.Path] = None) -> Check:
    """Checks a pipeline file, its roll-out file if there is one, and its examples, as `riskstream check` does; a roll-out too,
    as `riskstream rollout check` does.

    Raises `PipelineError` or `ExamplesError`, whose `diagnostics` have place, message and help."""
    found = _riskstream.check(arguments.path(pipeline), None if rollout is None else arguments.path(rollout))
    return Check(**{**found, "warnings": found["warnings"] or ()})
