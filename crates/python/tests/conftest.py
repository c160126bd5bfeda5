"""Payments made up with a fixed seed, a pipeline over them, and the commands to compare with."""

import os
import subprocess
from pathlib import Path

import numpy
import pandas
import pytest

PIPELINE = """
name: shop
inputs:
  transactions:
    topic: payments
    key: card
    id: id
    event_time: at
    fields: {id: text, at: timestamp, card: text, amount: float, country: text}
  labels:
    topic: labels
    key: card
    id: id
    event_time: known_at
    fields: {id: text, card: text, fraud: bool, known_at: timestamp}
entities:
  card: {key: card, precision: 0.01}
features:
  payments_1d: {entity: card, count: transactions, window: 1d}
  mean_7d: {entity: card, mean: amount, window: 7d}
  most_30d: {entity: card, max: amount, window: 30d}
  frauds_30d: {entity: card, sum: fraud, of: labels, window: 30d, empty: 0}
  abroad: {expression: "country != 'DE' ? 1 : 0"}
rules:
  - {name: large, when: amount > 400, then: review, reason: R1}
outputs: {decisions: decisions, dead_letters: dead-letters}
kafka: {brokers: "localhost:9092"}
"""


def make_payments(count=4_000, cards=60, seed=7):
    random = numpy.random.default_rng(seed)
    seconds = numpy.sort(random.choice(40 * 86_400, size=count, replace=False))
    times = pandas.Timestamp("2026-01-01", tz="UTC") + pandas.to_timedelta(seconds, unit="s")
    return pandas.DataFrame(
        {
            "id": [f"p{number}" for number in range(count)],
            "at": times.astype("datetime64[us, UTC]"),
            "card": [f"c{number}" for number in random.integers(0, cards, count)],
            "amount": numpy.round(random.gamma(2.0, 60.0, count) + 0.01, 2),
            "country": random.choice(["DE", "FR", "PL"], count, p=[0.8, 0.1, 0.1]),
        }
    )


def make_labels(payments, seed=8):
    fraud = (numpy.random.default_rng(seed).random(len(payments)) < 0.05) | (payments.amount > 500)
    known = payments["at"] + pandas.Timedelta(days=5)
    return pandas.DataFrame({"id": payments.id, "card": payments.card, "fraud": fraud, "known_at": known})


@pytest.fixture(scope="session")
def payments():
    return make_payments()


@pytest.fixture(scope="session")
def labels(payments):
    return make_labels(payments)


@pytest.fixture
def pipeline(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(PIPELINE)
    return path


@pytest.fixture(autouse=True)
def quiet_directory(tmp_path, monkeypatch):
    """Nothing is written beside the tests."""
    monkeypatch.chdir(tmp_path)


def command(*arguments):
    """A command's exit code, standard output and standard error."""
    binary = os.environ["RISKSTREAM_BINARY"]
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def error_of(*arguments):
    """The text of the error with which a command ends, and its exit code."""
    code, _, text = command(*arguments)
    assert code != 0, arguments
    return code, text.removeprefix("error: ").rstrip()


def write(frame, path: Path):
    """A Parquet file of a frame, as pandas writes it."""
    frame.to_parquet(path, index=False)
    return path
