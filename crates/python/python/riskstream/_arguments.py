"""From Python's values to the arguments of the commands, which check them."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Protocol, Union

Path = Union[str, "os.PathLike[str]"]


class ArrowTable(Protocol):
    """Columns of any library that has Arrow's PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object: ...


#: What is read: a file, or a table.
Source = Union[Path, ArrowTable]
#: One of them, or several, whose records are read one after the other.
Sources = Union[Source, Sequence[Source]]
#: What an option takes that may be repeated.
Several = Union[None, str, int, "os.PathLike[str]", Iterable[Union[str, "os.PathLike[str]"]], Mapping[str, Union[str, int]]]
Time = Union[None, str, datetime.date, datetime.datetime]
Duration = Union[None, str, datetime.timedelta]


def path(value: Path) -> str:
    return os.fspath(value)


def temporary(directory: Optional[Path]) -> str:
    return tempfile.gettempdir() if directory is None else os.fspath(directory)


def is_path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike))


def source(name: str, value: Any) -> Any:
    """A path, or a table."""
    if is_path(value):
        return os.fspath(value)
    if hasattr(value, "__arrow_c_stream__"):
        return value
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    needed = "a path, or a table with `__arrow_c_stream__` (of pyarrow, polars, pandas 2.2 or newer)"
    remedy = ": call its `collect()`" if hasattr(value, "collect") else ""
    raise TypeError(f"{name}: {needed} is needed, not {kind}{remedy}")


def sources(name: str, value: Any) -> list[Any]:
    """One of them, or several."""
    several = value if isinstance(value, (list, tuple)) else [value]
    return [source(name, one) for one in several]


def inputs(transactions: Sources, others: Optional[Mapping[str, Sources]]) -> list[tuple[str, Any]]:
    given = [("transactions", one) for one in sources("transactions", transactions)]
    for name, value in (others or {}).items():
        given += [(name, one) for one in sources(name, value)]
    return given


def option(name: str, value: Any) -> list[str]:
    """`--name=value`; nothing for None and False."""
    if value is None or value is False:
        return []
    return [f"--{name}" if value is True else f"--{name}={text(value)}"]


def options(name: str, values: Any) -> list[str]:
    """The option once for each value: a single one, several, or a mapping from names."""
    if values is None:
        return []
    if isinstance(values, Mapping):
        return [f"--{name}={key}={text(value)}" for key, value in values.items()]
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes)):
        return [argument for value in values for argument in option(name, value)]
    return option(name, values)


def text(value: Any) -> str:
    if isinstance(value, datetime.timedelta):
        micros = value // datetime.timedelta(microseconds=1)
        if micros % 1000:
            raise ValueError(f"{value!r}: durations are whole milliseconds")
        return f"{micros // 1000}ms"
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
