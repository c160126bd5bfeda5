"""Operators of the standard domain, each alone in a graph: what networks and scikit-learn's pipelines are made of.

The rows hold small and large numbers and missing values, since an operator that loses a NaN makes a score of nothing.
"""

import numpy as np
from cases import FEATURES, Export
from onnx import TensorProto, checker, helper, numpy_helper

ROWS = np.random.default_rng(9).normal(0, 2, (24, FEATURES)).astype(np.float32)
ROWS[4] *= 30
ROWS[5:8] = np.round(ROWS[5:8])
ROWS[8:16:2, 2] = np.nan
ROWS[9:16:2, 5:] = np.nan
ROWS[16] = np.nan
ROWS[17, 0] = np.nan
TYPES = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}


def alone(operator, kind, rows=ROWS, constants=(), columns=FEATURES, opset=18, **attributes):
    """`operator` of the rows and of constants; its result is turned into floats and is the score."""
    rows = rows.astype(kind)
    initializers = [
        numpy_helper.from_array(np.asarray(value), f"constant_{index}") for index, value in enumerate(constants)
    ]
    names = ["rows", *(tensor.name for tensor in initializers)]
    nodes = [
        helper.make_node(operator, names, ["found"], name=f"{operator}_alone", **attributes),
        helper.make_node("Cast", ["found"], ["score"], name="as_float", to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        operator,
        [helper.make_tensor_value_info("rows", TYPES[kind], [None, FEATURES])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, columns])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    checker.check_model(model)
    return Export(model.SerializeToString(), {"rows": rows}, "score[0]")


UNARY = "Relu Sigmoid Tanh Erf Exp Softplus Softsign Elu Selu Celu LeakyRelu HardSigmoid HardSwish Mish ThresholdedRelu Shrink"
UNARY = (
    f"{UNARY} Abs Neg Floor Ceil Round Sign Sin Cos Atan Softmax LogSoftmax Hardmax Identity IsNaN Reciprocal".split()
)
POSITIVE = ["Log", "Sqrt"]
COMPLETE = ROWS[~np.isnan(ROWS).any(axis=1)]
# ONNX Runtime's own answers to rows with a NaN depend on where it stands and on the type.
UNDEFINED_OF_NAN = ["ReduceMax", "ReduceMin", "LogSoftmax", "Hardmax"]
ROW_WISE = [
    "ReduceMax",
    "ReduceMin",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceProd",
    "ArgMax",
    "ArgMin",
]
BINARY = [
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Max",
    "Min",
    "Greater",
    "Less",
    "GreaterOrEqual",
    "LessOrEqual",
    "Equal",
    "PRelu",
    "Mod",
]


def cases(kind, suffix):
    found = {}

    def add(name, operator, **options):
        if operator in UNDEFINED_OF_NAN:
            options = {"rows": COMPLETE, **options}
        found[f"operator_{name.lower()}{suffix}"] = lambda: alone(operator, kind, **options)

    for operator in UNARY:
        add(operator, operator)
    for operator in POSITIVE:
        add(operator, operator, rows=np.abs(ROWS) + 0.5)
    for operator in ROW_WISE:
        # The axes are an attribute up to opset 17, and for ArgMax a single one.
        axes = {"axis": 1} if operator.startswith("Arg") else {"axes": [1]}
        add(operator, operator, columns=1, opset=11, **axes)
    for operator in BINARY:
        others = np.array([0.5, -1, 2, 0, 1, -2, 3, 4], dtype=kind)
        options = {"fmod": 1} if operator == "Mod" else {}
        add(operator, operator, constants=[others], **options)
    add("Clip", "Clip", constants=[np.array(-1, dtype=kind), np.array(1, dtype=kind)])
    add("ClipBelow", "Clip", constants=[np.array(-1, dtype=kind)])
    add("Gelu", "Gelu", opset=20)
    add("GeluTanh", "Gelu", opset=20, approximate="tanh")
    add("MatMul", "MatMul", constants=[np.ones((FEATURES, 3), dtype=kind)], columns=3)
    add("Gemm", "Gemm", constants=[np.ones((FEATURES, 3), dtype=kind), np.arange(3, dtype=kind)], columns=3)
    add(
        "LayerNormalization",
        "LayerNormalization",
        constants=[np.ones(FEATURES, dtype=kind), np.zeros(FEATURES, dtype=kind)],
    )
    statistics = [np.full(FEATURES, value, dtype=kind) for value in (2, 1, 0.5, 4)]
    add("BatchNormalization", "BatchNormalization", constants=statistics)
    add("CumSum", "CumSum", constants=[np.array(1)])
    return found


CASES = cases(np.float32, "") | cases(np.float64, "_double")
