"""`backfill`: the same features from everything that holds the same payments, and those that pandas computes."""

import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from conftest import PIPELINE, command, make_labels, make_payments, write

import riskstream


def same(found, expected):
    """Equal to the last bit, schema included."""
    found, expected = (pyarrow.table(table).combine_chunks() for table in (found, expected))
    assert found.schema.equals(expected.schema), (found.schema, expected.schema)
    assert found.equals(expected)


@pytest.fixture
def expected(tmp_path, pipeline, payments, labels):
    """What the command writes."""
    files = write(payments, tmp_path / "payments.parquet"), write(labels, tmp_path / "labels.parquet")
    output = tmp_path / "expected.parquet"
    code, _, error = command(
        "backfill", pipeline, "--input", files[0], "--input", f"labels={files[1]}", "--output", output
    )
    assert code == 0, error
    return pyarrow.parquet.read_table(output)


def arrow(frame):
    return pyarrow.Table.from_pandas(frame, preserve_index=False)


def reader(frame):
    return arrow(frame).to_reader(max_chunksize=777)


def sliced(frame):
    """Neither the first nor the last rows of what is in memory, in several chunks."""
    table = arrow(frame)
    padded = pyarrow.concat_tables([table.slice(0, 5), table, table.slice(0, 9)]).combine_chunks()
    return pyarrow.concat_tables([padded.slice(5, 1_000), padded.slice(1_005, len(table) - 1_000)])


def categories(frame):
    return frame.astype({name: "category" for name in ("card", "country") if name in frame})


def polars_categories(frame):
    frame = polars.from_pandas(frame)
    names = [name for name in ("card", "country") if name in frame.columns]
    return frame.with_columns(polars.col(names).cast(polars.Categorical))


def odd_index(frame):
    return frame.set_index(frame.index[::-1] * 3)


def file(frame):
    return write(frame, f"input-{len(frame.columns)}.parquet")


WAYS = [lambda frame: frame, polars.from_pandas, arrow, reader, sliced, categories, polars_categories, odd_index, file]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_all_tables_give_what_the_command_writes(way, expected, pipeline, payments, labels):
    same(riskstream.backfill(pipeline, way(payments), {"labels": way(labels)}), expected)


def test_a_generator_of_batches_is_read_while_it_runs(expected, pipeline, payments, labels):
    table = arrow(payments)
    reader = pyarrow.RecordBatchReader.from_batches(table.schema, (batch for batch in table.to_batches(500)))
    same(riskstream.backfill(pipeline, reader, {"labels": labels}), expected)


def test_several_tables_of_one_input(expected, pipeline, payments, labels):
    parts = [payments[:1_500], polars.from_pandas(payments[1_500:])]
    found = riskstream.backfill(pipeline, parts, {"labels": [labels[:10], labels[10:]]})
    same(found, expected)


def test_a_parquet_file_instead_of_a_result(tmp_path, expected, pipeline, payments, labels):
    records = riskstream.backfill(pipeline, payments, {"labels": labels}, output=tmp_path / "out.parquet")
    assert (records.records, records.decided, records.unusable) == (8_000, 4_000, 0)
    same(pyarrow.parquet.read_table(tmp_path / "out.parquet"), expected)
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".riskstream")]
    assert left == []


def test_arguments_are_those_of_the_command(tmp_path, pipeline, payments, labels):
    shuffled = payments.sample(frac=1, random_state=3)
    files = write(shuffled, tmp_path / "shuffled.parquet"), write(labels, tmp_path / "labels.parquet")
    output = tmp_path / "expected.parquet"
    options = ["--in-order", "arrival", "--partitions", "3", "--partitions", "card=2", "--key", "transactions=card"]
    inputs = ["--input", files[0], "--input", f"labels={files[1]}"]
    code, text, error = command("backfill", pipeline, *inputs, *options, "--output", output)
    assert code == 0, error
    with pytest.warns(riskstream.RecordsWarning, match="transactions came after a later one"):
        found = riskstream.backfill(
            pipeline,
            shuffled,
            {"labels": labels},
            in_order="arrival",
            partitions=["3", "card=2"],
            keys={"transactions": "card"},
        )
    same(found, pyarrow.parquet.read_table(output))
    said = text.splitlines()[1:]
    assert sorted(str(found.records).splitlines()) == sorted(said)
    assert found.records.flags["late"] > 0


