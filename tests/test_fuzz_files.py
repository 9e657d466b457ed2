"""Five thousand spoilt files of strangers: a picture or a sentence, soon."""

from tests import fuzz_files


def test_spoilt_files_give_a_picture_or_a_sentence_soon():
    tally = fuzz_files.run(5000, seed=9)
    for kind, (refused, taken) in tally.by_kind.items():
        assert min(refused, taken) >= 0.05 * (refused + taken) > 3, (kind, tally)
