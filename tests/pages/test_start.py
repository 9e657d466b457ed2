"""What stands around every page."""

import gc
import sys
import types
import weakref

from explorer.ui.app import Engine


class Held:
    """Something of a visitor's page that refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_what_a_visitor_had_when_a_page_was_first_opened_is_freed_when_he_is_gone(monkeypatch) -> None:
    engine, held = Engine(), Held()
    gone = weakref.ref(held)
    engine.freeze()
    assert gc.get_freeze_count() > 0
    del held
    monkeypatch.setitem(sys.modules, "a_page_that_imports_more", types.ModuleType("more"))
    engine.freeze()
    assert gone() is None and gc.get_freeze_count() > 0
    gc.unfreeze()


def test_nothing_is_collected_anew_while_nothing_more_was_imported(monkeypatch) -> None:
    engine, collected = Engine(), []
    engine.freeze()
    monkeypatch.setattr(gc, "collect", collected.append)
    engine.freeze()
    assert not collected
    gc.unfreeze()
