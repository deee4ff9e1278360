"""What the side-by-side benchmarks share: contestants as processes that take turns, and the interval of a ratio."""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile


class Contestant:
    """A process that answers one JSON line for each JSON line; "ANSWER " may stand before it, among a library's output."""

    def __init__(self, name, command, **environment):
        self.name, self.error, self.times = name, "", {}
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True,
                                        env={**environment, **os.environ, "TOKENIZERS_PARALLELISM": "false"})

    def ask(self, **command):
        """The answer; None once the contestant has failed."""
        if self.error:
            return None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith(("ANSWER ", "{")):
                    answer = json.loads(line.removeprefix("ANSWER "))
                    break
            else:
                self.log.seek(0)
                raise RuntimeError("ended: " + self.log.read()[-300:])
        except (OSError, ValueError, RuntimeError) as error:
            answer = {"error": str(error)}
        self.error = answer.get("error", "")
        return None if self.error else answer

    def cpu_seconds(self):
        """Of all its threads, so far."""
        return cpu_seconds(self.process.pid)

    def close(self):
        # With the processes that compile for it, which hold its output open too.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def cpu_seconds(pid):
    """Of all threads of a process, so far."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def bootstrap(ratios, rng):
    """The 95 % interval of the median."""
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(1000))
    return medians[24], medians[974]
