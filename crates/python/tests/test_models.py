"""Models: scores of ONNX Runtime, contributions that add up, verification, cards; the shipped model."""

import math
from pathlib import Path

import numpy
import onnxruntime
import pandas
import polars
import pyarrow
import pytest
from conftest import error_of

import riskstream

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "models/card-fraud.onnx"
OPTIONS = onnxruntime.SessionOptions()
OPTIONS.log_severity_level = 3


@pytest.fixture(scope="module")
def model():
    return riskstream.load_model(SHIPPED)


@pytest.fixture(scope="module")
def rows(model):
    """Numbers with holes."""
    random = numpy.random.default_rng(5)
    values = random.gamma(1.5, 40.0, (3_000, len(model.inputs))).astype(numpy.float32)
    values[random.random(values.shape) < 0.1] = numpy.nan
    return pandas.DataFrame(values, columns=model.inputs)


def test_what_a_model_says_of_itself(model):
    assert (model.name, model.score_output, len(model.sha256)) == ("card-fraud", "probabilities[1]", 64)
    assert repr(model) == f"<riskstream.Model {SHIPPED}: card-fraud {model.version}, {len(model.inputs)} inputs>"


def test_scores_are_those_of_onnx_runtime(model, rows):
    session = onnxruntime.InferenceSession(str(SHIPPED), OPTIONS, providers=["CPUExecutionProvider"])
    expected = session.run(["probabilities"], {session.get_inputs()[0].name: rows.to_numpy()})[0][:, 1]
    found = model.score(rows).to_pandas().score
    assert numpy.abs(found - expected).max() < 1e-6
    shuffled = rows[rows.columns[::-1]].assign(more="not an input")
    for table in shuffled, polars.from_pandas(shuffled), pyarrow.Table.from_pandas(shuffled):
        assert found.equals(model.score(table).to_pandas().score)


def test_rows_of_missing_values_and_no_rows(model, rows):
    empty = pandas.DataFrame({name: [None] for name in model.inputs})
    assert len(model.score(empty)) == 1 and not math.isnan(model.score(empty).to_pandas().score[0])
    assert len(model.score(rows[:0])) == 0


def test_rows_that_do_not_fit(model, rows):
    first = model.inputs[0]
    with pytest.raises(riskstream.ConfigurationError, match=rf"^the table: there is no column `{first}` \(did you mean `{first}x`\?\); it has "):
        model.score(rows.rename(columns={first: f"{first}x"}))
    with pytest.raises(riskstream.ConfigurationError, match=rf"^the table, record 1: field {first}: "):
        model.score(rows.astype({first: object}).assign(**{first: "a text"}))
    with pytest.raises(riskstream.ConfigurationError, match=r"^absent\.parquet: "):
        model.score("absent.parquet")


def test_contributions_add_up_to_the_score(model, rows):
    found = model.explain(rows[:200])
    assert (found.space, found.method, found.column_names) == ("log-odds", "trees", model.inputs)
    value = found.baseline + found.to_pandas().sum(axis=1)
    scores = model.score(rows[:200]).to_pandas().score
    assert numpy.abs(1 / (1 + numpy.exp(-value)) - scores).max() < 1e-5
    assert riskstream.explain(SHIPPED, rows[:200]).to_pandas().equals(found.to_pandas())


def test_contributions_are_those_of_decisions(model, monkeypatch):
    """A pipeline that explains gives the contributions of its model's card."""
    monkeypatch.setenv("RISKSTREAM_PERSONAL_DATA_KEY", "a secret for simulated cards")
    pipeline = ROOT / "pipelines/card-fraud.yaml"
    values = pandas.DataFrame({name: [float(place)] for place, name in enumerate(model.inputs)})
    found = riskstream.explain(pipeline, values)
    assert found.to_pandas().equals(model.explain(values).to_pandas())


def test_verification(model, rows, tmp_path):
    verified = model.verify()
    assert verified.rows > 5 and verified.largest_difference < 1e-5
    assert str(verified).startswith(f"{verified.rows} golden rows, at most ")
    scored = rows.assign(known=model.score(rows).to_pandas().score)
    assert model.verify(scored, "known").rows == 3_000
    scored.loc[1_700, "known"] += 0.1
    scored.to_parquet(tmp_path / "scored.parquet")
    _, text = error_of("models", "verify", SHIPPED, "--rows", tmp_path / "scored.parquet", "--score-column", "known")
    with pytest.raises(riskstream.RunError) as raised:
        model.verify(scored, "known")
    assert f"{SHIPPED}: {raised.value}".replace("the table", str(tmp_path / "scored.parquet")) == text
    assert "1 of 3000 rows" in text


def test_a_new_card(tmp_path, rows, model):
    (tmp_path / "new.onnx").write_bytes(SHIPPED.read_bytes())
    new = riskstream.load_model("new.onnx", model.inputs)
    for call in new.verify, lambda: new.explain(rows):
        with pytest.raises(riskstream.RunError, match=r"^there is no card: write new\.card\.yaml, or have `riskstream models card` "):
            call()
    scored = rows.assign(score=new.score(rows).to_pandas().score)
    path = riskstream.write_card("new.onnx", scored, model.inputs, score_column="score", score="probabilities[1]")
    assert path == "new.card.yaml"
    assert riskstream.load_model("new.onnx").verify().rows == 10
    with pytest.raises(riskstream.ConfigurationError, match=r"^cannot write new\.card\.yaml: File exists"):
        riskstream.write_card("new.onnx", scored, model.inputs, score="probabilities[1]")


def test_files_that_are_no_models(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    for name in "bad.onnx", "absent.onnx":
        code, text = error_of("models", "verify", name)
        with pytest.raises(riskstream.Error) as raised:
            riskstream.load_model(name)
        assert str(raised.value) == text
        assert raised.value.exit_code == code
