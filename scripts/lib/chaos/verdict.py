"""An independent consumer of all topics: compares every decision with the oracle, and measures silences."""

import collections
import json
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

from .load import partition_of
from .oracle import Oracle
from .scenario import DETERMINED

# How many differences are kept.
FIRST = 20


class Verdict:
    """Reads what is committed, as a program behind the service would."""

    def __init__(self, scenario, name, brokers):
        self.scenario, self.oracle = scenario, Oracle(scenario)
        kinds = ["payments", "decisions", "dead-letters"] + ["labels"] * scenario.has_labels
        self.takers = {f"{name}-payments": self.take_payment, f"{name}-labels": self.take_label,
                       f"{name}-decisions": self.take_decision, f"{name}-dead-letters": self.take_dead_letter}
        self.inputs = [f"{name}-{kind}" for kind in kinds if kind in ("payments", "labels")]
        self.positions = {(f"{name}-{kind}", number): 0 for kind in kinds for number in range(scenario.partitions)}
        self.consumer = self.connect(name, brokers) if brokers else None
        self.differences, self.count = [], collections.Counter()
        # By (id, number of the decision): decisions whose records are not read yet.
        self.early, self.decided, self.dead = {}, collections.Counter(), {}
        self.delayed = []
        # By place: when the last decision came, how many records wait for theirs, and since when.
        self.last, self.waiting, self.times = {}, collections.Counter(), {}
        # (when it ended, place, when it began); seconds by place; seconds from record to decision.
        self.silences, self.by_place, self.latencies = [], collections.defaultdict(list), []

    def connect(self, name, brokers):
        consumer = Consumer({
            "bootstrap.servers": brokers, "group.id": f"{name}-chaos", "isolation.level": "read_committed",
            "enable.auto.commit": False, "auto.offset.reset": "error", "socket.timeout.ms": 5000,
            "topic.metadata.refresh.interval.ms": 1000, "reconnect.backoff.max.ms": 500, "fetch.wait.max.ms": 50, "log_level": 0,
        })
        consumer.assign([TopicPartition(topic, number, 0) for topic, number in self.positions])
        return consumer

    def differ(self, what):
        self.count["differences"] += 1
        if len(self.differences) < FIRST:
            self.differences.append(what)

    @property
    def undecided(self):
        return self.count["payments"] - self.count["decisions"]

    def read(self, seconds):
        for message in self.consumer.consume(500, seconds):
            error = message.error()
            if error is None:
                self.positions[message.topic(), message.partition()] = message.offset() + 1
                self.takers[message.topic()](message, time.time())
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                self.differ(f"{message.topic()}[{message.partition()}]: {error}")

    def take_payment(self, message, now):
        payment = self.oracle.payment(message)
        self.count["records"] += 1
        if payment is None:
            return
        event, expected = payment
        self.count["payments"] += 1
        expected.sent = message.timestamp()[1] / 1000
        for place in self.places(expected):
            self.waiting[place] += 1
            self.last.setdefault(place, now)
        early = self.early.pop((event, len(self.oracle.decisions[event])), None)
        if early:
            self.compare(event, expected, *early)

    def take_label(self, message, now):
        self.count["labels"] += 1
        self.oracle.label(message)

    def take_decision(self, message, now):
        decision = json.loads(message.value())
        event = decision["event_id"]
        self.decided[event] += 1
        expected = self.oracle.decisions.get(event, [])
        if len(expected) >= self.decided[event]:
            self.compare(event, expected[self.decided[event] - 1], decision, now)
        else:
            self.early[event, self.decided[event]] = decision, now

    def take_dead_letter(self, message, now):
        headers = {name: value.decode() for name, value in message.headers() if name.startswith("riskstream.")}
        place = (headers["riskstream.topic"], int(headers["riskstream.partition"]), int(headers["riskstream.offset"]))
        self.count["dead letters"] += 1
        if place in self.dead:
            self.differ(f"{place}: doubled dead letter")
        self.dead[place] = headers["riskstream.reason"]

    def places(self, expected):
        """Where a payment passes: the partition of the input and of each later stage."""
        places = [("card", expected.topic_partition[1])]
        for name in self.scenario.entities[1:]:
            places.append((name, partition_of(expected.keys[name], self.scenario.partitions)))
        return places

    def compare(self, event, expected, decision, now):
        self.count["decisions"] += 1
        self.measure(expected, now)
        flags = set(decision["flags"])
        wanted = {"duplicate": expected.is_duplicate, "too_late": expected.is_too_late, "repeated": False, "degraded": False,
                  "inexact": False}
        if expected.late_by_ms or not expected.is_shared:
            wanted["late"] = expected.late_by_ms is not None
        wrong = [f"flag {flag} is {flag in flags}" for flag, is_on in wanted.items() if (flag in flags) != is_on]
        if decision["late_by_ms"] != expected.late_by_ms:
            wrong.append(f"late_by_ms is {decision['late_by_ms']} and not {expected.late_by_ms}")
        if decision["entities"] != expected.keys:
            wrong.append(f"entities are {decision['entities']}")
        features = decision["features"]
        wrong += differing(features, expected.features)
        self.delayed.append((event, expected, {name: value for name, value in features.items()
                                               if "_before" in name or "_frauds" in name}))
        if wrong:
            self.differ(f"{event} of {expected.topic_partition[0]}[{expected.topic_partition[1]}]@{expected.offset}"
                        f" {sorted(flags)}: {'; '.join(wrong)}")

    def measure(self, expected, now):
        self.latencies.append(now - expected.sent)
        for place in self.places(expected):
            self.waiting[place] -= 1
            began = max(self.last[place], expected.sent)
            self.last[place] = max(now, self.last[place])
            if now > began:
                self.by_place[place].append(now - began)
                if now - began > 0.3:
                    self.silences.append((now, place, began))

    def stuck(self, seconds):
        """Places at which records have waited for so long without any decision."""
        now = time.time()
        return [place for place, count in self.waiting.items() if count > 0 and now - self.last[place] > seconds]

    def longest(self):
        return max((max(times) for times in self.by_place.values()), default=0.0)

    def has_read_inputs(self):
        """Whether the inputs are read to their ends."""
        for (topic, partition), position in self.positions.items():
            if topic in self.inputs:
                try:
                    _, end = self.consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5)
                except Exception:
                    return False
                if position < end:
                    return False
        return True

    def conclude(self):
        """When all is read: what is missing or too much, and the delayed windows."""
        for event, expected in self.oracle.decisions.items():
            missing = len(expected) - self.decided[event]
            if missing > 0:
                self.differ(f"{event} at offset {expected[-1].offset} of {expected[0].topic_partition}: {missing} decisions missing")
        for (event, number), _ in self.early.items():
            self.differ(f"{event}: decision {number} of a payment that was sent {len(self.oracle.decisions.get(event, []))} times")
        for place, reason in self.oracle.dead_letters.items():
            found = self.dead.pop(place, None)
            if found != reason:
                self.differ(f"{place}: a dead letter of reason {reason} is expected, there is {found or 'none'}")
        for place, reason in self.dead.items():
            self.differ(f"{place}: dead letter {reason}, but the record can be used")
        self.oracle.settle()
        # A source that was further behind than the delay gives another result, as a late event does.
        if self.longest() > DETERMINED:
            print(f"windows with a delay are not compared: a partition was silent for more than {DETERMINED} s")
            return
        for event, expected, features in self.delayed:
            wrong = differing(features, self.oracle.delayed(expected))
            self.count["delayed windows"] += len(features)
            if wrong:
                self.differ(f"{event} at offset {expected.offset} of {expected.topic_partition}, window with a delay: {'; '.join(wrong)}")


def differing(features, expected):
    wrong = []
    for name, value in expected.items():
        if name not in features or not equal(features[name], value):
            wrong.append(f"{name} is {features.get(name)} and not {value}")
    return wrong


def equal(one, other):
    """Sums are decimal numbers, of which floats are the nearest."""
    if isinstance(one, float) and isinstance(other, (int, float)):
        return abs(one - other) < 1e-6
    return one == other
