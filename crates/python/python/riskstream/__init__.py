"""riskstream in Python: features for training by the engine that serves them, backtests, models.

docs/python.md has the guide. Everything here calls the code of the commands of the same names, and takes their arguments:
`--label-delay 7d` is `label_delay="7d"`. Inputs are paths, or tables with `__arrow_c_stream__`: of pyarrow, polars, pandas
2.2 or newer, DuckDB and others.
"""

from ._backtest import BacktestReport, backtest
from ._errors import (
    ConfigurationError,
    Diagnostic,
    Error,
    ExamplesError,
    InternalError,
    PipelineError,
    PipelineWarning,
    RecordsWarning,
    RunError,
)
from ._features import Features, Records, Unusable, backfill
from ._models import Explanation, Model, Verified, explain, load_model, write_card
from ._pipeline import Check, check
from ._riskstream import __version__
from ._table import Table

__all__ = [
    "BacktestReport",
    "Check",
    "ConfigurationError",
    "Diagnostic",
    "Error",
    "ExamplesError",
    "Explanation",
    "Features",
    "InternalError",
    "Model",
    "PipelineError",
    "PipelineWarning",
    "Records",
    "RecordsWarning",
    "RunError",
    "Table",
    "Unusable",
    "Verified",
    "__version__",
    "backfill",
    "backtest",
    "check",
    "explain",
    "load_model",
    "write_card",
]
