"""The lecture's numbers on the pages: its losses, times and text beside ours, and what it links to."""

from tests.pages.conftest import open_page, texts


def _numbers(page: str, model: str):
    at = open_page(page, model=model)
    at.session_state[f"{page}.behind"] = "The lecture's numbers"
    at.run()
    assert not at.exception and not at.error
    return at


def test_printed_training_losses_and_times_stand_beside_ours() -> None:
    at = _numbers("cifar10", "bn")
    table = next(frame.value for frame in at.dataframe if "training, notes" in frame.value)
    assert table["training, notes"].tolist()[:2] == [1.54923, 1.33422]
    assert table["training, here"].notna().all() and (table["training, here"] != table["training, notes"]).all()
    assert table["accuracy, notes"].iloc[-1] == 0.68176
    times = {metric.label: metric.value for metric in at.metric}
    assert times["An epoch, in the notes"] == f"{(40.6 + 78) / 6:.1f} s"
    assert float(times["An epoch, here"].split()[0]) > 0


def test_the_lectures_400_characters_stand_beside_as_many_of_ours_and_links_lead_on() -> None:
    at = _numbers("char_rnn", "lstm")
    written = [str(e.proto.body) for e in at.get("html") if 'class="written"' in str(e.proto.body)][-2:]
    assert "metaphysical" in "".join(c for c in _plain(written[0]) if c.isprintable())
    assert len(_plain(written[0])) == len(_plain(written[1])) == 408
    assert "colah" in texts(at) and "wildml" in texts(at)


def _plain(html: str) -> str:
    import html as escaped
    import re

    return escaped.unescape(re.sub(r"<[^>]*>", "", html))
