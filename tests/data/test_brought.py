"""Files that visitors brought, some of which go while they are looked at."""

import os

from explorer.data import brought


def test_a_file_that_is_gone_meanwhile_takes_nothing(tmp_path):
    (tmp_path / "there").write_bytes(bytes(300))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")  # listed, and not there when one looks
    assert brought.size(tmp_path.glob("*")) == 300 and brought.size((tmp_path / "none").glob("*")) == 0


def test_a_file_is_marked_as_used_once_a_day(tmp_path):
    path = tmp_path / "text"
    path.touch()
    for days, marked in ((2, True), (0.5, False)):
        then = path.stat().st_mtime - days * brought.USED
        os.utime(path, (then, then))
        brought.mark_used(path)
        assert (path.stat().st_mtime > then + 1) == marked
    brought.mark_used(tmp_path / "none")
