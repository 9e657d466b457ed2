"""The class: what ships of it in words is what the script does. (Doing it all takes minutes: see the script.)"""

from explorer import paths
from tests.browser.class_steps import STEPS, text


def test_what_ships_is_what_the_script_does() -> None:
    assert (paths.REPOSITORY / "TEACHING.md").read_text() == text(), (
        "python -m tests.browser.class_script --text > TEACHING.md"
    )


def test_forty_steps_in_ninety_minutes() -> None:
    assert len(STEPS) == 40
    minutes = [step.minute for step in STEPS]
    assert minutes == sorted(minutes) and minutes[-1] < 90
    assert all(0 < step.seconds <= 120 for step in STEPS)
