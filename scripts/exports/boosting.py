"""XGBoost, LightGBM and CatBoost, by the exporters that their users have."""

import tempfile
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnx
import xgboost
from cases import (
    BOTH,
    COUNT,
    FEATURES,
    FRAUD,
    HOLES,
    KIND,
    LEVEL,
    POSITIVE,
    WORDS,
    Export,
    X,
    probability,
    sklearn,
)
from onnxmltools.convert import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as lightgbm_converter
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as xgboost_converter
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes as classifier_shapes
from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes as regressor_shapes
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TYPES = [("input", FloatTensorType([None, FEATURES]))]
SMALL = dict(n_estimators=12, max_depth=4, random_state=3, n_jobs=1)
# Categories are whole numbers from 0.
CATEGORIES = np.array([0, 5, 6])

for model, name, converter, shapes in [
    (xgboost.XGBClassifier, "XGBoostXGBClassifier", xgboost_converter, classifier_shapes),
    (xgboost.XGBRegressor, "XGBoostXGBRegressor", xgboost_converter, regressor_shapes),
    (lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", lightgbm_converter, classifier_shapes),
    (lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", lightgbm_converter, regressor_shapes),
]:
    options = (
        {"zipmap": [True, False, "columns"], "nocl": [True, False]} if shapes is classifier_shapes else {"split": None}
    )
    update_registered_converter(model, name, shapes, converter, options=options)


def xgb(model, y=FRAUD, **fit):
    model.fit(HOLES, y, **fit)
    return Export(convert_xgboost(model, initial_types=TYPES, target_opset=15).SerializeToString(), {"input": BOTH})


def xgb_classifier(y=FRAUD, **parameters):
    return xgb(xgboost.XGBClassifier(**SMALL | parameters), y)


def xgb_regressor(y=LEVEL, **parameters):
    return xgb(xgboost.XGBRegressor(**SMALL | parameters), y)


def lgb(model, y=FRAUD, x=HOLES, rows=BOTH, zipmap=False, **fit):
    model.fit(x, y, **fit)
    options = {"zipmap": zipmap} if isinstance(model, lightgbm.LGBMClassifier) else {}
    exported = convert_lightgbm(model, initial_types=TYPES, target_opset=15, **options)
    return Export(exported.SerializeToString(), {"input": rows})


def lgb_classifier(y=FRAUD, zipmap=False, **parameters):
    return lgb(lightgbm.LGBMClassifier(**SMALL | {"verbose": -1} | parameters), y, zipmap=zipmap)


def lgb_regressor(y=LEVEL, **parameters):
    return lgb(lightgbm.LGBMRegressor(**SMALL | {"verbose": -1} | parameters), y)


def categories(values):
    """The whole-number columns as categories from 0 to 11."""
    values = values.copy()
    values[:, 4:7] = values[:, 4:7] + 6
    return values


def lgb_categories():
    model = lightgbm.LGBMClassifier(
        **SMALL | {"verbose": -1, "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 1}
    )
    return lgb(model, x=categories(HOLES), rows=categories(BOTH), categorical_feature=[4, 5, 6])


def cat(model, y=FRAUD, **fit):
    model.fit(X, y, verbose=False, **fit)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.onnx"
        model.save_model(str(path), format="onnx")
        exported = onnx.load(path)
    return Export(exported.SerializeToString(), {exported.graph.input[0].name: BOTH})


CAT = dict(iterations=12, depth=4, random_seed=3, thread_count=1, allow_writing_files=False)


def pipeline(model, y=FRAUD):
    return sklearn(
        make_pipeline(SimpleImputer(), StandardScaler(), model), y, x=HOLES, opsets={"": 15, "ai.onnx.ml": 3}
    )


CASES = {
    "xgb_binary": xgb_classifier,
    "xgb_base_score": lambda: xgb_classifier(base_score=0.2),
    "xgb_multiclass": lambda: probability(xgb_classifier(KIND), 2),
    "xgb_softmax_labels": lambda: probability(xgb_classifier(KIND, objective="multi:softmax"), 2),
    "xgb_dart": lambda: xgb_classifier(booster="dart", rate_drop=0.3),
    "xgb_forest": lambda: xgb(xgboost.XGBRFClassifier(n_estimators=12, max_depth=4, random_state=3, n_jobs=1)),
    "xgb_many_parallel_trees": lambda: xgb_classifier(n_estimators=4, num_parallel_tree=3, subsample=0.7),
    "xgb_early_stop": lambda: xgb(
        xgboost.XGBClassifier(**SMALL | {"n_estimators": 60, "early_stopping_rounds": 2}),
        eval_set=[(HOLES[:300], FRAUD[:300])],
        verbose=False,
    ),
    "xgb_lossguide": lambda: xgb_classifier(grow_policy="lossguide", max_leaves=9, max_depth=0, tree_method="hist"),
    "xgb_one_leaf_trees": lambda: xgb_classifier(min_child_weight=1e6),
    "xgb_regressor": xgb_regressor,
    "xgb_regressor_base_score": lambda: xgb_regressor(base_score=-3.5),
    "xgb_absolute_error": lambda: xgb_regressor(objective="reg:absoluteerror"),
    "xgb_logistic_regressor": lambda: xgb_regressor(FRAUD, objective="reg:logistic"),
    "xgb_poisson": lambda: xgb_regressor(COUNT, objective="count:poisson"),
    "xgb_tweedie": lambda: xgb_regressor(POSITIVE, objective="reg:tweedie"),
    "xgb_gamma": lambda: xgb_regressor(POSITIVE, objective="reg:gamma"),
    "xgb_ranker": lambda: xgb(xgboost.XGBRanker(**SMALL), KIND, group=[50] * 30),
    "xgb_pipeline": lambda: pipeline(xgboost.XGBClassifier(**SMALL)),
    "xgb_regressor_pipeline": lambda: pipeline(xgboost.XGBRegressor(**SMALL), LEVEL),
    "lgb_binary": lgb_classifier,
    "lgb_zipmap": lambda: lgb_classifier(zipmap=True),
    "lgb_multiclass": lambda: probability(lgb_classifier(KIND), 2),
    "lgb_words": lambda: probability(lgb_classifier(WORDS), 0),
    "lgb_one_against_all": lambda: probability(lgb_classifier(KIND, objective="multiclassova"), 2),
    "lgb_dart": lambda: lgb_classifier(boosting_type="dart"),
    "lgb_forest": lambda: lgb_classifier(boosting_type="rf", subsample=0.7, subsample_freq=1),
    "lgb_zero_is_missing": lambda: lgb_classifier(zero_as_missing=True),
    "lgb_no_missing": lambda: lgb_classifier(use_missing=False),
    "lgb_one_leaf_trees": lambda: lgb_classifier(min_child_samples=2000),
    "lgb_categories": lgb_categories,
    "lgb_regressor": lgb_regressor,
    "lgb_poisson": lambda: lgb_regressor(COUNT, objective="poisson"),
    "lgb_tweedie": lambda: lgb_regressor(POSITIVE, objective="tweedie"),
    "lgb_quantile": lambda: lgb_regressor(objective="quantile", alpha=0.9),
    "lgb_cross_entropy": lambda: lgb_regressor(FRAUD, objective="cross_entropy"),
    "lgb_linear_trees": lambda: lgb_regressor(linear_tree=True),
    "lgb_ranker": lambda: lgb(lightgbm.LGBMRanker(**SMALL | {"verbose": -1}), KIND, group=[50] * 30),
    "lgb_pipeline": lambda: pipeline(lightgbm.LGBMClassifier(**SMALL | {"verbose": -1})),
    "lgb_regressor_pipeline": lambda: pipeline(lightgbm.LGBMRegressor(**SMALL | {"verbose": -1}), LEVEL),
    "cat_binary": lambda: cat(catboost.CatBoostClassifier(**CAT)),
    "cat_multiclass": lambda: probability(cat(catboost.CatBoostClassifier(**CAT), KIND), 2),
    "cat_words": lambda: probability(cat(catboost.CatBoostClassifier(**CAT), WORDS), 2),
    "cat_lossguide": lambda: cat(catboost.CatBoostClassifier(**CAT | {"grow_policy": "Lossguide"})),
    "cat_regressor": lambda: cat(catboost.CatBoostRegressor(**CAT), LEVEL),
    "cat_poisson": lambda: cat(catboost.CatBoostRegressor(**CAT, loss_function="Poisson"), COUNT),
}
