"""What is run: drawn from the seed, and the pipeline file of it."""

import random
from dataclasses import dataclass

# Seconds. An event is at most LATE late, or so late that no entity remembers it; a delayed window ends DELAY before its event.
LATE = 15
MUCH_TOO_LATE = 600
LATENESS = 120
DELAY = 60
# How far other sources may be behind before a delayed window is not determined any more.
DETERMINED = DELAY - LATE - 5

ENTITIES = ["card", "shop", "bank"]


@dataclass
class Scenario:
    """The topology; the load and the faults follow from the same seed."""

    seed: int
    copies: int
    stages: int
    brokers: int
    partitions: int
    has_labels: bool
    has_standby: bool
    has_checkpoints: bool
    rate: int

    @staticmethod
    def draw(arguments):
        draw = random.Random(f"scenario {arguments.seed}")
        copies, stages, brokers = draw.randint(3, 5), draw.choice([2, 3]), draw.choice([1, 3])
        return Scenario(
            seed=arguments.seed,
            copies=arguments.copies or copies,
            stages=arguments.stages or stages,
            brokers=arguments.brokers or brokers,
            partitions=draw.choice([3, 4, 6]),
            has_labels=draw.random() < 0.75,
            has_standby=draw.random() < 0.5,
            has_checkpoints=draw.random() < 0.5,
            rate=arguments.rate,
        )

    def __str__(self):
        kept = [name for name, is_on in [("standby copies", self.has_standby), ("checkpoints", self.has_checkpoints)] if is_on]
        return (f"seed {self.seed}: {self.copies} copies, {self.stages} stages, {self.partitions} partitions, "
                f"{self.brokers} broker{'s' * (self.brokers > 1)}, {'with' if self.has_labels else 'without'} labels, "
                f"{' and '.join(kept) or 'no standby copies, no checkpoints'}, {self.rate} payments a second")

    @property
    def entities(self):
        return ENTITIES[:self.stages]

    def pipeline(self, name, brokers, directory):
        text = PIPELINE.format(name=name, brokers=brokers)
        if self.has_labels:
            text += LABELS.format(name=name)
        text += "entities:\n"
        for entity in self.entities:
            text += f"  {entity}: {{key: {entity}, lateness: {LATENESS}s, dedupe: 5m}}\n"
        text += "features:\n"
        for entity in self.entities:
            text += FEATURES.replace("ENTITY", entity)
            if self.has_labels:
                text += LABEL_FEATURES.replace("ENTITY", entity)
        state = [f"standby: {int(self.has_standby)}"]
        if self.has_checkpoints:
            state.append(f"checkpoints: {{url: {directory}/checkpoints, every: 5s, keep: 3}}")
        return text + f"state: {{{', '.join(state)}}}\n"


PIPELINE = """
name: {name}
kafka: {{brokers: "{brokers}"}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
rules: [{{name: busy, when: card_count > 10, then: review, reason: R1}}]
inputs:
  transactions:
    topic: {name}-payments
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text, shop: text, bank: text, amount: float}}
"""

# Labels lack the keys of all stages but the first.
LABELS = """  labels:
    topic: {name}-labels
    id: id
    event_time: known
    arrives_within: 10m
    fields: {{id: text, known: timestamp, card: text, fraud: bool}}
"""

FEATURES = f"""  ENTITY_count: {{entity: ENTITY, count: transactions, window: 60s}}
  ENTITY_sum: {{entity: ENTITY, sum: amount, window: 5m}}
  ENTITY_max: {{entity: ENTITY, max: amount, window: 90s, include_current: false}}
  ENTITY_last: {{entity: ENTITY, last_k: amount, k: 3, window: 5m}}
  ENTITY_total: {{entity: ENTITY, count: transactions, window: unlimited}}
  ENTITY_spent: {{entity: ENTITY, sum: amount, window: unlimited}}
  ENTITY_before: {{entity: ENTITY, count: transactions, window: 10m, delay: {DELAY}s}}
  ENTITY_before_sum: {{entity: ENTITY, sum: amount, window: 10m, delay: {DELAY}s}}
"""

LABEL_FEATURES = f"""  ENTITY_frauds: {{entity: ENTITY, count: labels, window: 10m, delay: {DELAY}s, when: fraud}}
"""
