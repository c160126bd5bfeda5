"""Exceptions and warnings. Their texts are those that the commands print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Diagnostic:
    """One finding in a pipeline file or a roll-out file."""

    file: str
    message: str
    line: Optional[int] = None
    column: Optional[int] = None
    label: Optional[str] = None
    help: Optional[str] = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        details = "".join(f"; {detail}" for detail in (self.label, self.help) if detail)
        return f"{place}: {self.message}{details}"


class Error(Exception):
    """Why a call did not succeed."""

    #: The exit code of the command.
    exit_code = 1


class ConfigurationError(Error, ValueError):
    """What was given is wrong: an argument, a table, a file, an environment variable."""

    exit_code = 2


class _WithDiagnostics(Error):
    """What is wrong with a file, as a report and by its places."""

    def __init__(self, text: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        super().__init__(text)
        self.diagnostics = diagnostics

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.diagnostics)


class PipelineError(_WithDiagnostics, ConfigurationError):
    """A pipeline file or a roll-out file is wrong. Its text is the report with all diagnostics."""


class ExamplesError(_WithDiagnostics):
    """An example of a pipeline file gives another result than the file says."""


class RunError(Error, RuntimeError):
    """What was tried failed."""

    #: What became of the records of a run, where that is the error.
    report = ""


class InternalError(Error, RuntimeError):
    """An error in riskstream itself."""


class PipelineWarning(UserWarning):
    """A pipeline file is valid, but probably not meant so."""


class RecordsWarning(UserWarning):
    """Records could not be used, or something about them is probably not meant so."""