def test_features_are_those_of_pandas(pipeline, payments, labels):
    found = riskstream.backfill(pipeline, payments, {"labels": labels}).to_pandas().set_index("event_id")
    indexed = payments.set_index("at")
    by_card = indexed.groupby("card").amount
    expected = {}
    for name, window, measure in [
        ("payments_1d", "1D", "count"),
        ("mean_7d", "7D", "mean"),
        ("most_30d", "30D", "max"),
    ]:
        expected[name] = getattr(by_card.rolling(window), measure)().rename(name).reset_index()
    for name, values in expected.items():
        merged = payments.merge(values, on=["card", "at"]).set_index("id")[name]
        difference = (found[name].astype(float) - merged).abs().max()
        assert difference < 1e-9, (name, difference)
    known = labels.merge(payments[["id", "at", "card"]], on=["id", "card"])
    for _, payment in payments[::97].iterrows():
        window = (known.known_at > payment["at"] - pandas.Timedelta(days=30)) & (known.known_at <= payment["at"])
        frauds = known[(known.card == payment.card) & window].fraud.sum()
        assert found.frauds_30d[payment.id] == frauds
    assert (found.abroad == (payments.set_index("id").country != "DE").astype(int)).all()
    assert (found.outcome == (payments.set_index("id").amount > 400).map({True: "review", False: "approve"})).all()


def test_nested_columns_and_uuids(tmp_path):
    pipeline = tmp_path / "nested.yaml"
    fields = "{id: text, at: timestamp, card: {type: text, path: payment.card}}"
    text = PIPELINE.replace("{id: text, at: timestamp, card: text, amount: float, country: text}", fields)
    start, end = text.index("  labels:"), text.index("entities:")
    text = text[:start] + text[end:]
    for feature in "mean_7d", "most_30d", "frauds_30d", "abroad", "- {name: large":
        text = "\n".join(line for line in text.splitlines() if not line.strip().startswith(feature))
    pipeline.write_text(text.replace("rules:\n", ""))
    ids = pyarrow.array([bytes(range(16)), bytes(range(16, 32))], pyarrow.binary(16))
    table = pyarrow.table(
        {
            "id": pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), ids),
            "at": pyarrow.array([1_767_225_600_000_000, 1_767_225_601_000_000], pyarrow.timestamp("us", "UTC")),
            "payment": pyarrow.array([{"card": "a"}, {"card": "a"}]),
        }
    )
    found = riskstream.backfill(pipeline, table).to_pandas()
    assert list(found.event_id) == ["00010203-0405-0607-0809-0a0b0c0d0e0f", "10111213-1415-1617-1819-1a1b1c1d1e1f"]
    assert list(found.payments_1d) == [1, 2]
    pyarrow.parquet.write_table(table, tmp_path / "nested.parquet")
    same(riskstream.backfill(pipeline, tmp_path / "nested.parquet"), riskstream.backfill(pipeline, table))


def test_a_result_as_each_library_takes_it(pipeline, payments, labels):
    found = riskstream.backfill(pipeline, payments, {"labels": labels})
    assert len(found) == 4_000
    assert found.column_names[-5:] == ["score", "outcome", "rules", "shadow_rules", "flags"]
    assert repr(found).startswith("<riskstream.Features: 4,000 rows>\n  event_id: Utf8\n")
    assert polars.DataFrame(found).equals(found.to_polars())
    assert found.to_pandas().equals(pyarrow.table(found).to_pandas())
    assert pyarrow.schema(found) == pyarrow.table(found).schema
    same(found, found.to_pyarrow())


def test_threads_run_while_features_are_computed(pipeline):
    """Two at once: neither has the interpreter's lock meanwhile, or they would wait for each other's tables."""
    from concurrent.futures import ThreadPoolExecutor

    payments = make_payments(500)
    labels = make_labels(payments)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(riskstream.backfill, pipeline, payments, {"labels": labels}) for _ in range(8)]
        first = runs[0].result()
        for run in runs[1:]:
            same(run.result(), first)
