"""The operators of ai.onnx.ml, each alone in a graph, with every value of their attributes that changes the answer."""

import itertools

import numpy as np
from cases import Export
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
WIDTH = 3
ROWS = np.array(
    [
        [-2, 0.5, 1],
        [1, 1, 1],
        [0, 0, 0],
        [3, -1, 2],
        [0.25, 0.75, -0.5],
        [np.nan, 1, 2],
        [1, np.nan, -1],
        [np.nan] * 3,
        [2, 2, 5],
    ],
    dtype=np.float32,
)
WORDS = np.array([["a"], ["b"], ["c"], [""], ["unknown"]], dtype=object)
KINDS = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "object": TensorProto.STRING,
}
# With one score for two classes ONNX Runtime leaves the second column as it was in memory.
UNDEFINED = ("PROBIT", 1)
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]
COMPLETE = slice(0, 5)


def alone(operator, outputs, feeds=None, version=3, score=None, constants=(), nodes=(), **attributes):
    """A graph of `operator`, and of the nodes after it; `outputs` are names and types."""
    feeds = {"rows": ROWS} if feeds is None else feeds
    initializers = [
        numpy_helper.from_array(np.asarray(value), f"constant_{index}") for index, value in enumerate(constants)
    ]
    names = [*feeds, *(tensor.name for tensor in initializers)]
    written = ["label", "scores"] if operator.endswith("Classifier") else ["scores"]
    node = helper.make_node(operator, names, written, name=f"{operator}_alone", domain=ML, **attributes)
    inputs = [
        helper.make_tensor_value_info(name, KINDS[str(rows.dtype)], [None, rows.shape[1]])
        for name, rows in feeds.items()
    ]
    declared = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    graph = helper.make_graph([node, *nodes], operator, inputs, declared, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, version)]
    return Export(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(), feeds, score or "scores[0]"
    )


FLOATS = {"scores": TensorProto.FLOAT}
LABELLED = {"label": TensorProto.INT64, "scores": TensorProto.FLOAT}
NAMED = {"label": TensorProto.STRING, "scores": TensorProto.FLOAT}


def as_float(kind):
    """Scores are numbers: integers are turned into floats, and texts into the places where they stand."""
    if kind == "strings":
        places = {"keys_strings": ["one", "two", "three", "other"], "values_floats": [1.0, 2.0, 3.0, 4.0]}
        return [helper.make_node("LabelEncoder", ["scores"], ["number"], name="places", domain=ML, **places)]
    return [helper.make_node("Cast", ["scores"], ["number"], name="as_float", to=TensorProto.FLOAT)]


KEYS = {
    "strings": (WORDS, ["b", "a", "a"]),
    "int64s": (np.array([[1], [2], [3], [-7]], dtype=np.int64), [2, 1, 1]),
    # A NaN among the keys ONNX Runtime finds from version 4 on only.
    "floats": (np.array([[0.5], [-0.0], [np.nan], [3], [7]], dtype=np.float32), [0.5, 7.0, 0.0]),
}
VALUES = {"strings": ["one", "two", "three"], "int64s": [10, 20, 30], "floats": [0.1, 0.2, 0.3]}
DEFAULTS = {"strings": ("default_string", "other"), "int64s": ("default_int64", 5), "floats": ("default_float", 0.75)}


