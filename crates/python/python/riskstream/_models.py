"""Models: scores, contributions, verification, cards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional, Union

from . import _arguments as arguments
from . import _riskstream
from ._table import Table


class Verified(NamedTuple):
    """Rows whose scores are those that were expected."""

    rows: int
    largest_difference: float
    text: str

    def __str__(self) -> str:
        return self.text


class Explanation(Table):
    """A column for each input of a model: what it moved the score of each row by. With `baseline` the contributions of a
    row add up to the row's value in `space`: `score`, `log-odds`, or a `raw value` that grows with the score. `method` is
    `trees` or `linear`, which are exact, or `sampling`."""

    def __init__(self, columns: _riskstream.Columns, baseline: float, space: str, method: str) -> None:
        super().__init__(columns)
        self.baseline = baseline
        self.space = space
        self.method = method


class Model:
    """A model file, loaded and run as the service does it. `load_model` gives it."""

    def __init__(self, file: str, model: _riskstream.Model) -> None:
        self.file = file
        self._model = model

    @property
    def inputs(self) -> list[str]:
        """The names of its inputs, in its order."""
        return self._model.inputs

    @property
    def name(self) -> Optional[str]:
        """The name that its card gives it."""
        return self._model.name

    @property
    def version(self) -> Optional[str]:
        """The version that its card gives it."""
        return self._model.version

    @property
    def sha256(self) -> str:
        return self._model.sha256

    @property
    def score_output(self) -> Optional[str]:
        """The output that is the score."""
        return self._model.score_output

    def score(self, rows: arguments.Source) -> Table:
        """A table with the column `score`: null where the model fails on a row. `rows` is a table or a path, with a column
        for each input; null is a missing value."""
        return Table(self._model.score(arguments.source("rows", rows)))

    def explain(self, rows: arguments.Source) -> Explanation:
        """What each input moved the scores by, compared with the background rows of the model's card."""
        return Explanation(*self._model.explain(arguments.source("rows", rows)))

    def verify(self, rows: Optional[arguments.Source] = None, score_column: str = "score") -> Verified:
        """Compares scores with the golden rows of the card, or with a column of `rows`, as `riskstream models verify` does.
        Raises `RunError` if one differs."""
        given = None if rows is None else arguments.source("rows", rows)
        return Verified(*self._model.verify(given, score_column))

    def __repr__(self) -> str:
        named = f"{self.name} {self.version}, " if self.name else ""
        return f"<riskstream.Model {self.file}: {named}{len(self.inputs)} inputs>"


def load_model(file: arguments.Path, inputs: Optional[Sequence[str]] = None) -> Model:
    """Loads an ONNX file, and its card if there is one. `inputs` names the columns of a model without a card that has one
    input of several columns."""
    names = None if inputs is None else list(inputs)
    file = arguments.path(file)
    return Model(file, _riskstream.Model(file, names))


def explain(model: Union[Model, arguments.Path], rows: arguments.Source) -> Explanation:
    """What moved the scores of rows: by a model, or by the model and the explanation of a pipeline file. `rows` has a column
    for each input of the model, as `backfill` gives them."""
    if isinstance(model, Model):
        return model.explain(rows)
    if Path(model).suffix.lower() == ".onnx":
        return load_model(model).explain(rows)
    return Explanation(*_riskstream.explain(arguments.path(model), arguments.source("rows", rows)))


def write_card(
    model: arguments.Path,
    data: arguments.Source,
    inputs: Optional[Sequence[str]] = None,
    *,
    score_column: Optional[str] = None,
    score: Optional[str] = None,
) -> str:
    """Writes the first version of a model's card beside it, as `riskstream models card` does, and gives its path. `data` is a
    table or a path, with a column for each input; `score_column` names that with the scores of the exporting library."""
    names = None if inputs is None else list(inputs)
    written = _riskstream.write_card(arguments.path(model), arguments.source("data", data), names, score_column, score)
    return arguments.path(written)
