"""The load: payments and labels at a steady rate, late, doubled and damaged ones among them. All but the clock is of the seed.

The payments of a card are in one partition of the topic. Those of a shop, and of a bank, are all of one partition of the stage before,
so that the order in which an entity's payments are applied is that of the log, whatever the copies do. Some shops and banks are
shared: their payments come from all partitions, and only windows that end a minute before the payment are determined.
"""

import json
import random
import time
from collections import deque

from confluent_kafka import Producer
from copies import murmur2

from .scenario import LATE, MUCH_TOO_LATE

CARDS, SHOPS, BANKS = 24, 4, 2
# The first seconds have no event that is much too late: each task has to know what time it is.
WARM_UP = 20
SHARED = "shared"


def partition_of(key, partitions):
    return murmur2(key.encode()) % partitions


def keys_in(prefix, partition, partitions, count):
    """So many keys that lie in a partition."""
    found, number = [], 0
    while len(found) < count:
        key = f"{prefix}{number}"
        if partition_of(key, partitions) == partition:
            found.append(key)
        number += 1
    return found


class Load:
    """Sends what is due, and holds back while too much is undecided."""

    def __init__(self, scenario, name, brokers):
        self.draw = random.Random(f"load {scenario.seed}")
        self.scenario, self.name, self.brokers = scenario, name, brokers
        partitions = scenario.partitions
        self.cards = [keys_in("c", number, partitions, CARDS) for number in range(partitions)]
        # Which bank a shop has: one of those of the shop's own partition.
        self.banks = [keys_in(f"b{number}-", 0, 1, BANKS) for number in range(partitions)]
        self.sent, self.labels_due = deque(maxlen=200), deque()
        # Payments made, and records that were due; since when, and for how long nothing was sent.
        self.number = self.count = 0
        self.began, self.held, self.holds_since = time.monotonic(), 0.0, None
        self.producer = Producer({
            "bootstrap.servers": self.brokers, "partitioner": "murmur2_random", "linger.ms": 5, "enable.idempotence": True,
            "message.timeout.ms": 600_000, "socket.timeout.ms": 10_000, "topic.metadata.refresh.interval.ms": 2000,
            "reconnect.backoff.max.ms": 1000, "log_level": 0,
        })

    def payment(self, now):
        """A payment, and whether it is damaged."""
        draw, partitions = self.draw, self.scenario.partitions
        group = draw.randrange(partitions)
        card = draw.choice(self.cards[group])
        is_shared = draw.random() < 0.25
        shop = f"{SHARED}-shop-{draw.randrange(SHOPS)}" if is_shared else f"s{group}-{draw.randrange(SHOPS)}"
        at = partition_of(shop, partitions)
        bank = f"{SHARED}-bank-{draw.randrange(BANKS)}" if is_shared else f"b{group}-{at}-{draw.randrange(BANKS)}"
        late = 0
        chance = draw.random()
        if chance < 0.1:
            late = draw.randrange(LATE * 1000)
        elif chance < 0.105 and time.monotonic() - self.began > WARM_UP:
            late = MUCH_TOO_LATE * 1000
        amount = draw.randrange(1, 100_000)
        payment = {"id": f"p{self.number}", "time": now - late, "card": card, "shop": shop, "bank": bank, "amount": amount / 100}
        return payment, late >= MUCH_TOO_LATE * 1000

    def damage(self, payment):
        """The bytes of a record that cannot be used; the oracle knows them by their form."""
        kind = self.draw.randrange(4)
        if kind == 0:
            return b'{"id": '
        if kind == 1:
            return None
        if kind == 2:
            del payment["id"]
        else:
            payment["amount"] = ["no", "number"]
        return json.dumps(payment).encode()

    def send(self):
        now = int(time.time() * 1000)
        chance = self.draw.random()
        if chance < 0.03 and self.sent:
            again = self.draw.choice(self.sent)
            self.produce("payments", again["card"], json.dumps(again).encode())
        else:
            payment, is_much_too_late = self.payment(now)
            self.number += 1
            value = json.dumps(payment).encode()
            if chance > 0.985:
                value = self.damage(payment)
            elif not is_much_too_late:
                self.sent.append(payment)
                if self.scenario.has_labels and self.draw.random() < 0.2:
                    self.labels_due.append((time.monotonic() + self.draw.uniform(0.5, 3), payment))
            self.produce("payments", payment["card"], value)
        while self.labels_due and self.labels_due[0][0] < time.monotonic():
            self.send_label(self.labels_due.popleft()[1], now)

    def send_label(self, payment, now):
        label = {"id": payment["id"], "known": now, "card": payment["card"], "fraud": self.draw.random() < 0.7}
        value = json.dumps(label).encode()
        if self.draw.random() < 0.02:
            value = b"[]"
        self.produce("labels", payment["id"], value)
        if self.draw.random() < 0.05:
            self.produce("labels", payment["id"], value)

    def produce(self, topic, key, value):
        while True:
            try:
                self.producer.produce(f"{self.name}-{topic}", value, key)
                return
            except BufferError:
                self.producer.poll(0.1)

    def send_due(self, undecided):
        """Sends what is due by now; nothing while more is undecided than comes in 45 seconds."""
        now = time.monotonic()
        if undecided > self.scenario.rate * 45:
            self.holds_since = self.holds_since or now
        elif self.holds_since:
            self.held += now - self.holds_since
            self.holds_since = None
        if not self.holds_since:
            # At most what comes in half a second: this program itself may have been held up.
            due = int((now - self.began - self.held) * self.scenario.rate)
            for _ in range(min(due - self.count, self.scenario.rate // 2)):
                self.send()
            self.count = due
        self.producer.poll(0)

    def flush(self, seconds):
        """Whether everything sent is in the log."""
        return self.producer.flush(seconds) == 0