def label_encoders():
    def encoder(keys, values, version=2, **options):
        rows, these = KEYS[keys]
        attributes = {f"keys_{keys}": these, f"values_{values}": VALUES[values]} | options
        return alone(
            "LabelEncoder",
            {"number": TensorProto.FLOAT},
            {"rows": rows},
            version,
            "number[0]",
            nodes=as_float(values),
            **attributes,
        )

    found = {}
    for keys, values in itertools.product(KEYS, VALUES):
        name, default = DEFAULTS[values]
        found[f"{keys}_to_{values}"] = lambda keys=keys, values=values: encoder(keys, values)
        found[f"{keys}_to_{values}_default"] = lambda keys=keys, values=values, name=name, default=default: encoder(
            keys, values, **{name: default}
        )

    def of_tensors(rows, keys, values, default):
        tensors = {"keys_tensor": keys, "values_tensor": values, "default_tensor": default}
        attributes = {name: numpy_helper.from_array(value, name) for name, value in tensors.items()}
        return alone(
            "LabelEncoder",
            {"number": TensorProto.FLOAT},
            {"rows": rows},
            4,
            "number[0]",
            nodes=as_float("floats"),
            **attributes,
        )

    doubles = np.array([[0.1], [2], [np.nan]])
    found["tensors"] = lambda: of_tensors(doubles, np.array([2, np.nan]), np.array([0.2, 0.3]), np.array([0.4]))
    found["tensors_of_integers"] = lambda: of_tensors(
        KEYS["int64s"][0], np.array([1, 2]), np.array([5, 6]), np.array([7])
    )
    found["classes"] = lambda: alone(
        "LabelEncoder",
        {"number": TensorProto.FLOAT},
        {"rows": WORDS},
        1,
        "number[0]",
        nodes=as_float("int64s"),
        classes_strings=["b", "a"],
        default_int64=9,
    )
    return {f"label_encoder_{name}": make for name, make in found.items()}


def preparation():
    whole = np.array([[1, 2, 3], [3, 1, 9], [-1, 0, 2]], dtype=np.int64)
    mapping = dict(cats_int64s=[1, 2, 3], cats_strings=["one", "two", "three"])
    number = {"number": TensorProto.FLOAT}
    words = {"rows": np.array([["one"], ["three"], ["no"]], dtype=object)}
    return {
        "scaler": lambda: alone("Scaler", FLOATS, offset=[1.0, 2, 3], scale=[2.0, 0.5, -1]),
        "scaler_one": lambda: alone("Scaler", FLOATS, offset=[1.0], scale=[2.0]),
        "scaler_double": lambda: alone("Scaler", FLOATS, {"rows": ROWS.astype(np.float64)}, offset=[1.0], scale=[2.0]),
        "scaler_integers": lambda: alone("Scaler", FLOATS, {"rows": whole}, offset=[1.0, 2, 3], scale=[2.0, 0.5, -1]),
        "imputer": lambda: alone(
            "Imputer", FLOATS, imputed_value_floats=[7.0, 8, 9], replaced_value_float=float("nan")
        ),
        "imputer_of_zero": lambda: alone("Imputer", FLOATS, imputed_value_floats=[7.0]),
        "imputer_integers": lambda: alone(
            "Imputer",
            number,
            {"rows": whole},
            score="number[0]",
            nodes=as_float("int64s"),
            imputed_value_int64s=[7, 8, 9],
            replaced_value_int64=1,
        ),
        **{
            f"normalizer_{norm.lower()}": lambda norm=norm: alone("Normalizer", FLOATS, norm=norm)
            for norm in ["MAX", "L1", "L2"]
        },
        "binarizer": lambda: alone("Binarizer", FLOATS, {"rows": ROWS[COMPLETE]}, threshold=0.5),
        "one_hot_words": lambda: alone("OneHotEncoder", FLOATS, {"rows": WORDS}, cats_strings=["b", "a"]),
        "one_hot_integers": lambda: alone("OneHotEncoder", FLOATS, {"rows": whole}, cats_int64s=[2, 1, 3]),
        "one_hot_floats": lambda: alone("OneHotEncoder", FLOATS, {"rows": ROWS[COMPLETE]}, cats_int64s=[2, 1, 3, -2]),
        "feature_vectorizer": lambda: alone(
            "FeatureVectorizer", FLOATS, {"rows": ROWS, "more": ROWS[:, :1]}, inputdimensions=[3, 1]
        ),
        "array_feature_extractor": lambda: alone("ArrayFeatureExtractor", FLOATS, constants=[np.array([2, 0])]),
        "category_mapper_to_words": lambda: alone(
            "CategoryMapper",
            number,
            {"rows": whole},
            score="number[0]",
            nodes=as_float("strings"),
            default_string="other",
            **mapping,
        ),
        "category_mapper_to_integers": lambda: alone(
            "CategoryMapper", number, words, score="number[0]", nodes=as_float("int64s"), default_int64=-5, **mapping
        ),
    }


