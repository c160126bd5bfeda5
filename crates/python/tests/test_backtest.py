"""`backtest` and `check`: the reports of the commands."""

import datetime
import json

import pandas
import pytest
from conftest import PIPELINE, command, error_of, write

import riskstream


@pytest.fixture
def files(tmp_path, payments, labels):
    return write(payments, tmp_path / "payments.parquet"), write(labels, tmp_path / "labels.parquet")


@pytest.fixture
def other(tmp_path):
    """Other rules and other features."""
    path = tmp_path / "other.yaml"
    path.write_text(PIPELINE.replace("amount > 400", "amount > 300").replace("window: 7d", "window: 6d"))
    return path


def test_the_report_is_that_of_the_command(tmp_path, pipeline, other, files, payments, labels, capfd):
    options = ["--against", other, "--by", "country", "--cost-alert", "5", "--top", "10", "--as-of", "2026-02-05"]
    outputs = ["--json", tmp_path / "expected.json", "--html", tmp_path / "expected.html"]
    inputs = ["--input", files[0], "--labels", files[1]]
    code, text, error = command("backtest", pipeline, *inputs, *options, *outputs)
    assert code == 0, error
    for as_of in "2026-02-05", datetime.date(2026, 2, 5), pandas.Timestamp("2026-02-05", tz="UTC"):
        found = riskstream.backtest(
            pipeline, payments, labels, against=other, by="country", cost_alert=5, top=10, as_of=as_of
        )
        assert capfd.readouterr().err == "other.yaml: its features are others, so the files are read again\n"
        found.save("found.json")
        found.save(tmp_path / "found.html")
        for ending in "json", "html":
            expected = (tmp_path / f"expected.{ending}").read_text()
            # The name of the file of labels.
            assert (tmp_path / f"found.{ending}").read_text() == expected.replace(str(files[1]), "labels")
    assert found == json.loads((tmp_path / "found.json").read_text())
    assert text.startswith(found.text) and repr(found) == found.text
    assert found._repr_html_().startswith("<iframe srcdoc=")
    with pytest.raises(ValueError, match="must end in .html or .json"):
        found.save("report.pdf")


def test_streams_of_labels_are_read_twice(pipeline, other, payments, labels):
    """Labels are truth and an input, and other features need another pass: a stream gives its rows once."""
    import pyarrow

    def reader(frame):
        return pyarrow.Table.from_pandas(frame).to_reader(max_chunksize=500)

    expected = riskstream.backtest(pipeline, payments, labels, against=other)
    found = riskstream.backtest(pipeline, reader(payments), reader(labels), against=other)
    assert found == expected


def test_bad_arguments(tmp_path, pipeline, files, payments, labels):
    inputs = ["--input", files[0], "--labels", files[1]]
    cases = [
        (["--label-delay", "7x"], {"label_delay": "7x"}),
        (["--label-time", "known_at", "--label-delay", "7d"], {"label_delay": "7d", "label_time": "known_at"}),
        (["--by", "contry"], {"by": "contry"}),
        (["--top", "0"], {"top": 0}),
        (["--cost-missed", "3"], {"cost_missed": 3}),
        (["--until", "tomorrow"], {"until": "tomorrow"}),
        (["--from", "2027-01-01"], {"from_": "2027-01-01"}),
        (["--model", "absent.onnx"], {"models": "absent.onnx"}),
    ]
    for arguments, keywords in cases:
        code, text = error_of("backtest", pipeline, *inputs, *arguments)
        with pytest.raises(riskstream.Error) as raised:
            riskstream.backtest(pipeline, payments, labels, **keywords)
        # Without the usage and the advice on --help.
        assert str(raised.value) == text.split("\n\n")[0], arguments
        assert raised.value.exit_code == code, arguments
    with pytest.raises(ValueError, match="whole milliseconds"):
        riskstream.backtest(pipeline, payments, labels, label_delay=datetime.timedelta(microseconds=1))


def test_labels_without_payments_and_without_truth(pipeline, payments, labels):
    with pytest.raises(riskstream.RunError, match="^there is no label in the files of --labels: nothing can be judged$"):
        riskstream.backtest(pipeline, payments, labels[:0])
    with pytest.raises(riskstream.ConfigurationError, match="^labels: there is no column `fraud`"):
        riskstream.backtest(pipeline, payments, labels.drop(columns="fraud"))


def test_check(pipeline):
    code, text, _ = command("check", pipeline)
    found = riskstream.check(pipeline)
    assert (code, str(found) + "\n") == (0, text)
    assert found.features == ["payments_1d", "mean_7d", "most_30d", "frauds_30d", "abroad"]
    assert (found.inputs, found.entities, found.warnings) == (["transactions", "labels"], ["card"], ())
    assert command("check", "--explain", pipeline)[1].startswith(found.plan)


def test_check_of_a_roll_out(tmp_path, pipeline):
    (tmp_path / "rollout.yaml").write_text("rules:\n- {name: larger, when: amount > 600, then: review, reason: R1}\n")
    found = riskstream.check(pipeline, rollout="rollout.yaml")
    assert found.lines[-1] == "rollout.yaml: ok"
    (tmp_path / "rollout.yaml").write_text("rules:\n- {name: larger, when: amuont > 600, then: review, reason: R1}\n")
    with pytest.raises(riskstream.PipelineError) as raised:
        riskstream.check(pipeline, rollout="rollout.yaml")
    diagnostic = raised.value.diagnostics[0]
    assert (diagnostic.file, diagnostic.line) == ("rollout.yaml", 2) and "amuont" in diagnostic.message


def test_examples_that_do_not_hold(pipeline):
    example = """
examples:
  - name: a large one
    events:
      - transactions: {id: a, at: "2026-01-01T00:00:00Z", card: c, amount: 500, country: DE}
        expect: {outcome: approve}
"""
    pipeline.write_text(PIPELINE + example)
    code, text = error_of("check", pipeline)
    with pytest.raises(riskstream.ExamplesError) as raised:
        riskstream.check(pipeline)
    assert (str(raised.value), raised.value.exit_code) == (text, code)
    assert raised.value.diagnostics[0].line == len((PIPELINE + example).splitlines())
