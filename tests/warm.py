"""Programs in processes of their own that do not wait for their imports.

A parent that has imported what they need forks a child for each. It is as alone as a fresh interpreter (a number,
streams, a folder and an environment of its own; it may be killed); only its imports have happened before.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MOST = 1 << 20  # bytes of a request, which are mostly the environment


class Child:
    """A program that was begun; a part of what :class:`subprocess.Popen` does."""

    def __init__(self, news: int, stdin: int, stdout: int, stderr: int) -> None:
        self._news, self._heard = news, b""  # first its number, in the end its exit status: a line each
        self.pid = self._hear()
        self.stdin, self.stdout, self.stderr = os.fdopen(stdin, "w"), os.fdopen(stdout), os.fdopen(stderr)
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, as Popen has it."""
        if self.returncode is None:
            with selectors.DefaultSelector() as ready:
                ready.register(self._news, selectors.EVENT_READ)
                if not self._heard and not ready.select(timeout):
                    raise subprocess.TimeoutExpired("a warm program", timeout or 0)
            self.returncode = self._hear()
            os.close(self._news)
        return self.returncode

    def _hear(self) -> int:
        while b"\n" not in self._heard:
            if not (more := os.read(self._news, 64)):
                raise ChildProcessError("The parent of warm programs has ended.")
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")  # it may have ended before its number was read
        return int(line)

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        """To a program that has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """In good order."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """At once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """What else it prints on either stream until it ends."""
        self.stdin.close()
        end, said = time.monotonic() + timeout, {self.stdout: b"", self.stderr: b""}
        with selectors.DefaultSelector() as ready:
            for stream in said:
                ready.register(stream, selectors.EVENT_READ)
            while ready.get_map():
                if not (found := ready.select(max(0, end - time.monotonic()))):
                    raise subprocess.TimeoutExpired("a warm program", timeout)
                for key, _ in found:
                    if not (part := os.read(key.fd, 1 << 16)):
                        ready.unregister(key.fileobj)
                    said[key.fileobj] += part
        self.wait(max(0.0, end - time.monotonic()) + 1)
        out, err = (stream.read() + said[stream].decode() for stream in said)  # first what was read ahead for a line
        return out, err

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.wait()


class Warm:
    """The parent.

    Args:
        modules: what it imports.
        options: of its interpreter: ``-I`` where nothing of this program is to be found.
    """

    def __init__(self, *modules: str, options: tuple[str, ...] = ()) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST)
        with theirs:
            self._parent = subprocess.Popen(
                [sys.executable, *options, __file__, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            )

    def begin(
        self,
        *words: str,
        cwd: Path = REPOSITORY,
        env: dict[str, str] | None = None,
        session: bool = False,
        whole: bool = False,
        log: int | None = None,
    ) -> Child:
        """Begin ``-c program``, ``-m module`` or a script, with its arguments, as Python would.

        Args:
            words: see there.
            cwd, env: its folder, and its environment if it is not ours.
            session: it leads a session of its own.
            whole: where its end is what is tested, it ends as an interpreter does.
            log: the descriptor of a file that it writes to instead, on either stream.
        """
        ends = [os.pipe() for _ in range(4)]  # in, out, err, news
        request = {"words": words, "cwd": str(cwd), "env": dict(os.environ if env is None else env)}
        request |= {"session": session, "whole": whole}
        theirs = [ends[0][0], *(end[1] for end in ends[1:])]
        streams = theirs if log is None else [theirs[0], log, log, theirs[3]]
        socket.send_fds(self._ours, [json.dumps(request).encode()], streams)
        for end in theirs:
            os.close(end)
        return Child(ends[3][0], ends[0][1], ends[1][0], ends[2][0])

    def run(self, *words: str, timeout: float = 300, **how) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self.begin(*words, **how) as child:
            try:
                out, err = child.communicate(timeout)
            except BaseException:
                child.kill()
                raise
        return subprocess.CompletedProcess(words, child.returncode or 0, out, err)

    def close(self) -> None:
        """End the parent; what it began goes on."""
        self._ours.close()
        self._parent.wait()


# -- in the parent, which knows nothing but the standard library and what it was told to import ---------------------
def _requests(link: socket.socket) -> Iterator[tuple[dict, list[int]]]:
    """What to begin, with its streams; meanwhile tell of those that have ended."""
    running: dict[int, tuple[int, int]] = {}  # by the descriptor of a process: its number, and where to tell
    with selectors.DefaultSelector() as ready:
        ready.register(link, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is link:
                    message, streams, *_ = socket.recv_fds(link, MOST, 4)
                    if not message:
                        return
                    if (pid := os.fork()) == 0:
                        ready.close()
                        yield json.loads(message), streams
                        return
                    os.write(streams[3], b"%d\n" % pid)
                    for stream in streams[:3]:
                        os.close(stream)
                    running[process := os.pidfd_open(pid)] = pid, streams[3]
                    ready.register(process, selectors.EVENT_READ)
                else:
                    ready.unregister(key.fd)
                    os.close(key.fd)
                    pid, news = running.pop(key.fd)
                    os.write(news, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                    os.close(news)


def _become(request: dict, streams: list[int]) -> None:
    """Be the program that was asked for."""
    if request["session"]:
        os.setsid()
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    os.closerange(3, 1024)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    first, *words = request["words"]
    if first == "-c":
        program, *words = words
        sys.argv = ["-c", *words]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), main.__dict__)
    elif first == "-m":
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *words]
        runpy.run_path(first, run_name="__main__")


def _end(status: object) -> None:
    """As an interpreter does, but for taking torch apart, which takes it longer than most of these programs."""
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    if not sys.flags.isolated:
        sys.path[0] = str(REPOSITORY)
    for name in sys.argv[2:]:
        __import__(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the programs
    gc.collect()
    gc.freeze()  # else each child would touch, and so copy, all of it
    for request, streams in _requests(socket.socket(fileno=int(sys.argv[1]))):
        status: object = 0
        try:
            _become(request, streams)
        except SystemExit as ended:
            status = ended.code
        except Exception:
            traceback.print_exc()
            status = 1
        if request["whole"]:
            sys.exit(status)
        _end(status)