COEFFICIENTS = [0.5, -1.0, 0.25, 1.0, 0.5, -0.5, -0.75, 0.25, 0.5]


def linear():
    found = {}
    for transform, targets in itertools.product(TRANSFORMS, [1, 2, 3]):
        weights = dict(
            coefficients=COEFFICIENTS[: WIDTH * targets],
            intercepts=[0.25, 0.5, -0.25][:targets],
            post_transform=transform,
        )
        name = f"{transform.lower()}_{targets}"
        found[f"linear_regressor_{name}"] = lambda weights=weights, targets=targets: alone(
            "LinearRegressor", FLOATS, targets=targets, **weights
        )
        labels = [7, 3, 5][: max(targets, 2)]
        if (transform, targets) == UNDEFINED:
            continue
        found[f"linear_classifier_{name}"] = lambda weights=weights, labels=labels: alone(
            "LinearClassifier", LABELLED, classlabels_ints=labels, **weights
        )
    words = dict(coefficients=COEFFICIENTS, intercepts=[0.0] * 3, classlabels_strings=["x", "y", "z"])
    found["linear_classifier_words"] = lambda: alone("LinearClassifier", NAMED, **words)
    found["linear_regressor_no_intercept"] = lambda: alone("LinearRegressor", FLOATS, coefficients=COEFFICIENTS[:3])
    return found


VECTORS = [1.0, 0, 2, -1, 1, 0, 0.5, 0.5, -1, 2, -1, 1]


def support_vectors():
    found = {}
    for kernel in ["LINEAR", "POLY", "RBF", "SIGMOID"]:
        shape = dict(kernel_type=kernel, kernel_params=[0.5, 0.25, 2.0], support_vectors=VECTORS)
        regressor = dict(coefficients=[1.0, -0.5, 0.25, 2.0], rho=[0.5], n_supports=4)
        two = dict(vectors_per_class=[2, 2], coefficients=[1.0, 0.5, -0.75, -1.0], rho=[0.25], classlabels_ints=[3, 8])
        three = dict(
            vectors_per_class=[2, 1, 1],
            coefficients=[1.0, 0.5, -0.75, -1.0, 0.5, 1.0, -0.25, 0.75],
            rho=[0.25, -0.5, 0.1],
            classlabels_ints=[3, 8, 5],
        )
        name = kernel.lower()
        found[f"svm_regressor_{name}"] = lambda options=shape | regressor: alone("SVMRegressor", FLOATS, **options)
        found[f"svm_regressor_{name}_one_class"] = lambda options=shape | regressor: alone(
            "SVMRegressor", FLOATS, {"rows": ROWS[COMPLETE]}, one_class=1, **options
        )
        found[f"svm_classifier_{name}_2"] = lambda options=shape | two: alone("SVMClassifier", LABELLED, **options)
        found[f"svm_classifier_{name}_3"] = lambda options=shape | three: alone("SVMClassifier", LABELLED, **options)
        calibrated = dict(prob_a=[-1.5], prob_b=[0.25])
        found[f"svm_classifier_{name}_2_calibrated"] = lambda options=shape | two | calibrated: alone(
            "SVMClassifier", LABELLED, **options
        )
        calibrated = dict(prob_a=[-1.5, -1.0, -2.0], prob_b=[0.25, 0.0, -0.5])
        found[f"svm_classifier_{name}_3_calibrated"] = lambda options=shape | three | calibrated: alone(
            "SVMClassifier", LABELLED, **options
        )
    for transform in TRANSFORMS[1:]:
        if transform != "PROBIT":
            found[f"svm_classifier_{transform.lower()}_2"] = (
                lambda options=shape | two | {"post_transform": transform}: alone("SVMClassifier", LABELLED, **options)
            )
        found[f"svm_classifier_{transform.lower()}_3"] = lambda options=shape | three | {"post_transform": transform}: (
            alone("SVMClassifier", LABELLED, **options)
        )
    return found


