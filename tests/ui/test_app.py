"""What the whole server shares is made once, whoever asks for it first."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from explorer.ui.app import once


def test_eight_who_ask_in_the_same_moment_get_the_same() -> None:
    made = []

    @once
    def shared(name: str) -> object:
        time.sleep(0.02)
        made.append(name)
        return object()

    with ThreadPoolExecutor(8) as visitors:
        found = set(visitors.map(shared, ["one"] * 8))
    assert len(found) == 1 and made == ["one"]
    assert shared("other") not in found and shared("other") is shared("other")


def test_what_could_not_be_made_is_tried_again() -> None:
    tries = []

    @once
    def shared() -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError
        return 7

    with pytest.raises(OSError):
        shared()
    assert shared() == 7 == shared() and len(tries) == 2
