"""A forked program is as alone as one that was started: its words, streams, folder, environment, signals and status."""

import contextlib
import os
import signal

import pytest

from tests.jobs.working import until
from tests.warm import Child, Warm


@pytest.fixture(scope="module")
def warm():
    with contextlib.closing(Warm("json", options=("-I",))) as parent:
        yield parent


def test_it_has_its_own_words_folder_environment_and_streams(warm, tmp_path):
    (tmp_path / "script.py").write_text("import os, sys; print(sys.argv, os.getcwd(), os.environ['MINE'], __name__)")
    done = warm.run("script.py", "a", cwd=tmp_path, env={"MINE": "yes"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"['script.py', 'a'] {tmp_path} yes __main__\n"
    assert warm.run("-c", "import os; print(os.environ.get('MINE'))").stdout == "None\n"
    assert warm.run("-m", "json.tool", "--help").stdout.startswith("usage:")


def test_it_ends_as_any_program_does(warm):
    assert warm.run("-c", "import sys; sys.exit(3)").returncode == 3
    said = warm.run("-c", "import sys; sys.exit('No.')")
    assert (said.returncode, said.stderr) == (1, "No.\n")
    broken = warm.run("-c", "1 / 0")
    assert broken.returncode == 1 and broken.stderr.endswith("ZeroDivisionError: division by zero\n")
    late = "import atexit, threading; atexit.register(print, 'last'); threading.Timer(0.1, print, ['first']).start()"
    assert warm.run("-c", late).stdout == "first\nlast\n"


def test_it_ends_as_an_interpreter_does_where_that_is_asked_for(warm):
    """Such as with what cannot be written any more, and with objects that are taken apart."""
    full = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); print('lost')"
    assert warm.run("-c", full).returncode == 0
    done = warm.run("-c", full, whole=True)
    assert done.returncode == 120 and "No space left" in done.stderr
    assert warm.run("-c", "import sys; sys.exit('No.')", whole=True).returncode == 1


def test_what_was_read_ahead_is_not_lost(warm):
    with warm.begin("-c", "print('one\\ntwo', flush=True); print('three')") as child:
        assert child.stdout.readline() == "one\n"
        assert child.communicate() == ("two\nthree\n", "")


def test_it_is_talked_to_interrupted_and_killed(warm):
    program = "print(input(), flush=True); import time; time.sleep(100)"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with warm.begin("-c", program) as child:
            child.stdin.write("word\n")
            child.stdin.flush()
            assert child.stdout.readline() == "word\n" and child.poll() is None
            assert child.pid != os.getpid()
            child.send_signal(number)
            assert child.wait(30) == -number


def test_it_may_write_both_streams_to_a_file_and_be_ended(warm, tmp_path):
    program = "import sys, time; print('out', flush=True); print('err', file=sys.stderr); time.sleep(100)"
    with (tmp_path / "log").open("wb") as log, warm.begin("-c", program, log=log.fileno()) as child:
        assert child.stdout.read() == child.stderr.read() == ""
        until(lambda: (tmp_path / "log").read_text() == "out\nerr\n")
        child.terminate()
        assert child.wait(30) == -signal.SIGTERM


def test_it_may_have_ended_before_its_number_is_read():
    news, tell = os.pipe()
    os.write(tell, b"123\n-9\n")
    os.close(tell)
    with Child(news, *(os.open(os.devnull, mode) for mode in (os.O_WRONLY, os.O_RDONLY, os.O_RDONLY))) as child:
        assert (child.pid, child.poll(), child.wait(), child.returncode) == (123, -9, -9, -9)
