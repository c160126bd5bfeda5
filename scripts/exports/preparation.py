"""scikit-learn's preparation of columns before a model, on one tensor and on tables with texts."""

import numpy as np
from cases import (
    BOTH,
    CLEAN,
    COLUMNS,
    COUNTRIES,
    FRAUD,
    HOLES,
    OPSETS,
    ROWS,
    TEXT_COLUMNS,
    UNSEEN,
    Export,
    T,
    X,
    frame,
    sklearn,
    sklearn_table,
)
from skl2onnx import to_onnx
from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn import preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA, TruncatedSVD
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomTreesEmbedding
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, SelectPercentile, VarianceThreshold
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import GaussianRandomProjection


def lr():
    return LogisticRegression(max_iter=500)


def before(*steps, x=X, **options):
    """A logistic regression after these steps."""
    return sklearn(make_pipeline(*steps, lr()), x=x, **options)


def table(text_steps, number_steps=None, model=None, **options):
    """A model on a table: numbers imputed and scaled, texts encoded."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if number_steps is None else number_steps
    columns = ColumnTransformer([("numbers", numbers, COLUMNS), ("texts", text_steps, TEXT_COLUMNS)])
    return sklearn_table(make_pipeline(columns, lr() if model is None else model), **options)


def known():
    """Rows whose texts were all seen in training."""
    words = np.concatenate([T[:ROWS], T[:ROWS]])
    return frame(BOTH, words)


def one_hot(**options):
    return preprocessing.OneHotEncoder(**{"handle_unknown": "ignore"} | options)


def ordinal(**options):
    return preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **options)


def forest():
    return RandomForestClassifier(n_estimators=6, max_depth=4, random_state=3)


SPLIT = [
    ("a", StandardScaler(), [0, 1, 2]),
    ("b", preprocessing.MinMaxScaler(), [3, 7]),
    ("c", "drop", [4]),
    ("d", "passthrough", [5]),
]

CASES = {
    "kernel_pca": lambda: sklearn(
        make_pipeline(StandardScaler(), KernelPCA(3, kernel="rbf"), lr()), FRAUD[:200], x=X[:200]
    ),
    "incremental_pca": lambda: before(StandardScaler(), IncrementalPCA(3)),
    "select_from_model": lambda: before(SelectFromModel(forest())),
    "recursive_elimination": lambda: before(RFE(lr(), n_features_to_select=3)),
    "trees_embedding": lambda: before(
        RandomTreesEmbedding(4, max_depth=3, random_state=3, sparse_output=False), score="probabilities[1]"
    ),
    "one_hot_integers_column": lambda: before(
        one_hot(categories=[np.arange(-9, 10, dtype=np.int64)] * 3),
        x=np.round(X[:, 4:7]).astype(np.int64),
        rows=np.round(CLEAN[:, 4:7]).astype(np.int64),
    ),
    "ordinal_integers": lambda: sklearn(
        make_pipeline(ordinal(), forest()),
        x=np.round(X[:, 4:7]).astype(np.int64),
        rows=np.round(CLEAN[:, 4:7]).astype(np.int64),
    ),
    "ordinal_floats": lambda: sklearn(
        make_pipeline(ordinal(), forest()), x=np.round(X[:, 4:7]), rows=np.round(BOTH[:, 4:7])
    ),
    "nested_columns": lambda: before(
        FeatureUnion(
            [("a", make_pipeline(SimpleImputer(), PCA(2))), ("b", ColumnTransformer([("c", SimpleImputer(), [1, 2])]))]
        ),
        x=HOLES,
    ),
    "table_of_kinds": lambda: mixed_table(),
    "standard_scaler": lambda: before(StandardScaler()),
    "standard_scaler_no_mean": lambda: before(StandardScaler(with_mean=False)),
    "min_max_scaler": lambda: before(preprocessing.MinMaxScaler((-1, 1))),
    "min_max_scaler_clip": lambda: before(preprocessing.MinMaxScaler(clip=True)),
    "robust_scaler": lambda: before(preprocessing.RobustScaler()),
    "max_abs_scaler": lambda: before(preprocessing.MaxAbsScaler()),
    "normalizer_l1": lambda: before(preprocessing.Normalizer("l1")),
    "normalizer_l2": lambda: before(preprocessing.Normalizer("l2")),
    "normalizer_max": lambda: before(preprocessing.Normalizer("max")),
    "power_transformer": lambda: before(preprocessing.PowerTransformer()),
    "power_transformer_box_cox": lambda: before(
        preprocessing.MinMaxScaler((1, 2)), preprocessing.PowerTransformer("box-cox")
    ),
    "quantile_transformer": lambda: before(preprocessing.QuantileTransformer(n_quantiles=50)),
    "bins_one_hot": lambda: before(
        preprocessing.KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf")
    ),
    "bins_ordinal": lambda: before(preprocessing.KBinsDiscretizer(4, encode="ordinal", strategy="uniform")),
    "polynomial": lambda: before(StandardScaler(), preprocessing.PolynomialFeatures(2)),
    "polynomial_interactions": lambda: before(
        StandardScaler(), preprocessing.PolynomialFeatures(2, interaction_only=True, include_bias=False)
    ),
    "binarizer": lambda: before(preprocessing.Binarizer(threshold=0.5), rows=CLEAN),
    "pca": lambda: before(StandardScaler(), PCA(4)),
    "pca_whiten": lambda: before(PCA(4, whiten=True)),
    "svd": lambda: before(TruncatedSVD(4, random_state=3)),
    "random_projection": lambda: before(GaussianRandomProjection(4, random_state=3)),
    "select_k_best": lambda: before(SelectKBest(k=3)),
    "select_percentile": lambda: before(SelectPercentile(percentile=50)),
    "variance_threshold": lambda: before(VarianceThreshold(0.9)),
    "imputer_mean": lambda: before(SimpleImputer(), x=HOLES),
    "imputer_median": lambda: before(SimpleImputer(strategy="median"), x=HOLES),
    "imputer_most_frequent": lambda: before(SimpleImputer(strategy="most_frequent"), x=HOLES),
    "imputer_constant": lambda: before(SimpleImputer(strategy="constant", fill_value=-1), x=HOLES),
    "imputer_indicator": lambda: before(SimpleImputer(add_indicator=True), x=HOLES, refused="LinearClassifier"),
    "imputer_neighbours": lambda: before(KNNImputer(n_neighbors=3), x=HOLES[:80], y=FRAUD[:80]),
    "logarithm": lambda: before(preprocessing.FunctionTransformer()),
    "feature_union": lambda: before(FeatureUnion([("scaled", StandardScaler()), ("reduced", PCA(2))])),
    "columns_of_a_tensor": lambda: before(ColumnTransformer(SPLIT, remainder="passthrough")),
    "imputer_before_trees": lambda: sklearn(
        make_pipeline(SimpleImputer(strategy="median"), GradientBoostingClassifier(n_estimators=8, random_state=3)),
        x=HOLES,
    ),
    "double_pipeline": lambda: before(SimpleImputer(), StandardScaler(), x=HOLES, rows=BOTH.astype(np.float64)),
    "double_forest": lambda: sklearn(make_pipeline(StandardScaler(), forest()), rows=BOTH.astype(np.float64)),
    "opset_11": lambda: before(SimpleImputer(), StandardScaler(), x=HOLES, opsets={"": 11, "ai.onnx.ml": 1}),
    "opset_21": lambda: before(SimpleImputer(), StandardScaler(), x=HOLES, opsets={"": 21, "ai.onnx.ml": 4}),
    "opset_newest": lambda: sklearn(forest(), opsets={"": 22, "ai.onnx.ml": 5}),
    "integers": lambda: whole_numbers(),
    "table_one_hot": lambda: table(one_hot()),
    "table_one_hot_zipmap": lambda: table(one_hot(), zipmap=True),
    "table_one_hot_drop": lambda: table(one_hot(drop="first")),
    "table_one_hot_drop_binary": lambda: table(one_hot(drop="if_binary")),
    "table_one_hot_sparse": lambda: table(one_hot(sparse_output=True)),
    "table_one_hot_strict": lambda: table(one_hot(handle_unknown="error"), rows=known()),
    "table_one_hot_words": lambda: table(one_hot(), y=np.where(FRAUD, "fraud", "genuine")),
    "table_one_hot_given": lambda: table(one_hot(categories=[["ATM", "POS", "online", "phone"], sorted(COUNTRIES)])),
    "table_one_hot_rare": lambda: table(one_hot(handle_unknown="infrequent_if_exist", min_frequency=320), rows=known()),
    "table_ordinal": lambda: table(ordinal(), model=forest()),
    "table_ordinal_strict": lambda: table(preprocessing.OrdinalEncoder(), rows=known()),
    "table_target_encoder": lambda: table(preprocessing.TargetEncoder(random_state=3)),
    "table_imputer": lambda: table(
        make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), one_hot())
    ),
    "table_boosting": lambda: table(
        ordinal(), "passthrough", GradientBoostingClassifier(n_estimators=8, random_state=3)
    ),
    "table_numbers_only": lambda: sklearn_table(make_pipeline(SimpleImputer(), StandardScaler(), lr()), words=[]),
    "table_texts_only": lambda: sklearn_table(make_pipeline(one_hot(), lr()), numbers=[]),
}


def whole_numbers():
    """A model whose input is of int64: its columns cannot miss a value."""
    values = np.round(X * 3).astype(np.int64)
    return sklearn(make_pipeline(StandardScaler(), lr()), x=values, rows=np.round(BOTH[:ROWS] * 3).astype(np.int64))


def mixed_table():
    """Inputs of floats, integers, booleans and texts."""
    rows = frame(BOTH, np.concatenate([UNSEEN, UNSEEN]))
    table = frame(X, T)
    for data, values in [(table, X), (rows, np.nan_to_num(BOTH))]:
        data["count"] = np.round(values[:, 4]).astype(np.int64)
        data["night"] = values[:, 5] > 0
    names = [*COLUMNS[:3], "count", "night"]
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), COLUMNS[:3]),
            ("counts", StandardScaler(), ["count"]),
            ("flags", "passthrough", ["night"]),
            ("texts", one_hot(), TEXT_COLUMNS),
        ]
    )
    model = make_pipeline(columns, lr()).fit(table, FRAUD)
    kinds = {"count": Int64TensorType, "night": BooleanTensorType} | dict.fromkeys(TEXT_COLUMNS, StringTensorType)
    types = [(name, kinds.get(name, FloatTensorType)([None, 1])) for name in [*names, *TEXT_COLUMNS]]
    exported = to_onnx(model, initial_types=types, options={id(model): {"zipmap": False}}, target_opset=OPSETS)
    arrays = {"count": np.int64, "night": np.bool_} | dict.fromkeys(TEXT_COLUMNS, object)
    feeds = {name: rows[[name]].to_numpy(arrays.get(name, np.float32)) for name in [*names, *TEXT_COLUMNS]}
    return Export(exported.SerializeToString(), feeds)
