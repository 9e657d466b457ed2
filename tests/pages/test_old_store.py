"""A link to a run that an earlier program wrote."""

import shutil

from explorer.store.store import Store
from explorer.ui import app
from tests.pages.conftest import numbers, open_page, texts
from tests.store.test_old_store import OLD


def test_a_link_to_an_old_run_draws_it(tmp_path, monkeypatch) -> None:
    store = Store(shutil.copytree(OLD, tmp_path / "runs"))
    monkeypatch.setattr(app, "store", lambda: store)
    at = open_page("char_rnn", run="01d0a1fe")
    assert "Read back from this server's disk" in texts(at)
    last = store.history("01d0a1fe").epochs[-1].val_loss
    assert f"{last:.4f}" in numbers(at)["Validation loss"]
