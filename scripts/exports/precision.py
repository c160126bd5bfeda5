"""Types of numbers: columns of doubles and integers that float cannot hold, and networks of float16."""

import numpy as np
from cases import BOTH, FEATURES, LEVEL, OPSETS, Export, X, sklearn
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import Int64TensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

# An hour from 14 November 2023 on. In float, neighbours are 128 seconds apart.
START, HOUR = 1_700_000_000, 3_600


def timed(values):
    """The columns in double, the last one the time of the row in seconds since 1970, as numbers of the first say."""
    table = values.astype(np.float64)
    share = 1 / (1 + np.exp(-np.nan_to_num(table[:, 0])))
    table[:, -1] = np.where(np.isnan(table[:, -1]), np.nan, START + np.floor(HOUR * share))
    return table


TIMED, TIMED_ROWS = timed(X), timed(BOTH)
COMPLETE_ROWS = TIMED_ROWS[~np.isnan(TIMED_ROWS).any(axis=1)]
LATE = ((TIMED[:, -1] - START) / HOUR + 0.3 * LEVEL > 0.6).astype(np.int64)


def of_times(*steps, rows=TIMED_ROWS, y=LATE, **options):
    return sklearn(make_pipeline(*steps), y, x=TIMED, rows=rows, **options)


def forest():
    return RandomForestClassifier(n_estimators=8, max_depth=8, random_state=3)


def whole_times():
    """The time in a column of int64, scaled in double within the model."""
    times = TIMED[:, -1:].astype(np.int64)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(times, LATE)
    rows = COMPLETE_ROWS[:, -1:].astype(np.int64)
    exported = to_onnx(
        model,
        initial_types=[("input", Int64TensorType([None, 1]))],
        options={id(model): {"zipmap": False}},
        target_opset=OPSETS,
    )
    return Export(exported.SerializeToString(), {"input": rows})


def graph(nodes, inputs, initializers, kind, columns=1):
    tensors = [numpy_helper.from_array(value, name) for name, value in initializers.items()]
    made = helper.make_graph(
        nodes,
        "precision",
        inputs,
        [helper.make_tensor_value_info("score", kind, [None, columns])],
        tensors,
    )
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=sets, ir_version=9).SerializeToString()


def integers_in_double():
    """A cast of int64 to double, from which a start is subtracted."""
    nodes = [
        helper.make_node("Cast", ["input"], ["doubles"], to=TensorProto.DOUBLE),
        helper.make_node("Sub", ["doubles", "start"], ["since"]),
        helper.make_node("Cast", ["since"], ["score"], to=TensorProto.FLOAT),
    ]
    rows = (START + np.arange(48, dtype=np.int64) * 61)[:, None]
    inputs = [helper.make_tensor_value_info("input", TensorProto.INT64, [None, 1])]
    model = graph(nodes, inputs, {"start": np.array([START], np.float64)}, TensorProto.FLOAT)
    return Export(model, {"input": rows}, "score[0]")


def scaler_of_doubles():
    """ONNX Runtime's Scaler subtracts doubles in double."""
    nodes = [
        helper.make_node(
            "Scaler", ["input"], ["score"], domain="ai.onnx.ml", offset=[float(START)], scale=[1.0 / HOUR]
        )
    ]
    rows = np.stack([COMPLETE_ROWS[:, -1], COMPLETE_ROWS[::-1, -1]], axis=1)
    inputs = [helper.make_tensor_value_info("input", TensorProto.DOUBLE, [None, 2])]
    return Export(graph(nodes, inputs, {}, TensorProto.FLOAT, 2), {"input": rows}, "score[1]")


def half(width=24, casts=True):
    """A network of float16, between casts or with a result of float16; missing values stay missing."""
    random = np.random.default_rng(11)
    weights = {
        "first": random.normal(0, 0.4, (FEATURES, width)).astype(np.float16),
        "first_bias": random.normal(0, 0.2, width).astype(np.float16),
        "second": random.normal(0, 0.4, (width, width)).astype(np.float16),
        "scale": random.normal(1, 0.1, width).astype(np.float16),
        "shift": random.normal(0, 0.1, width).astype(np.float16),
        "last": random.normal(0, 0.4, (width, 1)).astype(np.float16),
        "least": np.array(-3, np.float16),
        "most": np.array(3, np.float16),
    }
    nodes = [
        helper.make_node("Cast", ["input"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Gemm", ["half", "first", "first_bias"], ["a"], alpha=1.0),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "second"], ["c"]),
        helper.make_node("LayerNormalization", ["c", "scale", "shift"], ["d"]),
        helper.make_node("Tanh", ["d"], ["e"]),
        helper.make_node("Clip", ["e", "least", "most"], ["f"]),
        helper.make_node("MatMul", ["f", "last"], ["g"]),
        helper.make_node("Sigmoid", ["g"], ["h" if casts else "score"]),
    ]
    if casts:
        nodes.append(helper.make_node("Cast", ["h"], ["score"], to=TensorProto.FLOAT))
    kind = TensorProto.FLOAT if casts else TensorProto.FLOAT16
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, FEATURES])]
    rows = np.concatenate([BOTH, BOTH[:4] * 30_000])
    return Export(graph(nodes, inputs, weights, kind), {"input": rows}, "score[0]", tolerance=1e-3)


CASES = {
    "times_logistic": lambda: of_times(StandardScaler(), LogisticRegression(), rows=COMPLETE_ROWS),
    "times_min_max": lambda: of_times(MinMaxScaler(), LogisticRegression(), rows=COMPLETE_ROWS),
    "times_forest": lambda: of_times(forest(), rows=COMPLETE_ROWS),
    "times_network": lambda: of_times(
        StandardScaler(), MLPClassifier(hidden_layer_sizes=[8], max_iter=60, random_state=3), rows=COMPLETE_ROWS
    ),
    "times_ridge": lambda: of_times(StandardScaler(), Ridge(), y=LEVEL, rows=COMPLETE_ROWS),
    "times_whole": lambda: whole_times(),
    "times_integers_in_double": lambda: integers_in_double(),
    "times_scaler": lambda: scaler_of_doubles(),
    "half_network": lambda: half(),
    "half_result": lambda: half(casts=False),
}
