"""A decoder in a process of its own, which the system ends when it takes more than a photo can need.

For formats whose header says nothing that binds: an AVIF's box may say 64 pixels a side where the picture inside has
six thousand, and its decoder believes the picture. The others' costs are told beforehand (``structure.py``), and they
are decoded here without the half second that a process takes to start.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from explorer.errors import PhotoError

SECONDS = 5  # of computing
PATIENCE = 30  # seconds in all: it may wait for a core
MEMORY = 1_500_000_000  # bytes of address space: the interpreter, and 40 megapixels twice
TOO_MUCH = "Decoding this photo takes far more time or memory than a photo needs. Save it as JPEG and try again."

Decoder = Callable[[bytes, list[str]], tuple[np.ndarray, tuple[int, int]]]
_CHILD = "from explorer.data import apart, photos; apart.serve(photos.decode)"
_one = threading.Lock()  # at a time; the photos of other kinds do not wait for it


def is_needed(data: bytes) -> bool:
    """Whether Pillow would give it to the decoder of AVIF: by the kind that its first box names, some of HEIC too."""
    return data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1", b"msf1")


def decode(data: bytes) -> tuple[np.ndarray, tuple[int, int], list[str]]:
    """The upright pixels, the upload's own (width, height), and the notes on what was done.

    Raises:
        PhotoError: the decoder's sentence, or that it was ended.
    """
    try:
        with _one:
            done = _run(data)
    except subprocess.TimeoutExpired as error:
        raise PhotoError(TOO_MUCH, repr(error)) from error
    head, _, pixels = done.stdout.partition(b"\n")
    try:
        said = json.loads(head)
        if "refused" in said:
            raise PhotoError(said["refused"], said["detail"])
        rgb = np.frombuffer(pixels, np.uint8).reshape(said["shape"])
        width, height = said["size"]
        notes = said["notes"]
    except (ValueError, KeyError, TypeError) as error:
        raise PhotoError(TOO_MUCH, f"exit {done.returncode}: {done.stderr[-300:]!r}") from error
    return rgb, (width, height), notes


def _run(data: bytes) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=data,
        capture_output=True,
        timeout=PATIENCE,
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        check=False,
    )


def serve(decoder: Decoder) -> None:
    """In the child: limits first, then the photo from the standard input; a line of JSON and the pixels go out."""
    try:
        import resource
    except ImportError:  # Windows: there the time is all that is limited
        pass
    else:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out, notes = sys.stdout.buffer, list[str]()
    try:
        rgb, size = decoder(sys.stdin.buffer.read(), notes)
    except PhotoError as error:
        out.write(json.dumps({"refused": str(error), "detail": error.detail}).encode())
        return
    out.write(json.dumps({"shape": rgb.shape, "size": size, "notes": notes}).encode() + b"\n" + rgb.tobytes())
