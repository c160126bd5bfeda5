"""Results as Arrow columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _riskstream

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Table:
    """Columns of the same length. Every library that reads `__arrow_c_stream__` takes it without copying:
    `pyarrow.table(result)`, `polars.DataFrame(result)`. `to_pandas` goes through pyarrow."""

    def __init__(self, columns: _riskstream.Columns) -> None:
        self._columns = columns

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._columns.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._columns.__arrow_c_schema__()

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def column_names(self) -> list[str]:
        return self._columns.names

    def to_pyarrow(self) -> "pyarrow.Table":
        import pyarrow

        return pyarrow.table(self)

    def to_polars(self) -> "polars.DataFrame":
        import polars

        return polars.DataFrame(self)

    def to_pandas(self) -> "pandas.DataFrame":
        return self.to_pyarrow().to_pandas()

    def __repr__(self) -> str:
        columns = "".join(f"\n  {name}: {kind}" for name, kind in self._columns.described())
        return f"<riskstream.{type(self).__name__}: {len(self):,} rows>{columns}"
