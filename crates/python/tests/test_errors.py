"""Bad input: exceptions with the texts of the commands."""

import os
import pickle
import re
import signal
import subprocess
import sys
import threading

import pandas
import polars
import pyarrow
import pytest
from conftest import PIPELINE, error_of, make_payments, write

import riskstream


def test_bad_columns_give_the_texts_of_files(tmp_path, pipeline, payments, labels):
    """What the command says of a Parquet file with the same columns, the name of the file aside."""
    labels_file = write(labels, tmp_path / "labels.parquet")
    cases = {
        "a name mistyped": payments.rename(columns={"amount": "amuont"}),
        "no such type": payments.assign(card=[[1]] * len(payments)),
        "a bool as a time": payments.assign(at=True),
        "no rows": payments[:0],
        "no columns": pandas.DataFrame({"other": [1]}),
    }
    for name, frame in cases.items():
        file = write(frame, tmp_path / "bad.parquet")
        code, text = error_of(
            "backfill", pipeline, "--input", file, "--input", f"labels={labels_file}", "--output", tmp_path / "out.parquet"
        )
        given = [frame, polars.from_pandas(frame), pyarrow.Table.from_pandas(frame)]
        for table in given:
            with pytest.raises(riskstream.Error) as raised:
                riskstream.backfill(pipeline, table, {"labels": labels})
            said = text.replace(str(file), "transactions")
            # Lists of polars are large ones; a file names their elements.
            found, said = (re.sub(r"(Large)?List\([^)]*\)", "List", text) for text in (str(raised.value), said))
            assert found == said, name
            assert raised.value.exit_code == code, name


def test_the_nearest_name_is_said(pipeline, payments, labels):
    text = (
        r"transactions: there is no column `amount` \(did you mean `amuont`\?\); it has id, at, card, amuont, country\. Correct "
        r"the name here or in the pipeline file; or add --allow-missing amount, then it is null in every record"
    )
    with pytest.raises(riskstream.ConfigurationError, match=f"^{text}$"):
        riskstream.backfill(pipeline, payments.rename(columns={"amount": "amuont"}), {"labels": labels})
    found = riskstream.backfill(
        pipeline, payments.drop(columns="amount"), {"labels": labels}, allow_missing=["amount"]
    )
    assert found.to_pandas().mean_7d.isna().all()


def test_values_that_cannot_be_used(tmp_path, pipeline, labels):
    """Counted, named, and warned of; with `strict` an error."""
    bad = make_payments(50).astype({"amount": object})
    bad.loc[3, "id"] = None
    bad.loc[4, "at"] = pandas.NaT
    bad.loc[6, ["id", "card"]] = bad.loc[5, ["id", "card"]]
    bad = bad.astype({"amount": float})
    file = write(bad, tmp_path / "bad.parquet")
    arguments = ["backfill", pipeline, "--input", file, "--allow-missing", "labels", "--output", tmp_path / "out.parquet"]
    code, text = error_of(*arguments, "--strict")
    with pytest.warns(riskstream.RecordsWarning, match="2 records could not be used"):
        found = riskstream.backfill(pipeline, bad, allow_missing="labels")
    assert [(one.input, one.count) for one in found.records.unusable_by_reason] == [("transactions", 2)]
    assert "record 4: " in found.records.unusable_by_reason[0].first[0]
    assert found.records.flags["duplicate"] == 1
    with pytest.raises(riskstream.RunError) as raised:
        riskstream.backfill(pipeline, bad, allow_missing="labels", strict=True, dead_letters="dead.jsonl")
    assert str(raised.value) == text == "--strict: 2 records could not be used"
    assert raised.value.report.startswith("2 records could not be used:\n")
    assert raised.value.__notes__ == [raised.value.report.rstrip()]
    assert (tmp_path / "dead.jsonl").read_text().count("\n") == 2


def test_nan_is_null_and_infinity_is_refused(tmp_path, pipeline):
    payments = make_payments(50)
    payments.loc[[5, 7], "amount"] = float("nan")
    kept = polars.from_pandas(payments, nan_to_null=False)
    assert kept["amount"].is_nan().sum() == 2
    for table in payments, kept:
        found = riskstream.backfill(pipeline, table, allow_missing="labels")
        assert found.to_pandas().amount.isna().sum() == 2
    payments.loc[9, "amount"] = float("inf")
    with pytest.warns(riskstream.RecordsWarning, match="1 records could not be used") as of_table:
        riskstream.backfill(pipeline, payments, allow_missing="labels")
    with pytest.warns(riskstream.RecordsWarning) as of_file:
        riskstream.backfill(pipeline, write(payments, tmp_path / "infinite.parquet"), allow_missing="labels")
    assert str(of_table[0].message) == str(of_file[0].message)
    assert "not_finite" in str(of_table[0].message) and "record 10: " in str(of_table[0].message)


def test_times_without_a_zone_are_utc_or_refused_as_in_a_file(tmp_path, pipeline, payments):
    naive = payments.assign(at=payments["at"].dt.tz_localize(None))
    file = write(naive, tmp_path / "naive.parquet")
    found = riskstream.backfill(pipeline, naive, allow_missing="labels")
    expected = riskstream.backfill(pipeline, file, allow_missing="labels")
    assert found.to_pandas().equals(expected.to_pandas())
    berlin = payments.assign(at=payments["at"].dt.tz_convert("Europe/Berlin"))
    found = riskstream.backfill(pipeline, berlin, allow_missing="labels")
    assert found.to_pandas().equals(riskstream.backfill(pipeline, payments, allow_missing="labels").to_pandas())


