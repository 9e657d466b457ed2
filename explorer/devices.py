"""The one place that chooses the device, and says what it is and what it has free."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from explorer.errors import SettingsError

if TYPE_CHECKING:
    import torch


@cache
def choose() -> "torch.device":
    """CUDA where present, else MPS, else CPU; ``EXPLORER_DEVICE`` overrides.

    Raises:
        SettingsError: when ``EXPLORER_DEVICE`` names a device that is not there.
    """
    device = _found(os.environ.get("EXPLORER_DEVICE", ""))
    if device.type == "cuda":
        _repeat()
    return device


def _found(wanted: str) -> "torch.device":
    import torch

    if wanted:
        try:
            device = torch.device(wanted)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise SettingsError(
                f"EXPLORER_DEVICE={wanted} cannot be used here. Unset it, or set it to cpu.", str(error)
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _repeat() -> None:
    """The same run comes to the same figures each time, so that one goes on from a bookmark bit for bit.

    Otherwise CUDA sums a large batch's embedding gradients, and some convolutions', in whatever order threads end;
    the orderly kernels took no longer on an H200. What has none is told by a warning, but where order is nothing: the
    pools here are over all of a map or over its equal parts, which overlap nowhere, and a histogram adds ones.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # is read when cuBLAS begins
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of a module
    warnings.filterwarnings("ignore", r"(adaptive_\w+_pool2d_backward|_histc)_cuda\b.* does not have a deterministic")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in the calling thread alone: quicker for a batch of one, and very much so beside other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe() -> str:
    """The device in words, e.g. ``CUDA · NVIDIA H100`` or ``CPU · 2 cores``."""
    import torch

    device = choose()
    if device.type == "cuda":
        return f"CUDA · {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "MPS · Apple GPU"
    return f"CPU · {os.cpu_count()} cores"


def free_memory(device: "torch.device") -> int | None:
    """Bytes that may still be taken on ``device``; None where that cannot be known."""
    if device.type == "cpu":
        return free_on_host()
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return None


def free_on_host(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this process may still take before the kernel ends it: what the machine and its cgroups have left."""
    found = [_free_on_machine(proc), *_free_in_groups(proc, groups)]
    return min((free for free in found if free is not None), default=None)


def _free_on_machine(proc: Path) -> int | None:
    try:
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # not Linux: all that there is
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _free_in_groups(proc: Path, groups: Path) -> Iterator[int | None]:
    """What the control groups this process is in have left, and the groups above them; versions 1 and 2."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    roots: tuple[Path, ...]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            roots, names = (groups, groups / "unified"), ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            roots = (groups / "memory",)
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # In a container the path is often its host's and not there: then the root is the container's own group.
        inside = PurePosixPath(path).relative_to("/")
        for root in roots:
            for folder in (inside, *inside.parents):
                yield _free_in_group(root / folder, *names)


def _free_in_group(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """A group's limit less what it uses; file pages nobody has read lately do not count, the kernel drops them."""
    try:
        most, used = ((folder / name).read_text().strip() for name in (limit, usage))
        if most == "max":
            return None
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, int(most) - int(used) + int(facts.get(reclaimable, 0)))
    except (OSError, ValueError):
        return None
