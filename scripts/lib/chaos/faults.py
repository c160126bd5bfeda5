"""Faults in bursts, from the seed: what happens to copies, their disks and brokers, and when.

A fault is a generator that yields how many seconds it has to wait, so that none blocks the others, the load or the reader.
"""

import collections
import random
import signal
import subprocess
import time

# Kinds, with their weights. `broker` faults are one at a time, and the next one waits until all records are on all brokers.
COPY_FAULTS = {"kill": 4, "pause": 3, "transaction timeout": 2, "leave": 2, "join": 2, "lost state": 2, "state set back": 2,
               "full disk": 2}
BROKER_FAULTS = {"broker kill": 2, "broker pause": 2, "outage": 1}
CLUSTER_FAULTS = {"coordinator move": 2}


class Faults:
    def __init__(self, scenario, crew, cluster, group, only):
        self.draw = random.Random(f"faults {scenario.seed}")
        self.crew, self.cluster, self.group = crew, cluster, group
        self.weights = COPY_FAULTS | BROKER_FAULTS | (CLUSTER_FAULTS if scenario.brokers > 1 else {})
        if only:
            self.weights = {kind: self.weights[kind] for kind in only}
        self.most = 1 if only and len(only) == 1 else 4
        self.done, self.skipped, self.running = collections.Counter(), 0, []
        # Of each burst, when it began and when the last thing was done; and what was done when.
        self.bursts, self.journal = [], []
        self.next_burst, self.broker_is_busy = time.monotonic() + 20, False

    def act(self, what):
        self.journal.append((time.time(), what))
        self.bursts[-1][1] = time.time()

    def step(self, may_begin):
        """Goes on with what is due; begins a burst if it is time for one."""
        now = time.monotonic()
        if may_begin and not self.running and now >= self.next_burst:
            self.begin_burst(now)
        for fault in list(self.running):
            while fault[0] <= now:
                wait = next(fault[1], None)
                if wait is None:
                    self.running.remove(fault)
                    break
                fault[0] = now + wait
        if self.bursts and self.running:
            self.next_burst = now + self.calm

    def begin_burst(self, now):
        self.bursts.append([time.time(), time.time()])
        self.calm = self.draw.uniform(12, 20)
        for _ in range(self.draw.randint(1, self.most)):
            kind = self.draw.choices(list(self.weights), list(self.weights.values()))[0]
            numbers = random.Random(self.draw.random())
            self.running.append([now + self.draw.uniform(0, 12), self.fault(kind, numbers)])

    def fault(self, kind, draw):
        run = getattr(self, kind.replace(" ", "_"))
        if kind in COPY_FAULTS:
            copy = self.crew.take(draw, kind)
            if copy is None:
                self.skipped += 1
                return
            self.done[kind] += 1
            yield from run(copy, draw)
            copy.is_taken = False
        else:
            if self.broker_is_busy:
                self.skipped += 1
                return
            self.broker_is_busy = True
            self.done[kind] += 1
            yield from run(draw)
            yield from self.until_whole(60)
            self.broker_is_busy = False

    def until(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            yield 0.2

    def until_whole(self, seconds):
        deadline = time.monotonic() + seconds
        while not (yield from self.cluster.ask(self.cluster.is_whole)) and time.monotonic() < deadline:
            yield 0.3

    def command(self, *arguments):
        process = subprocess.Popen([str(argument) for argument in arguments], start_new_session=True)
        while process.poll() is None:
            yield 0.02

    def kill(self, copy, draw):
        self.end(copy, f"copy {copy.number} is killed")
        yield draw.choice([0, draw.uniform(0, 3), draw.uniform(3, 12)])
        self.start(copy)

    def end(self, copy, what):
        copy.is_wanted = False
        copy.process.kill()
        copy.process.wait()
        self.act(what)

    def start(self, copy):
        copy.start()
        copy.is_wanted = True
        self.act(f"copy {copy.number} is started")

    def pause(self, copy, draw, seconds=(5, 11)):
        copy.process.send_signal(signal.SIGSTOP)
        self.act(f"copy {copy.number} is stopped")
        yield draw.uniform(*seconds)
        copy.process.send_signal(signal.SIGCONT)
        self.act(f"copy {copy.number} goes on")

    def transaction_timeout(self, copy, draw):
        """Longer than the broker waits for the end of a transaction."""
        yield from self.pause(copy, draw, (13, 20))

    def leave(self, copy, draw, pause=(0, 10)):
        copy.is_wanted = False
        copy.process.terminate()
        self.act(f"copy {copy.number} leaves")
        yield from self.until(lambda: copy.process.poll() is not None, 40)
        if copy.process.poll() is None:
            self.crew.complain(f"copy {copy.number} did not end within 40 s after SIGTERM")
            copy.process.kill()
        elif copy.process.returncode != 0:
            self.crew.complain(f"copy {copy.number} left with exit code {copy.process.returncode}")
        copy.process.wait()
        if pause:
            yield draw.uniform(*pause)
            self.start(copy)

    def join(self, copy, draw):
        if copy.process is None or copy.process.poll() is not None:
            self.start(copy)
        yield draw.uniform(10, 25)
        yield from self.leave(copy, draw, None)

    def lost_state(self, copy, draw):
        self.end(copy, f"copy {copy.number} is killed and its state directory is lost")
        yield from self.command("find", copy.state, "-mindepth", "1", "-delete")
        yield draw.uniform(0, 4)
        self.start(copy)

    def state_set_back(self, copy, draw):
        earlier = copy.state.with_name(f"earlier-{copy.number}")
        copy.process.send_signal(signal.SIGSTOP)
        yield from self.command("cp", "-a", copy.state, earlier)
        copy.process.send_signal(signal.SIGCONT)
        yield draw.uniform(4, 15)
        self.end(copy, f"copy {copy.number} is killed and its state directory is what it was before")
        yield from self.command("find", copy.state, "-mindepth", "1", "-delete")
        yield from self.command("cp", "-a", f"{earlier}/.", copy.state)
        yield from self.command("rm", "-rf", earlier)
        self.start(copy)

    def full_disk(self, copy, draw):
        self.crew.disk.fill(copy)
        self.act(f"the disk of copy {copy.number} is full")
        yield draw.uniform(4, 12)
        self.crew.disk.make_room(copy)
        self.act(f"the disk of copy {copy.number} has room")

    def broker_kill(self, draw, number=signal.SIGKILL, broker=None):
        broker = broker or draw.randint(1, self.cluster.number)
        self.cluster.signal(broker, number)
        self.act(f"broker {broker} is {'killed' if number == signal.SIGKILL else 'shut down'}")
        yield from self.until(lambda: not self.cluster.runs(broker), 60)
        yield draw.uniform(0, 6)
        yield from self.start_brokers([broker])

    def start_brokers(self, brokers):
        starting = [(broker, self.cluster.begin_start(broker)) for broker in brokers]
        for broker, process in starting:
            while process.poll() is None:
                yield 0.1
            if process.returncode:
                self.crew.complain(f"broker {broker} did not start")
            self.act(f"broker {broker} answers again")

    def outage(self, draw):
        """All brokers, for longer than a transaction and than a member's session."""
        brokers = range(1, self.cluster.number + 1)
        for broker in brokers:
            self.cluster.signal(broker, signal.SIGKILL)
        self.act("all brokers are killed")
        yield draw.uniform(12, 35)
        yield from self.start_brokers(brokers)

    def broker_pause(self, draw):
        broker = draw.randint(1, self.cluster.number)
        self.cluster.signal(broker, signal.SIGSTOP)
        self.act(f"broker {broker} is stopped")
        yield draw.uniform(3, 10)
        self.cluster.signal(broker, signal.SIGCONT)
        self.act(f"broker {broker} goes on")

    def coordinator_move(self, draw):
        """The broker that coordinates the group hands over what it leads, and goes."""
        broker = yield from self.cluster.ask(self.cluster.coordinator, self.group)
        how = draw.choice([signal.SIGTERM, signal.SIGKILL])
        yield from self.broker_kill(draw, how, broker if broker and broker > 0 else None)
