"""Plants mistakes into what a service might have written, and checks that the verdict finds each. Every run begins with it."""

import json
import random
import time

from .load import Load
from .oracle import Oracle
from .scenario import Scenario
from .verdict import Verdict

PAYMENTS = 200


class Message:
    def __init__(self, topic, offset, value, headers=None):
        self.place, self.bytes, self.told = (topic, 0, offset), value, headers

    topic = lambda self: self.place[0]
    partition = lambda self: self.place[1]
    offset = lambda self: self.place[2]
    value = lambda self: self.bytes
    headers = lambda self: self.told
    timestamp = lambda self: (1, int(time.time() * 1000))


class Recorded(Load):
    """A load that notes records instead of sending them."""

    def produce(self, topic, key, value):
        self.records.append(Message(topic, len(self.records), value))


def service(scenario, records):
    """The decisions and dead letters of a service without mistakes."""
    oracle, decisions, dead_letters = Oracle(scenario), [], []
    found = [oracle.payment(record) if record.topic() == "payments" else oracle.label(record) for record in records]
    oracle.settle()
    for event, expected in filter(None, found):
        flags = ["duplicate"] * expected.is_duplicate + ["too_late"] * expected.is_too_late + ["late"] * bool(expected.late_by_ms)
        features = expected.features | oracle.delayed(expected)
        decisions.append({"event_id": event, "entities": expected.keys, "features": features, "flags": flags,
                          "late_by_ms": expected.late_by_ms})
    for (topic, partition, offset), reason in oracle.dead_letters.items():
        told = {"topic": topic, "partition": str(partition), "offset": str(offset), "reason": reason}
        dead_letters.append([(f"riskstream.{name}", text.encode()) for name, text in told.items()])
    return decisions, dead_letters


def differences(scenario, records, decisions, dead_letters):
    verdict = Verdict(scenario, "planted", None)
    for record in records:
        (verdict.take_payment if record.topic() == "payments" else verdict.take_label)(record, time.time())
    for offset, decision in enumerate(decisions):
        verdict.take_decision(Message("decisions", offset, json.dumps(decision).encode()), time.time())
    for offset, headers in enumerate(dead_letters):
        verdict.take_dead_letter(Message("dead-letters", offset, b"", headers), time.time())
    verdict.conclude()
    return verdict.count["differences"]


def altered(decision, name, by=1):
    return decision | {"features": decision["features"] | {name: decision["features"][name] + by}}


def check():
    scenario = Scenario(seed=1, copies=1, stages=3, brokers=1, partitions=1, has_labels=True, has_standby=False,
                        has_checkpoints=False, rate=1)
    load = Recorded(scenario, "planted", None)
    load.records, load.began = [], time.monotonic() - 100
    for _ in range(PAYMENTS):
        load.send()
    decisions, dead = service(scenario, load.records)
    at = random.Random(1).choice([number for number, decision in enumerate(decisions)
                                  if "bank_total" in decision["features"] and not decision["flags"]])
    one, before, after = decisions[at], decisions[:at], decisions[at + 1:]
    planted = {
        "a lost decision": (before + after, dead),
        "a doubled decision": (decisions + [one], dead),
        "a decision on nothing": (decisions + [one | {"event_id": "nothing"}], dead),
        "a count": (before + [altered(one, "card_count")] + after, dead),
        "a sum": (before + [altered(one, "bank_spent", 0.01)] + after, dead),
        "a window with a delay": (before + [altered(one, "shop_before")] + after, dead),
        "labels": (before + [altered(one, "card_frauds")] + after, dead),
        "a flag": (before + [one | {"flags": ["duplicate"]}] + after, dead),
        "how late": (before + [one | {"late_by_ms": 1}] + after, dead),
        "a lost dead letter": (decisions, dead[1:]),
        "a doubled dead letter": (decisions, dead + dead[:1]),
    }
    if differences(scenario, load.records, decisions, dead):
        raise SystemExit("the verdict finds mistakes where there are none")
    for name, (wrong, letters) in planted.items():
        if not differences(scenario, load.records, wrong, letters):
            raise SystemExit(f"the verdict does not find a mistake that was planted: {name}")
