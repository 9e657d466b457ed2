"""The table of ladders: where a rung is trained, what it learns from, and words that old files spell alike."""

import json

import pytest

from explorer import ladders, paths
from explorer.data import SourceKind
from explorer.ladders import Cut, Ladder, Page
from explorer.training.checkpoint import read_story
from explorer.ui import state

RUNGS = [rung for ladder in ladders.LADDERS.values() for rung in ladder]


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.key)
def test_a_rung_says_where_it_is_trained_and_what_it_learns_from(rung):
    assert rung in ladders.LADDERS[rung.ladder]
    assert rung.page == {Ladder.LANGUAGE: Page.CHAR_RNN, Ladder.VISION: Page.CIFAR10}[rung.ladder]
    assert rung.is_language == (rung.cut is not None) == (rung.metric == "val_loss")


def test_every_page_has_a_file_and_a_name_in_the_menu():
    files = {f"pages/{file.name}" for file in (paths.REPOSITORY / "pages").glob("*.py")}
    assert {page.script for page in Page} == files - {f"pages/{state.DESK}.py"}, "the desk is the teacher's"
    assert len({page.label for page in Page}) == len(Page) and Page.CAM.label == "Class activation maps"


def test_a_cut_that_keeps_the_places_apart_predicts_at_each_of_them():
    assert [cut for cut in Cut if cut.everywhere] == [Cut.SEGMENTS, Cut.STREAM]


def test_the_words_are_spelt_as_in_links_and_files_that_were_written_before_they_were_words():
    assert json.dumps([*Ladder, *Cut]) == '["language", "vision", "windows", "sliding", "segments", "stream"]'
    assert json.dumps([*SourceKind]) == '["real", "sample", "standin", "yours"]'
    assert [*Page] == ["home", "char_rnn", "cifar10", "cam", "lr_finder", "batchnorm", "runs"]
    kind = read_story(paths.WEIGHTS / "gru.safetensors").source.kind
    assert kind is SourceKind.REAL, "what a file says becomes the word itself"