def test_inputs_and_arguments(tmp_path, pipeline, payments, labels):
    file = write(payments, tmp_path / "payments.parquet")
    out = ["--output", tmp_path / "out.parquet"]
    cases = [
        (["--input", "absent.csv"], {"transactions": "absent.csv"}),
        (["--input", "payments.xlsx"], {"transactions": "payments.xlsx"}),
        (["--input", file], {"transactions": payments}),
        (["--input", file, "--input", f"lables={file}"], {"transactions": payments, "inputs": {"lables": payments}}),
        (["--input", file, "--allow-missing", "amout"], {"transactions": payments, "allow_missing": ["amout"]}),
        (["--input", file, "--in-order", "time"], {"transactions": payments, "in_order": "time"}),
        (["--input", file, "--partitions", "none"], {"transactions": payments, "partitions": "none"}),
        (["--input", file, "--key", "card"], {"transactions": payments, "keys": "card"}),
    ]
    (tmp_path / "payments.xlsx").write_text("")
    for arguments, keywords in cases:
        code, text = error_of("backfill", pipeline, *arguments, *out)
        with pytest.raises(riskstream.ConfigurationError) as raised:
            riskstream.backfill(pipeline, **keywords)
        assert str(raised.value) == text.split("\n\n")[0], arguments
        assert raised.value.exit_code == code == 2, arguments
        assert isinstance(raised.value, ValueError)
    with pytest.raises(TypeError, match="^transactions: a path, or a table with `__arrow_c_stream__` .* not list$"):
        riskstream.backfill(pipeline, [[1, 2]])
    with pytest.raises(TypeError, match="not polars.lazyframe.frame.LazyFrame: call its `collect\\(\\)`$"):
        riskstream.backfill(pipeline, polars.from_pandas(payments).lazy())
    with pytest.raises(riskstream.ConfigurationError, match="^transactions: a table is needed, with a name for each column: "):
        riskstream.backfill(pipeline, payments.id)


def test_a_table_that_arrow_refuses(pipeline, payments):
    mixed = payments.assign(amount=[1, "a"] * (len(payments) // 2)).astype({"amount": object})
    with pytest.raises(riskstream.ConfigurationError, match="^transactions: .*amount") as raised:
        riskstream.backfill(pipeline, mixed)
    assert isinstance(raised.value.__cause__, pyarrow.ArrowInvalid | pyarrow.ArrowTypeError)


def test_pipeline_files(tmp_path, pipeline):
    pipeline.write_text(PIPELINE.replace("mean: amount", "mean: amuont").replace("window: 1d", "window: 1x"))
    code, text = error_of("check", pipeline)
    for call in riskstream.check, lambda path: riskstream.backfill(path, "absent.csv"):
        with pytest.raises(riskstream.PipelineError) as raised:
            call(pipeline)
        assert str(raised.value) == text
        assert raised.value.exit_code == code == 2
    first, second = raised.value.diagnostics
    assert (first.line, first.file) == (PIPELINE[: PIPELINE.index("window: 1d")].count("\n") + 1, str(pipeline))
    line = pipeline.read_text().splitlines()[second.line - 1]
    assert line[second.column - 1 :].startswith("amuont")
    assert "amuont" in second.message and "amount" in str(second)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.diagnostics) == (text, raised.value.diagnostics)
    code, text = error_of("check", "absent.yaml")
    with pytest.raises(riskstream.PipelineError) as raised:
        riskstream.check("absent.yaml")
    assert (str(raised.value), raised.value.diagnostics[0].line) == (text, None)


def test_a_panic_is_an_exception(capfd):
    from riskstream import _riskstream

    with pytest.raises(riskstream.InternalError, match="please report it: as a test asked$"):
        _riskstream._panic_for_tests()


INTERRUPTED = """
import sys, riskstream
sys.path.insert(0, {tests!r})
from conftest import make_payments
payments = make_payments(2_000_000, cards=1_000)
print("ready", flush=True)
try:
    riskstream.backfill({pipeline!r}, payments, allow_missing="labels", progress=lambda *_: print("runs", flush=True))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_run(tmp_path, pipeline):
    tests = os.path.dirname(os.path.abspath(__file__))
    code = INTERRUPTED.format(tests=tests, pipeline=str(pipeline))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line == "runs\n":
            child.send_signal(signal.SIGINT)
            break
    rest = child.stdout.read().splitlines()
    assert child.wait() == 0 and rest[-1] == "interrupted", rest
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".riskstream")] == []


def test_a_function_of_progress_may_end_a_run(pipeline):
    class Enough(Exception):
        pass

    def stop(records, decided):
        raise Enough(records)

    with pytest.raises(Enough):
        riskstream.backfill(pipeline, make_payments(5_000), allow_missing="labels", progress=stop)


def test_progress_is_a_line_that_goes_away(pipeline, capsys):
    riskstream.backfill(pipeline, make_payments(5_000), allow_missing="labels", progress=True)
    shown = capsys.readouterr().err
    assert " records  " in shown and shown.endswith("\r")
    riskstream.backfill(pipeline, make_payments(5_000), allow_missing="labels")
    assert capsys.readouterr().err == ""


def test_other_threads_go_on_during_a_run(pipeline):
    """A thread that counts must get on while a run works: it holds no lock of the interpreter."""
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    payments = pyarrow.Table.from_pandas(make_payments(60_000, cards=500))
    seen = []
    thread.start()
    riskstream.backfill(pipeline, payments, allow_missing="labels", progress=lambda *_: seen.append(counted[0]))
    stop.set()
    thread.join()
    assert len(set(seen)) > 1, seen
