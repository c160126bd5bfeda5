"""Shows warnings, remarks and progress of a call."""

from __future__ import annotations

import sys
import time
import warnings
from typing import Callable, Optional, Union

from ._errors import PipelineWarning

#: None: a line on a terminal or in a notebook. True, False: always, never. A function is called with the numbers of
#: records read and of decisions made, about twenty times a second.
Progress = Union[None, bool, Callable[[int, int], object]]


class Host:
    def __init__(self, progress: Progress) -> None:
        if progress is None:
            progress = "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
        self._line: Optional[_Line] = _Line() if progress is True else None
        self._call = progress if callable(progress) else self._line

    def warn(self, text: str) -> None:
        warnings.warn(text, PipelineWarning, stacklevel=3)

    def remark(self, text: str) -> None:
        print(text, file=sys.stderr)

    def progressed(self, records: int, decided: int) -> None:
        if self._call is not None:
            self._call(records, decided)

    def ended(self) -> None:
        if self._line is not None:
            self._line.clear()


class _Line:
    """A line that is written over."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._width = 0

    def __call__(self, records: int, decided: int) -> None:
        seconds = max(time.monotonic() - self._began, 1e-3)
        self._write(f"{records:,} records  {records / seconds:,.0f}/s  {decided:,} decided  {seconds:.1f} s")

    def clear(self) -> None:
        if self._width:
            self._write("")
            sys.stderr.write("\r")
            self._width = 0

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)
