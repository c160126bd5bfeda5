"""`backtest`: decisions on history, judged by labels."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from . import _arguments as arguments
from . import _riskstream
from ._features import Records, to_records
from ._host import Host, Progress


class BacktestReport(dict[str, Any]):
    """The numbers of the report, as in the JSON file of `riskstream backtest`."""

    def __init__(self, json_text: str, page: str, text: str, records: Records) -> None:
        super().__init__(json.loads(json_text))
        self._json = json_text
        #: The report as an HTML page that needs no network.
        self.html = page
        #: The report as the command prints it.
        self.text = text
        self.records = records

    def save(self, path: arguments.Path) -> None:
        """Writes the page to `NAME.html`, or the numbers to `NAME.json`."""
        contents = {".html": self.html, ".htm": self.html, ".json": self._json}
        path = Path(path)
        if path.suffix.lower() not in contents:
            raise ValueError(f"{path}: the name must end in .html or .json")
        path.write_text(contents[path.suffix.lower()], encoding="utf-8")

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        # In a frame, so that the page's styles are not those of the notebook.
        page = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 80vh; border: 0"></iframe>'


def backtest(
    pipeline: arguments.Path,
    transactions: arguments.Sources,
    labels: arguments.Sources,
    inputs: Optional[Mapping[str, arguments.Sources]] = None,
    *,
    against: arguments.Several = (),
    models: arguments.Several = (),
    rollouts: arguments.Several = (),
    label_id: Optional[str] = None,
    label_fraud: Optional[str] = None,
    label_time: Optional[str] = None,
    label_delay: arguments.Duration = None,
    as_of: arguments.Time = None,
    genuine_after: arguments.Duration = None,
    from_: arguments.Time = None,
    until: arguments.Time = None,
    amount: Optional[str] = None,
    card: Optional[str] = None,
    by: arguments.Several = (),
    top: Optional[int] = None,
    cost_alert: Optional[float] = None,
    cost_false_alarm: Optional[float] = None,
    cost_missed: Optional[float] = None,
    replicas: Optional[int] = None,
    seed: Optional[int] = None,
    in_order: Optional[str] = None,
    allow_missing: arguments.Several = (),
    strict: bool = False,
    dead_letters: Optional[arguments.Path] = None,
    temporary_directory: Optional[arguments.Path] = None,
    progress: Progress = None,
) -> BacktestReport:
    """Judges decisions on history, as `riskstream backtest` does."""
    call = [
        *arguments.options("against", against),
        *arguments.options("model", models),
        *arguments.options("rollout", rollouts),
        *arguments.option("label-id", label_id),
        *arguments.option("label-fraud", label_fraud),
        *arguments.option("label-time", label_time),
        *arguments.option("label-delay", label_delay),
        *arguments.option("as-of", as_of),
        *arguments.option("genuine-after", genuine_after),
        *arguments.option("from", from_),
        *arguments.option("until", until),
        *arguments.option("amount", amount),
        *arguments.option("card", card),
        *arguments.options("by", by),
        *arguments.option("top", top),
        *arguments.option("cost-alert", cost_alert),
        *arguments.option("cost-false-alarm", cost_false_alarm),
        *arguments.option("cost-missed", cost_missed),
        *arguments.option("replicas", replicas),
        *arguments.option("seed", seed),
        *arguments.option("in-order", in_order),
        *arguments.options("allow-missing", allow_missing),
        *arguments.option("strict", strict),
        *arguments.option("dead-letters", dead_letters),
    ]
    json_text, page, text, found = _riskstream.backtest(
        arguments.path(pipeline),
        arguments.inputs(transactions, inputs),
        arguments.sources("labels", labels),
        call,
        arguments.temporary(temporary_directory),
        Host(progress),
    )
    return BacktestReport(json_text, page, text, to_records(found))
