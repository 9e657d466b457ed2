"""A decoder apart: the same picture, the same sentences, and an end where it takes too much."""

import signal
import struct
import subprocess
import sys

import pytest
from PIL import Image

from explorer.data import apart, photos
from explorer.data.photos import read_photo
from explorer.errors import PhotoError
from tests.data import bombs

pytestmark = pytest.mark.skipif("AVIF" not in photos.FORMATS, reason="this Pillow reads no AVIF")


def avif(side=64, colour=(200, 30, 30)):
    return bombs.encoded(Image.new("RGB", (side, side), colour), "AVIF", quality=95)


def test_it_is_the_same_photo_and_the_same_notes():
    data = avif(1200)
    notes = []
    here, size = photos.decode(data, notes)
    rgb, told, said = apart.decode(data)
    assert (
        (rgb == here).all() and tuple(told) == size and said == notes == ["Kept at 1024 × 1024 of 1200 × 1200 pixels."]
    )
    assert (read_photo(data).width, read_photo(data).rgb.shape) == (1200, (1024, 1024, 3))


def test_only_avif_costs_a_process():
    assert apart.is_needed(avif())
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        assert not apart.is_needed(bombs.encoded(bombs.noise(), kind))
    assert not apart.is_needed(b"")


@pytest.mark.parametrize("kind", [b"avif", b"avis", b"mif1", b"msf1", b"heic", b"avio", b"isom", b"AVIF"])
def test_whatever_pillow_takes_for_avif_is_decoded_apart(kind):
    """Its own kind may stand behind any number of others."""
    head = struct.pack(">I", 100) + b"ftyp" + kind + bytes(4) + b"mif1" * 20 + b"avif"
    assert apart.is_needed(head) == any(Image.OPEN[name][1](head[:16]) for name in photos.FORMATS)


def test_a_header_that_lies_gives_what_it_says_or_a_sentence():
    data = bombs.encoded(bombs.noise(2000, 2000), "AVIF", quality=90, speed=10)
    at = data.index(b"ispe") + 8
    lying = data[:at] + struct.pack(">II", 64, 64) + data[at + 8 :]
    try:
        assert read_photo(lying).rgb.shape == (64, 64, 3)
    except PhotoError as error:
        assert str(error) in (photos.DAMAGED, apart.TOO_MUCH)


@pytest.mark.parametrize("data", [avif(8), avif()[:200], avif()[:-40]])
def test_a_refusal_is_the_decoders_own_sentence(data):
    with pytest.raises(PhotoError) as here:
        photos.decode(data, [])
    with pytest.raises(PhotoError) as there:
        apart.decode(data)
    assert str(there.value) == str(here.value)


def child(spoil):
    """The child's program, with a decoder that takes too much."""
    program = f"""
from explorer.data import apart
apart.SECONDS, apart.MEMORY = 1, 2_000_000_000
def greedy(data, notes):
    {spoil}
apart.serve(greedy)
"""
    return subprocess.run([sys.executable, "-c", program], input=b"x", capture_output=True, timeout=120, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the system's limits")
def test_one_that_computes_for_ever_is_ended_by_the_system():
    assert child("while True: pass").returncode in (-signal.SIGXCPU, -signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the system's limits")
def test_one_that_takes_all_memory_gets_none():
    done = child("import numpy; numpy.ones(1_000_000_000)")
    assert done.returncode == 1 and b"Unable to allocate" in done.stderr and not done.stdout


@pytest.mark.parametrize("answer", [b"", b"no json", b"{}", b'{"shape": [9, 9, 3], "size": [9, 9], "notes": []}\nxx'])
def test_whatever_an_ended_child_leaves_is_a_sentence(monkeypatch, answer):
    monkeypatch.setattr(apart, "_run", lambda data: subprocess.CompletedProcess([], -9, answer, b""))
    with pytest.raises(PhotoError, match="far more time or memory"):
        apart.decode(b"x")


def test_a_child_that_hangs_is_given_up(monkeypatch):
    def hang(data):
        raise subprocess.TimeoutExpired("child", 30)

    monkeypatch.setattr(apart, "_run", hang)
    with pytest.raises(PhotoError, match="far more time"):
        apart.decode(b"x")
    assert not apart._one.locked()
