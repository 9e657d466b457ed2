"""A visitor brings a photo, looks for another class, and teaches the page two classes, in a real browser."""

import re
from pathlib import Path

import pytest

from explorer.data import dogscats
from explorer.data.photos import to_bytes
from tests.browser.looks import settle
from tests.browser.test_owner import NO_FILES

pytestmark = [pytest.mark.browser, pytest.mark.data]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("photos")
    found: dict[str, list[Path]] = {"cats": [], "dogs": []}
    for i, photo in enumerate(dogscats.here().photos("valid", 5)):
        path = folder / f"{photo.label}-{i}.jpg"
        path.write_bytes(to_bytes(photo.rgb, "JPEG"))
        found[photo.label].append(path)
    return found


def test_a_photo_its_heat_another_class_and_classes_of_ones_own(visitor, photos) -> None:
    page = visitor.open("cam").page
    answer = page.locator(".cam-answer b").first
    answer.wait_for()
    page.locator("input[type=file]").first.set_input_files(photos["dogs"][0])
    page.get_by_role("button", name=re.compile(photos["dogs"][0].name[:6])).first.wait_for()
    visitor.until(lambda: answer.inner_text() == "Dog")
    assert page.get_by_text(NO_FILES).count() == 0, "this browser keeps its cookie"
    overlay = page.get_by_alt_text(re.compile("with the heat on what decided it")).first
    first = overlay.get_attribute("src")

    page.get_by_test_id("stMain").get_by_role("radio", name="Cat", exact=True).or_(
        page.get_by_test_id("stMain").get_by_role("button", name="Cat", exact=True)
    ).first.click()
    visitor.until(lambda: overlay.get_attribute("src") != first)
    other = overlay.get_attribute("src")
    slider = page.get_by_role("slider", name=re.compile("Opacity")).first
    slider.focus()
    slider.press("ArrowRight")
    visitor.until(lambda: overlay.get_attribute("src") != other)

    for position, label in enumerate(("cats", "dogs")):
        settle(page)  # a file is not handed to an uploader that is being drawn anew just then
        uploader = page.locator(f'[class*="st-key-cam-class-{position}-upload"]')
        uploader.locator("input[type=file]").set_input_files(photos[label])
        page.get_by_text("5 photos", exact=True).wait_for()
        cross = page.locator(".cam-shelf").nth(position).get_by_role("button")
        cross.nth(4).click()  # any one photo can be taken away again: here the last, which is asked about later
        visitor.until(lambda position=position: page.get_by_text("4 photos", exact=True).count() > position)
    names = page.get_by_label("Name of the class")
    names.nth(0).fill("Moggy")
    names.nth(0).press("Enter")
    visitor.idle()
    names.nth(1).fill("Mutt")
    names.nth(1).press("Enter")
    visitor.idle()
    page.locator(".st-key-cam-classes-train button").click()
    page.get_by_text("Leave-one-out accuracy", exact=True).wait_for()

    visitor.until(lambda: answer.inner_text() in ("Mutt", "Moggy"))
    page.get_by_role("button", name="Cat 2", exact=True).click()
    visitor.until(lambda: answer.inner_text() == "Moggy")
    page.keyboard.press("Tab")  # the row is where it was, for whoever has only keys
    page.keyboard.press("Enter")
    visitor.until(lambda: page.locator('.cam-row [aria-pressed="true"]').inner_text() == "Dog 2")
    page.locator("input[type=file]").first.set_input_files(photos["dogs"][4])  # one it has not learnt from
    visitor.until(lambda: answer.inner_text() == "Mutt")

    # A test photo is answered right beside the button that trained.
    settle(page)
    slot = page.get_by_test_id("stFileUploader").filter(has_text="Try it on a photo")
    slot.locator("input[type=file]").set_input_files(photos["dogs"][4])
    tried = page.get_by_alt_text("The test photo, taken for Mutt")
    tried.wait_for()
    train = page.locator(".st-key-cam-classes-train button").bounding_box()
    assert abs(tried.bounding_box()["x"] - train["x"]) < 40, "in the same column"
    assert not visitor.errors
