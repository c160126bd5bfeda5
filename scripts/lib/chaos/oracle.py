"""What has to be decided: a plain recomputation of the windows from the records of the input topics.

An event at time t sees those with (time, order of arrival) up to its own, of which a window takes the times in (t - W, t], and one
with a delay D those in (t - D - W, t - D]. Of an id that comes twice only the first counts, and the second decision says what the
first event would see now. What is later than the lateness is decided and not kept. docs/guarantees.md says the same at length.
"""

import json
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from itertools import accumulate

from .load import SHARED
from .scenario import DELAY, LATENESS

# Milliseconds.
SECOND, MINUTE = 1000, 60_000


@dataclass
class Expected:
    """A decision that has to come. Features that are not determined by now are not in it."""

    topic_partition: tuple
    offset: int
    keys: dict
    at: tuple
    late_by_ms: int | None
    is_shared: bool
    is_duplicate: bool = False
    is_too_late: bool = False
    features: dict = field(default_factory=dict)


class Entity:
    """The events of a card, shop or bank: (time, order, amount in cents), sorted."""

    def __init__(self):
        # What the amounts of the first n events come to, when all is read.
        self.events, self.sums = [], None

    def between(self, after, until):
        """Those with a time after `after`, up to and with (time, order) `until`."""
        return self.events[bisect_right(self.events, (after, float("inf"))):bisect_right(self.events, (*until, float("inf")))]

    def immediate(self, name, at):
        """Features whose windows end at the event."""
        time, order = at
        last_90 = self.between(time - 90 * SECOND, at)
        last_5m = self.between(time - 5 * MINUTE, at)
        all_of_them = self.between(-1, at)
        before = [cents for when, number, cents in last_90 if (when, number) != at]
        return {
            f"{name}_count": len(self.between(time - 60 * SECOND, at)),
            f"{name}_sum": sum(cents for *_, cents in last_5m) / 100,
            f"{name}_max": max(before) / 100 if before else None,
            f"{name}_last": [cents / 100 for *_, cents in reversed(last_5m[-3:])],
            f"{name}_total": len(all_of_them),
            f"{name}_spent": sum(cents for *_, cents in all_of_them) / 100,
        }

    def delayed(self, name, at):
        """Of a window that ends before the event. To be called when all is read."""
        if self.sums is None:
            self.sums = [0, *accumulate(cents for *_, cents in self.events)]
        end = at[0] - DELAY * SECOND
        first, last = (bisect_right(self.events, (time, float("inf"))) for time in (end - 10 * MINUTE, end))
        return {f"{name}_before": last - first, f"{name}_before_sum": (self.sums[last] - self.sums[first]) / 100}


class Oracle:
    """Takes the records of the inputs, each partition in order."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.entities = {name: {} for name in scenario.entities}
        self.frauds = {name: {} for name in scenario.entities}
        # By partition, the largest event time; by id, where its first record is.
        self.watermarks, self.firsts, self.labelled = {}, {}, set()
        self.order = 0
        # By id, in order; by (topic, partition, offset), the reason.
        self.decisions, self.dead_letters = {}, {}

    def payment(self, message):
        """Notes a record of the payments; what has to be decided, if anything."""
        place = (message.topic(), message.partition(), message.offset())
        payment, reason = read(message.value(), ["id", "time", "card", "shop", "bank"])
        if reason:
            self.dead_letters[place] = reason
            return None
        self.order += 1
        time, partition = payment["time"], message.partition()
        watermark = self.watermarks[partition] = max(self.watermarks.get(partition, 0), time)
        keys = {name: payment[name] for name in self.scenario.entities}
        at = (time, self.order)
        expected = Expected(place[:2], place[2], keys, at, watermark - time or None, payment["shop"].startswith(SHARED))
        expected.is_too_late = time < watermark - LATENESS * SECOND
        if payment["id"] in self.firsts:
            expected.is_duplicate = True
            expected.at = self.firsts[payment["id"]]
        elif not expected.is_too_late:
            self.firsts[payment["id"]] = at
            for name, key in keys.items():
                insort(self.entities[name].setdefault(key, Entity()).events, (*at, round(payment["amount"] * 100)))
        if not expected.is_too_late:
            for name, key in keys.items():
                if name == "card" or not expected.is_shared:
                    expected.features |= self.entities[name][key].immediate(name, expected.at)
        self.decisions.setdefault(payment["id"], []).append(expected)
        return payment["id"], expected

    def label(self, message):
        label, reason = read(message.value(), ["id", "known", "card"])
        if reason:
            self.dead_letters[(message.topic(), message.partition(), message.offset())] = reason
        elif label["id"] not in self.labelled:
            self.labelled.add(label["id"])
            if label["fraud"]:
                insort(self.frauds["card"].setdefault(label["card"], []), label["known"])
                # The keys of later stages are those of the payment, which may be read after this.
                self.frauds.setdefault("waiting", []).append((label["id"], label["known"]))

    def settle(self):
        """When all is read: gives labels the keys that they lack."""
        for event, known in self.frauds.pop("waiting", []):
            for name, key in self.decisions[event][0].keys.items():
                if name != "card":
                    insort(self.frauds[name].setdefault(key, []), known)

    def delayed(self, expected):
        """Features whose windows ended long before the event, of all that was read."""
        if expected.is_too_late:
            return {}
        features = {}
        for name, key in expected.keys.items():
            features |= self.entities[name][key].delayed(name, expected.at)
            if self.scenario.has_labels:
                end, known = expected.at[0] - DELAY * SECOND, self.frauds[name].get(key, [])
                features[f"{name}_frauds"] = bisect_right(known, end) - bisect_right(known, end - 10 * MINUTE)
        return features


def read(value, required):
    """A record's object, or why it is a dead letter."""
    if value is None:
        return None, "tombstone"
    try:
        record = json.loads(value)
    except ValueError:
        return None, "not_json"
    if not isinstance(record, dict):
        return None, "not_json"
    if any(record.get(name) is None for name in required):
        return None, "missing_field"
    if isinstance(record.get("amount"), list):
        return None, "wrong_type"
    return record, None
