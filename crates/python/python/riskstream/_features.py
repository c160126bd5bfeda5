"""`backfill`: features and decisions over tables and files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union, overload

from . import _arguments as arguments
from . import _riskstream
from ._errors import RecordsWarning
from ._host import Host, Progress
from ._table import Table


@dataclass(frozen=True)
class Unusable:
    """Records of an input that could not be used for one reason: how many, and the first of them."""

    input: str
    reason: str
    count: int
    first: list[str]


@dataclass(frozen=True)
class Records:
    """What became of the records of a run. `str()` gives the command's text."""

    records: int
    decided: int
    filtered: int
    late: int
    too_late: int
    unusable: int
    unusable_by_reason: list[Unusable]
    flags: dict[str, int]
    notes: list[str]
    text: str

    def __str__(self) -> str:
        return self.text + "".join(f"{note}\n" for note in self.notes)


def to_records(found: dict[str, Any]) -> Records:
    """Warns of what was not used: nothing is left out in silence."""
    found["unusable_by_reason"] = [Unusable(*one) for one in found["unusable_by_reason"]]
    records = Records(**found)
    if records.unusable or records.notes:
        warnings.warn(str(records).rstrip(), RecordsWarning, stacklevel=3)
    return records


class Features(Table):
    """A row for each transaction, in the order in which they were decided: id, time, fields, features, score, outcome,
    rules, shadow rules, flags. `records` says what became of the records."""

    def __init__(self, columns: _riskstream.Columns, records: Records) -> None:
        super().__init__(columns)
        self.records = records


@overload
def backfill(
    pipeline: arguments.Path,
    transactions: arguments.Sources,
    inputs: Optional[Mapping[str, arguments.Sources]] = None,
    *,
    output: None = None,
    in_order: Optional[str] = ...,
    allow_missing: arguments.Several = ...,
    partitions: arguments.Several = ...,
    keys: arguments.Several = ...,
    strict: bool = ...,
    dead_letters: Optional[arguments.Path] = ...,
    temporary_directory: Optional[arguments.Path] = ...,
    progress: Progress = ...,
) -> Features: ...
@overload
def backfill(
    pipeline: arguments.Path,
    transactions: arguments.Sources,
    inputs: Optional[Mapping[str, arguments.Sources]] = None,
    *,
    output: arguments.Path,
    in_order: Optional[str] = ...,
    allow_missing: arguments.Several = ...,
    partitions: arguments.Several = ...,
    keys: arguments.Several = ...,
    strict: bool = ...,
    dead_letters: Optional[arguments.Path] = ...,
    temporary_directory: Optional[arguments.Path] = ...,
    progress: Progress = ...,
) -> Records: ...
def backfill(
    pipeline: arguments.Path,
    transactions: arguments.Sources,
    inputs: Optional[Mapping[str, arguments.Sources]] = None,
    *,
    output: Optional[arguments.Path] = None,
    in_order: Optional[str] = None,
    allow_missing: arguments.Several = (),
    partitions: arguments.Several = None,
    keys: arguments.Several = None,
    strict: bool = False,
    dead_letters: Optional[arguments.Path] = None,
    temporary_directory: Optional[arguments.Path] = None,
    progress: Progress = None,
) -> Union[Features, Records]:
    """Computes features and decisions as `riskstream backfill` does, by the engine that serves them.

    `transactions`, and each of `inputs` by its name in the pipeline file, is a path, a table, or a list of them. Gives
    `Features`; with `output`, the path of a Parquet file, writes that instead and gives `Records`."""
    call = [
        *arguments.option("in-order", in_order),
        *arguments.options("allow-missing", allow_missing),
        *arguments.options("partitions", partitions),
        *arguments.options("key", keys),
        *arguments.option("strict", strict),
        *arguments.option("dead-letters", dead_letters),
    ]
    columns, found = _riskstream.backfill(
        arguments.path(pipeline),
        arguments.inputs(transactions, inputs),
        call,
        None if output is None else arguments.path(output),
        arguments.temporary(temporary_directory),
        Host(progress),
    )
    records = to_records(found)
    return records if columns is None else Features(columns, records)
