"""scikit-learn's estimators, exported by skl2onnx."""

import numpy as np
from cases import BOTH, CLEAN, COUNT, FRAUD, HOLES, KIND, LEVEL, POSITIVE, WORDS, X, probability, sklearn
from sklearn import discriminant_analysis, ensemble, gaussian_process, linear_model, naive_bayes, neighbors, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.cross_decomposition import PLSRegression
from sklearn.isotonic import IsotonicRegression  # noqa: F401
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

TREES = dict(n_estimators=8, max_depth=4, random_state=3)
# Support vectors and neighbours are kept, so there must not be many.
FEW = slice(0, 250)


def scaled(model, y=FRAUD, scaler=StandardScaler, **options):
    return sklearn(make_pipeline(scaler(), model), y, **options)


def few(model, y=FRAUD, rows=BOTH, **options):
    return sklearn(make_pipeline(StandardScaler(), model), y[FEW], x=X[FEW], rows=rows, **options)


def lr(**parameters):
    return linear_model.LogisticRegression(max_iter=500, **parameters)


def stumps():
    return tree.DecisionTreeClassifier(max_depth=3, random_state=3)


CASES = {
    "isolation_forest_newest": lambda: sklearn(
        ensemble.IsolationForest(n_estimators=5, max_samples=64, random_state=3), score="scores"
    ),
    "local_outlier_factor": lambda: few(neighbors.LocalOutlierFactor(5, novelty=True), rows=CLEAN, score="scores"),
    "sgd_one_class": lambda: scaled(linear_model.SGDOneClassSVM(random_state=3), rows=CLEAN, score="scores"),
    "naive_bayes_categories": lambda: sklearn(
        naive_bayes.CategoricalNB(min_categories=30),
        x=np.abs(np.round(X[:, 4:7])),
        rows=np.abs(np.round(CLEAN[:, 4:7])),
    ),
    "grid_search": lambda: scaled(GridSearchCV(lr(), {"C": [0.1, 1.0]}, cv=2)),
    "tuned_threshold": lambda: scaled(TunedThresholdClassifierCV(lr(), cv=2)),
    "partial_least_squares": lambda: scaled(PLSRegression(3), LEVEL),
    "theil_sen": lambda: sklearn(linear_model.TheilSenRegressor(random_state=3, max_subpopulation=200), LEVEL),
    "ransac": lambda: sklearn(linear_model.RANSACRegressor(random_state=3), LEVEL),
    "lars": lambda: sklearn(linear_model.LassoLars(alpha=0.01), LEVEL),
    "logistic_class_labels": lambda: sklearn(lr(), output_class_labels=True),
    "random_forest_path": lambda: sklearn(
        ensemble.RandomForestClassifier(**TREES | {"n_estimators": 2}), decision_leaf=True
    ),
    "extra_trees_regressor": lambda: sklearn(ensemble.ExtraTreesRegressor(**TREES), LEVEL),
    "decision_tree": lambda: sklearn(tree.DecisionTreeClassifier(max_depth=5, random_state=3)),
    "decision_tree_holes": lambda: sklearn(tree.DecisionTreeClassifier(max_depth=5, random_state=3), x=HOLES),
    "decision_tree_regressor": lambda: sklearn(tree.DecisionTreeRegressor(max_depth=5, random_state=3), LEVEL),
    "extra_tree": lambda: sklearn(tree.ExtraTreeClassifier(max_depth=5, random_state=3)),
    "extra_trees": lambda: sklearn(ensemble.ExtraTreesClassifier(**TREES)),
    "random_forest": lambda: sklearn(ensemble.RandomForestClassifier(**TREES)),
    "random_forest_holes": lambda: sklearn(ensemble.RandomForestClassifier(**TREES), x=HOLES),
    "random_forest_multiclass": lambda: probability(sklearn(ensemble.RandomForestClassifier(**TREES), KIND), 2),
    "random_forest_words": lambda: probability(sklearn(ensemble.RandomForestClassifier(**TREES), WORDS), 0),
    "random_forest_raw_scores": lambda: sklearn(ensemble.RandomForestClassifier(**TREES), decision_path=False),
    "random_forest_regressor": lambda: sklearn(ensemble.RandomForestRegressor(**TREES), LEVEL),
    "random_forest_two_targets": lambda: two_targets(ensemble.RandomForestRegressor(**TREES)),
    "gradient_boosting": lambda: sklearn(ensemble.GradientBoostingClassifier(**TREES)),
    "gradient_boosting_zero_start": lambda: sklearn(ensemble.GradientBoostingClassifier(**TREES, init="zero")),
    "gradient_boosting_exponential": lambda: sklearn(ensemble.GradientBoostingClassifier(**TREES, loss="exponential")),
    "gradient_boosting_multiclass": lambda: probability(sklearn(ensemble.GradientBoostingClassifier(**TREES), KIND), 2),
    "gradient_boosting_regressor": lambda: sklearn(ensemble.GradientBoostingRegressor(**TREES), LEVEL),
    "hist_boosting": lambda: sklearn(ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=3), x=HOLES),
    "hist_boosting_multiclass": lambda: probability(
        sklearn(ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=3), KIND, x=HOLES), 2
    ),
    "hist_boosting_regressor": lambda: sklearn(
        ensemble.HistGradientBoostingRegressor(max_iter=8, random_state=3), LEVEL, x=HOLES
    ),
    "hist_boosting_poisson": lambda: sklearn(
        ensemble.HistGradientBoostingRegressor(max_iter=8, random_state=3, loss="poisson"), COUNT, x=HOLES
    ),
    "ada_boost": lambda: sklearn(ensemble.AdaBoostClassifier(stumps(), n_estimators=6, random_state=3)),
    "ada_boost_multiclass": lambda: probability(
        sklearn(ensemble.AdaBoostClassifier(stumps(), n_estimators=6, random_state=3), KIND), 2
    ),
    "ada_boost_regressor": lambda: sklearn(ensemble.AdaBoostRegressor(n_estimators=6, random_state=3), LEVEL),
    "bagging_trees": lambda: sklearn(ensemble.BaggingClassifier(stumps(), n_estimators=5, random_state=3)),
    "bagging_features": lambda: sklearn(
        ensemble.BaggingClassifier(stumps(), n_estimators=5, max_features=0.5, random_state=3)
    ),
    "bagging_linear": lambda: scaled(ensemble.BaggingClassifier(lr(), n_estimators=4, random_state=3)),
    "bagging_regressor": lambda: sklearn(
        ensemble.BaggingRegressor(n_estimators=4, max_samples=0.1, random_state=3), LEVEL
    ),
    "voting_soft": lambda: scaled(
        ensemble.VotingClassifier(
            [("a", lr()), ("b", stumps()), ("c", naive_bayes.GaussianNB())],
            voting="soft",
            weights=np.array([2, 1, 1]),
            flatten_transform=False,
        )
    ),
    "voting_hard": lambda: scaled(
        ensemble.VotingClassifier(
            [("a", lr()), ("b", stumps()), ("c", naive_bayes.GaussianNB())], flatten_transform=False
        ),
        score="probabilities[1]",
    ),
    "voting_regressor": lambda: scaled(
        ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=3))]), LEVEL
    ),
    "stacking": lambda: scaled(ensemble.StackingClassifier([("a", stumps()), ("b", naive_bayes.GaussianNB())], lr())),
    "stacking_passthrough": lambda: scaled(
        ensemble.StackingClassifier([("a", stumps()), ("b", lr())], lr(), passthrough=True)
    ),
    "stacking_regressor": lambda: scaled(
        ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=3))]), LEVEL
    ),
    "isolation_forest": lambda: sklearn(
        ensemble.IsolationForest(n_estimators=10, random_state=3), opsets={"": 15, "ai.onnx.ml": 3}, score="scores"
    ),
    "calibrated_sigmoid": lambda: sklearn(CalibratedClassifierCV(ensemble.RandomForestClassifier(**TREES), cv=2)),
    "calibrated_isotonic": lambda: sklearn(
        CalibratedClassifierCV(ensemble.RandomForestClassifier(**TREES), cv=2, method="isotonic")
    ),
    "calibrated_margin": lambda: scaled(CalibratedClassifierCV(svm.LinearSVC(), cv=2)),
    "calibrated_multiclass": lambda: probability(scaled(CalibratedClassifierCV(lr(), cv=2), KIND), 2),
    "svc_rbf": lambda: few(svm.SVC(probability=True, random_state=3)),
    "svc_linear": lambda: few(svm.SVC(kernel="linear", probability=True, random_state=3)),
    "svc_poly": lambda: few(svm.SVC(kernel="poly", degree=2, coef0=1, probability=True, random_state=3)),
    "svc_sigmoid": lambda: few(svm.SVC(kernel="sigmoid", probability=True, random_state=3)),
    "svc_margin": lambda: few(svm.SVC()),
    "svc_multiclass": lambda: probability(few(svm.SVC(probability=True, random_state=3), KIND), 2),
    "svc_multiclass_margin": lambda: probability(few(svm.SVC(), KIND), 2),
    "svc_words": lambda: probability(few(svm.SVC(probability=True, random_state=3), WORDS), 0),
    "nu_svc": lambda: few(svm.NuSVC(nu=0.3, probability=True, random_state=3)),
    "svr": lambda: few(svm.SVR(), LEVEL),
    "nu_svr": lambda: few(svm.NuSVR(kernel="poly"), LEVEL),
    "one_class_svm": lambda: few(svm.OneClassSVM(nu=0.2), score="scores", rows=CLEAN),
    "linear_svc": lambda: sklearn(svm.LinearSVC()),
    "linear_svc_multiclass": lambda: probability(sklearn(svm.LinearSVC(), KIND), 2),
    "linear_svr": lambda: scaled(svm.LinearSVR(), LEVEL),
    "sgd_log": lambda: scaled(linear_model.SGDClassifier(loss="log_loss", random_state=3)),
    "sgd_modified_huber": lambda: scaled(linear_model.SGDClassifier(loss="modified_huber", random_state=3)),
    "sgd_hinge": lambda: scaled(linear_model.SGDClassifier(random_state=3)),
    "sgd_multiclass": lambda: probability(scaled(linear_model.SGDClassifier(loss="log_loss", random_state=3), KIND), 2),
    "perceptron": lambda: scaled(linear_model.Perceptron(random_state=3)),
    "logistic": lambda: sklearn(lr()),
    "logistic_zipmap": lambda: sklearn(lr(), zipmap=True),
    "logistic_zipmap_columns": lambda: sklearn(lr(), zipmap="columns", score="i1"),
    "logistic_raw_scores": lambda: sklearn(lr(), raw_scores=True),
    "logistic_words": lambda: sklearn(lr(), np.where(FRAUD, "fraud", "genuine")),
    "logistic_words_zipmap": lambda: sklearn(lr(), np.where(FRAUD, "fraud", "genuine"), zipmap=True),
    "logistic_booleans": lambda: sklearn(lr(), FRAUD.astype(bool)),
    "logistic_multinomial": lambda: probability(scaled(lr(), KIND), 2),
    "logistic_one_against_rest": lambda: probability(scaled(OneVsRestClassifier(lr()), KIND), 2),
    "logistic_one_against_one": lambda: probability(scaled(OneVsOneClassifier(lr()), KIND), 2),
    "logistic_double": lambda: sklearn(lr(), rows=BOTH.astype(np.float64)),
    "logistic_old_opset": lambda: sklearn(lr(), opsets={"": 9, "ai.onnx.ml": 1}),
    "logistic_no_intercept": lambda: sklearn(lr(fit_intercept=False)),
    "ridge_classifier": lambda: scaled(linear_model.RidgeClassifier()),
    "linear": lambda: sklearn(linear_model.LinearRegression(), LEVEL),
    "linear_double": lambda: sklearn(linear_model.LinearRegression(), LEVEL, rows=BOTH.astype(np.float64)),
    "linear_two_targets": lambda: two_targets(linear_model.LinearRegression()),
    "ridge": lambda: sklearn(linear_model.Ridge(), LEVEL),
    "lasso": lambda: sklearn(linear_model.Lasso(alpha=0.05), LEVEL),
    "elastic_net": lambda: sklearn(linear_model.ElasticNet(alpha=0.05), LEVEL),
    "bayesian_ridge": lambda: sklearn(linear_model.BayesianRidge(), LEVEL),
    "huber": lambda: scaled(linear_model.HuberRegressor(), LEVEL),
    "quantile": lambda: scaled(linear_model.QuantileRegressor(quantile=0.9, alpha=0.01), LEVEL),
    "poisson": lambda: scaled(linear_model.PoissonRegressor(), COUNT),
    "gamma": lambda: scaled(linear_model.GammaRegressor(), POSITIVE),
    "tweedie": lambda: scaled(linear_model.TweedieRegressor(power=1.5), POSITIVE),
    "naive_bayes": lambda: scaled(naive_bayes.GaussianNB()),
    "naive_bayes_multiclass": lambda: probability(scaled(naive_bayes.GaussianNB(), KIND), 2),
    "naive_bayes_bernoulli": lambda: scaled(naive_bayes.BernoulliNB()),
    "naive_bayes_multinomial": lambda: scaled(naive_bayes.MultinomialNB(), scaler=MinMaxScaler),
    "naive_bayes_complement": lambda: scaled(naive_bayes.ComplementNB(), scaler=MinMaxScaler),
    "lda": lambda: sklearn(discriminant_analysis.LinearDiscriminantAnalysis()),
    "lda_multiclass": lambda: probability(sklearn(discriminant_analysis.LinearDiscriminantAnalysis(), KIND), 2),
    "qda": lambda: scaled(discriminant_analysis.QuadraticDiscriminantAnalysis()),
    "neighbours": lambda: few(neighbors.KNeighborsClassifier(5), rows=CLEAN),
    "neighbours_weighted": lambda: few(neighbors.KNeighborsClassifier(5, weights="distance"), rows=CLEAN),
    "neighbours_manhattan": lambda: few(neighbors.KNeighborsClassifier(5, metric="manhattan"), rows=CLEAN),
    "neighbours_regressor": lambda: few(neighbors.KNeighborsRegressor(5), LEVEL, rows=CLEAN),
    "mlp": lambda: scaled(MLPClassifier(hidden_layer_sizes=[16, 8], max_iter=60, random_state=3)),
    "mlp_tanh": lambda: scaled(MLPClassifier(hidden_layer_sizes=[16], activation="tanh", max_iter=60, random_state=3)),
    "mlp_multiclass": lambda: probability(
        scaled(MLPClassifier(hidden_layer_sizes=[16], activation="logistic", max_iter=60, random_state=3), KIND), 2
    ),
    "mlp_regressor": lambda: scaled(MLPRegressor(hidden_layer_sizes=[16, 8], max_iter=60, random_state=3), LEVEL),
    "gaussian_process": lambda: few(gaussian_process.GaussianProcessRegressor(), LEVEL),
    "gaussian_mixture": lambda: scaled(GaussianMixture(3, random_state=3), score="probabilities[2]"),
    "k_means": lambda: scaled(KMeans(3, random_state=3, n_init=2), score="scores[1]"),
    "many_regressors": lambda: two_targets(MultiOutputRegressor(linear_model.Ridge())),
}


def two_targets(model):
    return sklearn(model, np.stack([LEVEL, POSITIVE], axis=1), score="variable[1]")
