"""How much memory is left: the machine's word, and that of every control group around this process."""

import os
import subprocess
import sys

import pytest
import torch

from explorer import devices

GB = 1_000_000_000


@pytest.fixture
def machine(tmp_path):
    """``machine(group="0::/", files={path: text})``: folders like /proc and /sys/fs/cgroup; 8 GB available."""

    def make(group="", files=None):
        (tmp_path / "proc" / "self").mkdir(parents=True)
        (tmp_path / "proc" / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {8 * GB // 1024} kB\n")
        if group:
            (tmp_path / "proc" / "self" / "cgroup").write_text(group)
        for name, text in (files or {}).items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path / "proc", tmp_path / "groups"

    return make


def version_2(folder, limit, used, inactive=0):
    stat = f"anon 1\nfile {inactive}\ninactive_file {inactive}"
    return {f"{folder}memory.max": limit, f"{folder}memory.current": used, f"{folder}memory.stat": stat}


def version_1(folder, limit, used, inactive=0):
    names = {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used}
    return {f"memory/{folder}{name}": value for name, value in names.items()} | {
        f"memory/{folder}memory.stat": f"cache 1\ntotal_inactive_file {inactive}"
    }


def test_without_groups_it_is_what_the_machine_has_available(machine):
    assert devices.free_on_host(*machine()) == pytest.approx(8 * GB, abs=2048)


@pytest.mark.parametrize(
    ("group", "files", "left"),
    [
        ("0::/", version_2("", 4 * GB, 3 * GB), 1),
        ("0::/app/web", version_2("app/web/", 4 * GB, 3 * GB, inactive=GB), 2),
        ("0::/app/web", version_2("app/web/", "max", 3 * GB) | version_2("app/", 5 * GB, 4 * GB), 1),  # the group above
        ("0::/app/web", version_2("app/web/", 3 * GB, 3 * GB) | version_2("app/", 5 * GB, 4 * GB), 0),
        ("0::/docker/1234", version_2("", 4 * GB, GB), 3),  # a container that is told its host's path
        ("0::/", version_2("", "max", 3 * GB), 8),
        ("0::/", version_2("", 2 * GB, 3 * GB), 0),
        ("5:cpu:/x\n4:memory:/app\n0::/", version_1("app/", 4 * GB, 3 * GB, inactive=GB), 2),
        ("4:cpu,memory:/docker/1234", version_1("", 3 * GB, GB), 2),
        ("4:memory:/", version_1("", 9223372036854771712, GB), 8),
        ("1:cpu:/", version_1("", GB, 0), 8),  # not in that group
        ("0::/", {"memory.max": "nonsense", "memory.current": "1", "memory.stat": ""}, 8),
        ("0::/", version_2("unified/", 4 * GB, 3 * GB), 1),  # both versions at once
    ],
)
def test_the_tightest_group_decides(machine, group, files, left):
    assert devices.free_on_host(*machine(group, files)) == pytest.approx(left * GB, abs=2048)


def test_the_cpu_has_what_the_host_has_and_this_machine_has_something():
    free = devices.free_memory(torch.device("cpu"))
    assert free is None or free > 1_000_000


def test_cuda_adds_in_one_order_so_that_a_run_repeats():
    """In a process of its own: the setting is the whole program's. (What it does: tests/test_cuda.py.)"""
    code = """if True:
        import torch
        torch.cuda.is_available = lambda: True
        from explorer import devices
        print(devices.choose().type, torch.get_deterministic_debug_mode())
        import sys
        print(torch.utils.deterministic.fill_uninitialized_memory, "torch._inductor" in sys.modules)
    """
    environment = {**os.environ, "EXPLORER_DEVICE": ""}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["cuda", "1", "False", "False"], "1 is warn; the compiler is not imported for it"


def test_one_thread_is_given_back_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(KeyError), devices.one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize("policy", ["", "ACTIVE"])
def test_torchs_threads_sleep_while_they_wait_unless_somebody_says_otherwise(policy):
    """Beside a core that is busy, spinning threads make a step ten times as slow."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": policy} if policy else {}
    said = subprocess.run(
        [sys.executable, "-c", "import explorer.devices, os; print(os.environ['OMP_WAIT_POLICY'])"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == (policy or "PASSIVE")
