"""The copies, those that are to run and those that are down, and the small disk of one of them."""

import ctypes
import os
import resource
import time
from pathlib import Path

from copies import Copy

MEGABYTES = 48


class Disk:
    """A small file system under the state directory of one copy; where none may be mounted, a limit on the size of its files."""

    def __init__(self, directory, number):
        self.state, self.is_mounted = Path(directory, f"state-{number}"), False
        self.state.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"chaos", os.fsencode(self.state), b"tmpfs", 0, f"size={MEGABYTES}m".encode()) == 0:
            self.is_mounted = True
        self.number, self.libc = number, libc

    def __str__(self):
        return f"a tmpfs of {MEGABYTES} MB" if self.is_mounted else "a limit on the size of files (no file system can be mounted here)"

    def fill(self, copy):
        if self.is_mounted:
            with (self.state / "filler").open("wb", buffering=0) as filler:
                try:
                    while filler.write(bytes(1 << 16)):
                        pass
                except OSError:
                    pass
        else:
            resource.prlimit(copy.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    def make_room(self, copy):
        if self.is_mounted:
            (self.state / "filler").unlink(missing_ok=True)
        elif copy.process.poll() is None:
            resource.prlimit(copy.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def remove(self):
        if self.is_mounted:
            # 2: also while something still holds it.
            self.libc.umount2(os.fsencode(self.state), 2)


class Member(Copy):
    """A copy that is started again if it ends by itself, as a supervisor would do."""

    is_taken = False
    is_wanted = True
    # When it is started again after it ended by itself.
    due = None


class Crew:
    def __init__(self, binary, directory, scenario):
        self.complaints, self.ended = [], []
        self.disk = Disk(directory, 1)
        self.copies = [Member(binary, directory, number) for number in range(1, scenario.copies + 1)]
        # One more, which joins and leaves.
        self.binary, self.directory, self.guest = binary, directory, None

    def complain(self, what):
        print(f"  {what}", flush=True)
        self.complaints.append(what)

    def take(self, draw, kind):
        """A copy that is under no other fault, for a fault."""
        if kind == "join":
            if self.guest and self.guest.is_taken:
                return None
            if self.guest is None:
                self.guest = Member(self.binary, self.directory, len(self.copies) + 1)
            self.guest.is_taken = self.guest.is_wanted = True
            return self.guest
        free = [copy for copy in self.copies if not copy.is_taken and copy.is_wanted and copy.process.poll() is None]
        if kind == "full disk":
            free = [copy for copy in free if copy.number == self.disk.number]
        if not free:
            return None
        copy = draw.choice(free)
        copy.is_taken = True
        return copy

    def everybody(self):
        return self.copies + [self.guest] * bool(self.guest)

    def look_after(self):
        """Starts those again that have ended by themselves."""
        for copy in self.everybody():
            code = copy.process.poll()
            if code is None or not copy.is_wanted:
                copy.due = None
            elif copy.due is None:
                copy.due = time.monotonic() + 1
                self.ended.append((time.time(), copy.number, code))
                print(f"  copy {copy.number} has ended with exit code {code}: {last_error(copy)}", flush=True)
                if code != 1:
                    self.complaints.append(f"copy {copy.number} ended with exit code {code}")
            elif time.monotonic() >= copy.due:
                copy.start()

    def end(self):
        for copy in self.everybody():
            copy.is_wanted = False
            copy.process.kill()
        for copy in self.everybody():
            copy.process.wait()
        self.disk.remove()


def last_error(copy):
    lines = [line for line in copy.log.read_text(errors="replace").splitlines() if '"ERROR"' in line or '"error"' in line]
    return lines[-1][:400] if lines else "no error in its log"
