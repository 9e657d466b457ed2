"""How long the first opening of CIFAR-10 takes: from the course's archive to arrays, against one plain Pillow loop.

    python -m tests.benchmarks.decode --json

``seconds`` is the whole of :func:`explorer.data.cifar10.decode`, ``plain`` a loop over the same archive with tarfile
and Pillow in one thread, ``ratio`` the one over the other; both on the same machine, one after the other.
"""

import argparse
import io
import json
import os
import tarfile
import time
from pathlib import Path

import numpy as np

from explorer.data import cifar10


def plain(path: Path) -> np.ndarray:
    """What one would write: every picture of the archive, uint8 (n, 32, 32, 3)."""
    from PIL import Image

    pictures = []
    with tarfile.open(path, "r:gz") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".png"):
                pictures.append(np.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")))
    return np.stack(pictures)


def measure(path: Path) -> dict[str, float]:
    """Seconds of both, on the same archive."""
    found = {}
    for name, work in (("plain", plain), ("seconds", cifar10.decode)):
        began, cpu = time.perf_counter(), time.process_time()
        pictures = work(path)
        found[name], found[f"{name}_cpu"] = time.perf_counter() - began, time.process_time() - cpu
        found["pictures"] = len(pictures if name == "plain" else pictures[0])
    return found | {"ratio": found["seconds"] / found["plain"], "cores": os.cpu_count() or 1}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--archive", type=Path, default=None, help="default: the one in EXPLORER_DATA")
    options = parser.parse_args()
    path = options.archive or cifar10.find()
    if path is None or not path.is_file():
        raise SystemExit("There is no cifar10.tgz here. Set EXPLORER_DATA to the folder that has it.")
    found = {name: round(value, 3) for name, value in measure(path).items()}
    if options.json:
        print(json.dumps(found))
        return
    print(
        f"{found['seconds']:.1f} s for {found['pictures']:,.0f} pictures on {found['cores']:.0f} cores; a plain loop:"
    )
    print(f"{found['plain']:.1f} s. Ratio {found['ratio']:.2f}, at most 0.6 is the goal.")


if __name__ == "__main__":
    main()
