"""What the cases share: rows, targets, and the way from a trained model to an `Export`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.svm import LinearSVC

FEATURES, TRAINING_ROWS, ROWS = 8, 1500, 60
OPSETS = {"": 18, "ai.onnx.ml": 3}
CHANNELS, COUNTRIES = np.array(["POS", "ATM", "online"]), np.array(["DE", "FR", "GB", "US", "JP"])


@dataclass
class Export:
    """An exported model, and rows for each of its inputs."""

    model: bytes
    feeds: dict
    score: str | None = None
    # What riskstream must say when it refuses the model; None: it must load.
    refused: str | None = None
    # How far answers may lie apart; None: 1e-5. Relative above one.
    tolerance: float | None = None


def numbers(random, count):
    """Some columns are whole numbers, so that thresholds are met exactly; one is large, as amounts are."""
    values = random.normal(0, 1, (count, FEATURES))
    values[:, 4:7] = np.round(values[:, 4:7] * 2)
    values[:, 7] = np.round(np.exp(values[:, 7] + 3), 2)
    return values.astype(np.float32)


def texts(random, count):
    return np.stack([random.choice(CHANNELS, count), random.choice(COUNTRIES, count)], axis=1).astype(object)


def with_holes(random, values, share):
    return np.where(random.random(values.shape) < share, np.float32(np.nan), values)


random = np.random.default_rng(20240611)
X = numbers(random, TRAINING_ROWS)
T = texts(random, TRAINING_ROWS)
HOLES = with_holes(random, X, 0.1)
LEVEL = (
    X[:, 0] * X[:, 1]
    + X[:, 2]
    - 0.7 * X[:, 3]
    + 0.2 * X[:, 4]
    + (T[:, 0] == "online")
    + random.normal(0, 0.4, TRAINING_ROWS)
)
FRAUD = (LEVEL > 1).astype(np.int64)
KIND = np.digitize(LEVEL, [-0.5, 1]).astype(np.int64)
WORDS = np.array(["genuine", "suspect", "fraud"])[KIND]
COUNT = np.random.default_rng(1).poisson(np.exp(np.clip(LEVEL, -2, 2)))
POSITIVE = np.exp(np.clip(LEVEL, -3, 3)) + 0.1

CLEAN = numbers(random, ROWS)
# The last row misses every number.
MISSING = with_holes(random, numbers(random, ROWS), 0.25)
MISSING[-1] = np.nan
UNSEEN = texts(random, ROWS)
UNSEEN[::9, 0] = "phone"
UNSEEN[::7, 1] = ""
BOTH = np.concatenate([CLEAN, MISSING])
# Numbers only where a model's own library refuses missing ones, too: what ONNX Runtime makes of them still counts.
COLUMNS = [f"number_{index}" for index in range(FEATURES)]
TEXT_COLUMNS = ["channel", "country"]


def frame(values, words):
    data = pd.DataFrame({name: values[:, index] for index, name in enumerate(COLUMNS)})
    for index, name in enumerate(TEXT_COLUMNS):
        data[name] = words[:, index]
    return data


TABLE = frame(X, T)
TYPES = {np.float32: FloatTensorType, np.float64: DoubleTensorType, np.int64: Int64TensorType}


def sklearn(model, y=FRAUD, x=X, rows=BOTH, opsets=OPSETS, score=None, refused=None, **options):
    """A model on one tensor, fitted and exported by skl2onnx."""
    model.fit(x, y)
    kind = TYPES[rows.dtype.type]([None, x.shape[1]])
    exported = to_onnx(
        model, initial_types=[("input", kind)], options=sklearn_options(model, options), target_opset=opsets
    )
    return Export(exported.SerializeToString(), {"input": rows}, score, refused)


def sklearn_table(model, y=FRAUD, numbers=COLUMNS, words=TEXT_COLUMNS, rows=None, score=None, refused=None, **options):
    """A model on a table, each column an input of its own."""
    table = TABLE[[*numbers, *words]]
    model.fit(table, y)
    types = [(name, FloatTensorType([None, 1])) for name in numbers]
    types += [(name, StringTensorType([None, 1])) for name in words]
    exported = to_onnx(model, initial_types=types, options=sklearn_options(model, options), target_opset=OPSETS)
    rows = frame(BOTH, np.concatenate([UNSEEN, UNSEEN])) if rows is None else rows
    feeds = {name: rows[[name]].to_numpy(np.float32) for name in numbers}
    feeds |= {name: rows[[name]].to_numpy(object) for name in words}
    return Export(exported.SerializeToString(), feeds, score, refused)


def sklearn_options(model, options):
    is_margin = isinstance(getattr(model, "steps", [(None, model)])[-1][1], LinearSVC)
    if is_classifier(model) and not is_margin and "zipmap" not in options:
        options = {"zipmap": False, **options}
    return {id(model): options} if options else None


def probability(export, column):
    """The same with a column of the probabilities named as the score, as models of more than two classes need."""
    export.score = f"probabilities[{column}]"
    return export
