"""Copies of `riskstream run` as processes, for programs that kill and measure them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def murmur2(data):
    """The hash of Kafka's default partitioner, for the positive numbers that it uses."""
    mix, mask = 0x5BD1E995, 0xFFFFFFFF
    value = (0x9747B28C ^ len(data)) & mask
    whole = len(data) - len(data) % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start:start + 4], "little") * mix & mask
        value = (value * mix & mask) ^ ((word ^ word >> 24) * mix & mask)
    if len(data) > whole:
        value = (value ^ int.from_bytes(data[whole:], "little")) * mix & mask
    value = (value ^ value >> 13) * mix & mask
    return (value ^ value >> 15) & 0x7FFFFFFF


class Copy:
    """A copy of riskstream with a state directory and a log of its own."""

    def __init__(self, binary, directory, number):
        self.number = number
        self.state = Path(directory, f"state-{number}")
        self.command = [binary, "run", f"{directory}/pipeline.yaml", "--state-dir", str(self.state)]
        self.log = Path(directory, f"log-{number}")
        self.start()

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with self.log.open("a") as log:
            command = [*self.command, "--http", f"127.0.0.1:{self.port}"]
            self.process = subprocess.Popen(command, stderr=log, start_new_session=True)

    def is_ready(self):
        if self.process.poll() is not None:
            sys.exit(self.log.read_text())
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1).status == 200
        except OSError:
            return False

    def readiness(self):
        """What /readyz says, in one line."""
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError as error:
            return str(error)

    def end(self, seconds):
        """SIGTERM, and after some seconds SIGKILL, also to one that was stopped."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            self.process.send_signal(number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def usage(self):
        """CPU seconds and resident megabytes of its process; none if it has ended."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return None
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page // 1_000_000

    def state_megabytes(self):
        return sum(file.stat().st_size for file in self.state.rglob("*") if file.is_file()) // 1_000_000

    def partitions(self):
        """(topic, partition) as the log tells of rebalances."""
        owned = set()
        for line in self.log.read_text().splitlines():
            if "rebalance: partitions" in line:
                rebalance = json.loads(line)
                names = [name.rstrip("]").rsplit("[", 1) for name in rebalance["partitions"].split()]
                partitions = {(topic, int(number)) for topic, number in names}
                owned = owned | partitions if "assigned" in rebalance["message"] else owned - partitions
        return owned


def wait_for_balance(copies):
    """Until all are ready and none has got or lost a partition for 8 seconds: longer than between two rebalances."""
    owned, since = None, time.monotonic()
    while time.monotonic() - since < 8:
        now = [copy.partitions() for copy in copies]
        if now != owned or not all(copy.is_ready() for copy in copies):
            owned, since = now, time.monotonic()
        time.sleep(0.2)
