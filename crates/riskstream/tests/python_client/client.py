"""confluent-kafka's own serializer and deserializer.

    client.py write BROKERS REGISTRY < LINES    each {"topic", "key", "schema", "value"}; {"decimal": "1.20"} is a decimal,
                                                {"bytes": "04d2"} are bytes, and a value of null is a tombstone
    client.py read BROKERS REGISTRY TOPIC       the values of all committed records, one a line
    client.py read_plain BROKERS SCHEMA TOPIC   the same for values without a prefix, written with the schema in a file
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "scripts/lib"))
from environment import enter  # noqa: E402

enter(Path(__file__).with_name("requirements.txt"))

import json  # noqa: E402
from decimal import Decimal  # noqa: E402
from io import BytesIO  # noqa: E402

import fastavro  # noqa: E402
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition  # noqa: E402
from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: E402
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer  # noqa: E402
from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: E402


def write(brokers, registry):
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True})
    client = SchemaRegistryClient({"url": registry})
    serializers = {}
    for line in sys.stdin:
        record = json.loads(line, object_hook=special)
        schema, topic = json.dumps(record["schema"]), record["topic"]
        serializer = serializers.setdefault(schema, AvroSerializer(client, schema))
        value = serializer(record["value"], SerializationContext(topic, MessageField.VALUE))
        producer.produce(topic, value, record["key"], on_delivery=stop_on_error)
    if producer.flush(60):
        sys.exit("records were not delivered")


def special(value):
    if "decimal" in value:
        return Decimal(value["decimal"])
    return bytes.fromhex(value["bytes"]) if "bytes" in value else value


def stop_on_error(error, _message):
    if error:
        sys.exit(f"a record was not delivered: {error}")


def read(brokers, registry, topic):
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    for value in values(brokers, topic):
        print(json.dumps(deserializer(value, SerializationContext(topic, MessageField.VALUE)), default=str))


def read_plain(brokers, schema, topic):
    schema = fastavro.parse_schema(json.loads(Path(schema).read_text()))
    for value in values(brokers, topic):
        print(json.dumps(fastavro.schemaless_reader(BytesIO(value), schema), default=str))


def values(brokers, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"reader of {topic}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    left = set(partitions)
    while left:
        message = consumer.poll(60)
        if message is None:
            sys.exit(f"the end of {topic} was not reached")
        if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
            left.discard(message.partition())
        elif message.error():
            sys.exit(f"{topic}: {message.error()}")
        else:
            yield message.value()
    consumer.close()


if __name__ == "__main__":
    {"write": write, "read": read, "read_plain": read_plain}[sys.argv[1]](*sys.argv[2:])
