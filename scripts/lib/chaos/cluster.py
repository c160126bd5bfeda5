"""The brokers of scripts/kafka, and what is done to them."""

import concurrent.futures
import os
import signal
import subprocess
from pathlib import Path

from confluent_kafka.admin import AdminClient

ROOT = Path(__file__).resolve().parents[3]


class Cluster:
    asker = None

    def __init__(self, directory, brokers):
        self.directory, self.number = Path(directory, "kafka"), brokers

    def start(self):
        self.addresses = self.kafka("start", "--brokers", str(self.number))
        self.admin = AdminClient({"bootstrap.servers": self.addresses, "socket.timeout.ms": 5000, "log_level": 0})
        # Questions are asked beside the reader, which must not wait for them.
        self.asker = concurrent.futures.ThreadPoolExecutor(1)
        return self

    def command(self, command, *arguments):
        return [str(ROOT / "scripts/kafka"), command, *arguments, "--dir", str(self.directory)]

    def kafka(self, command, *arguments):
        done = subprocess.run(self.command(command, *arguments), check=True, stdout=subprocess.PIPE, text=True, start_new_session=True)
        return done.stdout.strip()

    def begin_start(self, broker):
        return subprocess.Popen(self.command("start", "--broker", str(broker)), stdout=subprocess.DEVNULL, start_new_session=True)

    def signal(self, broker, number):
        try:
            os.kill(self.process(broker), number)
        except ProcessLookupError:
            pass

    def process(self, broker):
        return int((self.directory / f"node-{broker}/pid").read_text())

    def runs(self, broker):
        """Whether its process is there: one that has ended and is waited for by nobody is not."""
        try:
            stat = Path(f"/proc/{self.process(broker)}/stat").read_text()
        except OSError:
            return False
        return stat.rsplit(")", 1)[1].split()[0] != "Z"

    def ask(self, question, *arguments):
        """To be used by `yield from`: waits for an answer without holding others up."""
        answer = self.asker.submit(question, *arguments)
        while not answer.done():
            yield 0.05
        return answer.result()

    def coordinator(self, group):
        """The broker that coordinates a group; none if nobody says so."""
        try:
            return self.admin.describe_consumer_groups([group], request_timeout=3)[group].result(4).coordinator.id
        except Exception:
            return None

    def is_whole(self):
        """Whether all partitions are on all of their brokers."""
        try:
            topics = self.admin.list_topics(timeout=3).topics.values()
        except Exception:
            return False
        partitions = [partition for topic in topics for partition in topic.partitions.values()]
        return all(len(partition.isrs) == len(partition.replicas) and partition.leader >= 0 for partition in partitions)

    def stop(self):
        if self.asker:
            self.asker.shutdown(wait=False, cancel_futures=True)
        for broker in range(1, self.number + 1):
            try:
                self.signal(broker, signal.SIGCONT)
            except OSError:
                pass
        subprocess.run(self.command("stop"), check=False, start_new_session=True)
