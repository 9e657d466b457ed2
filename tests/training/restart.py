"""A process of a data-parallel run is killed: torchrun begins all anew, and they go on from the bookmark.

``python -m tests.training.restart --times 10 --json`` does so that often and says how often it went well.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SETTINGS = {
    "data": "pydoc",
    "hidden": 8,
    "n-fac": 4,
    "bptt": 32,
    "batch-size": 64,
    "epochs": 2,
    "schedule": "constant",
    "clip": 0.5,
}


def command(*words: str) -> list[str]:
    """A small training in the terminal, whose bookmarks do not let one wait: see :func:`hurried`."""
    settings = [word for name, value in SETTINGS.items() for word in (f"--{name}", str(value))]
    return ["-m", "tests.training.restart", "train", "gru", *settings, *words]


def environment(home: Path) -> dict[str, str]:
    """Of a process that has its own record of runs."""
    own = {"EXPLORER_HOME": str(home), "OMP_NUM_THREADS": "1", "EXPLORER_DEVICE": "cpu"}
    return os.environ | own | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def fresh(*words: str, env: dict[str, str], session: bool) -> subprocess.Popen[str]:
    """A Python of its own; tests have a parent that begins them sooner (``tests/warm.py``)."""
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        start_new_session=session,
    )


@contextlib.contextmanager
def torchrun(home: Path, *words: str, restarts: int = 0, begin=fresh):
    """A training in two processes, ended with the block."""
    options = ["--standalone", "--nproc-per-node=2", f"--max-restarts={restarts}", "--monitor-interval=0.1"]
    begun = begin("-m", "torch.distributed.run", *options, *command(*words), env=environment(home), session=True)
    late = threading.Timer(150, os.killpg, (begun.pid, signal.SIGKILL))
    late.start()
    try:
        yield begun
    finally:
        late.cancel()
        for process in (*ranks(begun.pid).values(), begun.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        begun.communicate()


def ranks(agent: int) -> dict[int, int]:
    """The processes that a torchrun has begun: rank → number."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            if parent == agent:
                words = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                found |= {int(word[5:]): int(name) for word in words if word.startswith(b"RANK=")}
    return found


def the_run(home: Path):
    """The run on record, once there is one."""
    from explorer.store.store import Store

    runs = Store(home / "runs").runs()
    return runs[0] if runs else None


def until(true, seconds=90.0):
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)
    return found


def killed_and_begun_again(home: Path, rank: int, begin=fresh) -> dict[str, object]:
    """Kill one of two processes once there is a bookmark, and let torchrun begin both anew; what came of it."""
    with torchrun(home, "--json", restarts=2, begin=begin) as agent:
        until(lambda: list(home.glob("runs/*/bookmark.pt")) or agent.poll() is not None)
        victim = ranks(agent.pid)[rank]
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        anew = until(lambda: (now := ranks(agent.pid)).keys() == {0, 1} and victim not in now.values() and now)
        out, err = agent.communicate()
        run = the_run(home)
        goes_on = [line for line in err.splitlines() if "Goes on with" in line]
        well = agent.returncode == 0 and run is not None and run.state == "done" and len(goes_on) == 1 and bool(anew)
        seconds = time.monotonic() - killed
        return {"well": well, "said": goes_on, "out": out, "err": err, "seconds": seconds, "id": run.id if run else ""}


def hurried(words: list[str]) -> int:
    """The program's terminal, with a bookmark every few steps."""
    from explorer.__main__ import main
    from explorer.runs import record

    record.BOOKMARK_SECONDS, record.BOOKMARK_SHARE = 0.2, 1.0
    return main(words)


def main() -> None:
    """Do it several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = []
    for number in range(options.times):
        with tempfile.TemporaryDirectory() as folder:
            found.append(killed_and_begun_again(Path(folder), number % 2))
            print(number + 1, found[-1]["well"], found[-1]["said"], file=sys.stderr, flush=True)
    well = sum(bool(each["well"]) for each in found)
    words = {"times": options.times, "well": well, "seconds": [round(float(each["seconds"]), 1) for each in found]}
    print(json.dumps(words) if options.json else f"{well} of {options.times} went on and came to their end")


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        sys.exit(hurried(sys.argv[1:]))
    main()