# Two trees: of three leaves and of two. For each leaf (its tree and node) the targets it has weights for.
NODES = dict(
    nodes_treeids=[0, 0, 0, 0, 0, 1, 1, 1],
    nodes_nodeids=[0, 1, 2, 3, 4, 0, 1, 2],
    nodes_featureids=[0, 1, 0, 0, 0, 2, 0, 0],
    nodes_truenodeids=[1, 3, 0, 0, 0, 1, 0, 0],
    nodes_falsenodeids=[2, 4, 0, 0, 0, 2, 0, 0],
    nodes_missing_value_tracks_true=[1, 0, 0, 0, 0, 0, 0, 0],
)
THRESHOLDS = [0.5, 1.0, 0, 0, 0, 1.0, 0, 0]
LEAVES = [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]
WEIGHTS = [0.1, -0.3, 0.45, 0.2, -0.15]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def nodes(mode="BRANCH_LEQ"):
    return NODES | {
        "nodes_values": THRESHOLDS,
        "nodes_modes": [mode, mode, "LEAF", "LEAF", "LEAF", mode, "LEAF", "LEAF"],
    }


def weights(prefix, targets, values=WEIGHTS, only=None):
    """The n-th target's weight is the first one's divided by n + 1; `only` one target has any."""
    chosen = range(targets) if only is None else [only]
    rows = [
        (tree, node, target, value / (target + 1)) for (tree, node), value in zip(LEAVES, values) for target in chosen
    ]
    trees, places, ids, found = map(list, zip(*rows))
    return {f"{prefix}_treeids": trees, f"{prefix}_nodeids": places, f"{prefix}_ids": ids, f"{prefix}_weights": found}


def doubles(attributes):
    """Floats as tensors of doubles, for rows of doubles."""
    names = ["nodes_values", "class_weights", "target_weights", "base_values"]
    moved = {
        f"{name}_as_tensor": numpy_helper.from_array(np.array(attributes[name], dtype=np.float64))
        for name in names
        if name in attributes
    }
    return {name: value for name, value in attributes.items() if name not in names} | moved


def regressor(attributes, targets=1, feeds=None, **options):
    attributes = nodes() | weights("target", targets) | attributes
    return alone("TreeEnsembleRegressor", FLOATS, feeds, n_targets=targets, **attributes, **options)


def classifier(attributes, classes=2, feeds=None, **options):
    attributes = nodes() | {"classlabels_int64s": [4, 9, 2][:classes]} | attributes
    return alone("TreeEnsembleClassifier", LABELLED, feeds, **attributes, **options)


