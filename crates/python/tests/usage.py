"""How the package is used, for the checker of types."""

import pandas
import polars
import pyarrow

import riskstream


def use(payments: pandas.DataFrame, labels: polars.DataFrame, table: pyarrow.Table) -> float:
    features = riskstream.backfill("pipeline.yaml", payments, {"labels": labels}, partitions={"card": 2})
    counted: int = features.records.decided + len(features)
    records = riskstream.backfill("pipeline.yaml", table, output="features.parquet")
    counted += records.unusable + sum(one.count for one in records.unusable_by_reason)
    model = riskstream.load_model("model.onnx")
    scores: riskstream.Table = model.score(features)
    explanation = riskstream.explain(model, scores)
    verified = model.verify(features, score_column="score")
    report = riskstream.backtest("pipeline.yaml", payments, labels, against=["other.yaml"], cost_alert=5.0)
    report.save("report.html")
    try:
        riskstream.check("pipeline.yaml", rollout="rollout.yaml")
    except riskstream.PipelineError as error:
        print([(one.line, one.message, one.help) for one in error.diagnostics])
    return explanation.baseline + verified.largest_difference + counted