def trees():
    found = {f"{mode.lower()}": lambda mode=mode: regressor(nodes(mode)) for mode in MODES}
    for aggregate, targets, base in itertools.product(["SUM", "AVERAGE", "MIN", "MAX"], [1, 2], [None, [0.5, -0.5]]):
        attributes = {"aggregate_function": aggregate} | ({"base_values": base[:targets]} if base else {})
        found[f"regressor_{aggregate.lower()}_{targets}{'_base' if base else ''}"] = (
            lambda attributes=attributes, targets=targets: regressor(attributes, targets)
        )
    wide = {"rows": ROWS.astype(np.float64)}
    found["regressor_doubles"] = lambda: double_regressor(wide)
    found["classifier_doubles"] = lambda: double_classifier(wide)
    positive = [abs(value) for value in WEIGHTS]
    for transform in TRANSFORMS:
        name = transform.lower()
        chosen = {"post_transform": transform}
        for targets in [1, 3]:
            found[f"regressor_{name}_{targets}"] = lambda chosen=chosen, targets=targets: regressor(chosen, targets)
        heads = {
            "3": (3, weights("class", 3)),
            "2": (2, weights("class", 2)),
            "2_first": (2, weights("class", 2, only=0)),
            "2_first_positive": (2, weights("class", 2, positive, only=0)),
            "2_second": (2, weights("class", 2, only=1)),
            "2_first_base": (2, weights("class", 2, only=0) | {"base_values": [0.3]}),
            "2_base": (2, weights("class", 2) | {"base_values": [0.3, -0.2]}),
            "3_base": (3, weights("class", 3) | {"base_values": [0.3, -0.2, 0.1]}),
        }
        if transform == "PROBIT":
            heads = {head: heads[head] for head in ["3", "2", "2_base", "3_base"]}
        for head, (classes, attributes) in heads.items():
            found[f"classifier_{name}_{head}"] = lambda attributes=chosen | attributes, classes=classes: classifier(
                attributes, classes
            )
    return {f"trees_{name}": make for name, make in found.items()}


def double_regressor(feeds):
    attributes = (
        NODES
        | {"nodes_modes": nodes()["nodes_modes"]}
        | doubles({"nodes_values": THRESHOLDS, "base_values": [0.1, 0.2]} | weights("target", 2))
    )
    return alone("TreeEnsembleRegressor", FLOATS, feeds, n_targets=2, **attributes)


def double_classifier(feeds):
    attributes = (
        NODES | {"nodes_modes": nodes()["nodes_modes"]} | doubles({"nodes_values": THRESHOLDS} | weights("class", 3))
    )
    return alone("TreeEnsembleClassifier", LABELLED, feeds, classlabels_int64s=[4, 9, 2], **attributes)


def version_5(kind=np.float32, targets=1, modes=(0, 0, 0), members=None, **options):
    """The same trees; a mode of 6 is set membership."""
    tensor = lambda values, dtype: numpy_helper.from_array(np.array(values, dtype=dtype))
    attributes = dict(
        n_targets=targets,
        nodes_featureids=[0, 1, 2],
        nodes_modes=tensor(modes, np.uint8),
        nodes_splits=tensor([0.5, 1.0, 1.0], kind),
        nodes_truenodeids=[1, 1, 3],
        nodes_trueleafs=[0, 1, 1],
        nodes_falsenodeids=[0, 2, 4],
        nodes_falseleafs=[1, 1, 1],
        nodes_missing_value_tracks_true=[1, 0, 0],
        leaf_targetids=[target % targets for target in range(5)],
        leaf_weights=tensor(WEIGHTS, kind),
        tree_roots=[0, 2],
    )
    if members is not None:
        attributes["membership_values"] = tensor(members, kind)
    outputs = {"scores": KINDS[np.dtype(kind).name]}
    return alone("TreeEnsemble", outputs, {"rows": ROWS.astype(kind)}, 5, **attributes, **options)


def trees_5():
    found = {f"mode_{mode}": lambda mode=mode: version_5(modes=[mode] * 3) for mode in range(6)}
    for transform, targets in itertools.product(range(5), [1, 3]):
        found[f"transform_{transform}_{targets}"] = lambda transform=transform, targets=targets: version_5(
            targets=targets, post_transform=transform
        )
    for aggregate, targets in itertools.product(range(4), [1, 2]):
        found[f"aggregate_{aggregate}_{targets}"] = lambda aggregate=aggregate, targets=targets: version_5(
            targets=targets, aggregate_function=aggregate
        )
    found["members"] = lambda: version_5(modes=[6, 0, 6], members=[-2, 3, np.nan, 1, 5, 2, np.nan])
    found["doubles"] = lambda: version_5(np.float64, 2)
    return {f"trees_5_{name}": make for name, make in found.items()}


CASES = label_encoders() | preparation() | linear() | support_vectors() | trees() | trees_5()
