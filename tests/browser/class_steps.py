"""The forty steps of the class, and the text that ships of them."""

import re

from tests.browser.class_script import Lesson, Step


def _start(lesson: Lesson) -> None:
    lesson.page.goto(lesson.server.url)


def _keep(name: str, value):
    def keep(lesson: Lesson) -> None:
        lesson.kept[name] = str(value(lesson))

    return keep


def _then(*doings):
    """Do one thing after another."""

    def do(lesson: Lesson) -> None:
        for doing in doings:
            doing(lesson)

    return do


def _press(name: str):
    return lambda lesson: lesson.press(name)


def _choose(name: str):
    return lambda lesson: lesson.choose(name)


def _says(*words: str):
    return lambda lesson: lesson.says(*words)


def _state(word: str):
    return lambda lesson: lesson.row().strip().startswith(word)


def _teacher(lesson: Lesson) -> None:
    unfold = lesson.page.get_by_test_id("stExpandSidebarButton")
    if unfold.is_visible():
        unfold.click()
    lesson.page.get_by_text("Teacher view").first.click()


def _scroll(words: str):
    def scroll(lesson: Lesson) -> None:
        lesson.main.get_by_text(re.compile(words)).first.scroll_into_view_if_needed()

    return scroll


def _title(words: str):
    return lambda lesson: lesson.page.get_by_role("heading", level=1).filter(has_text=words).count() > 0


OWN_TRAIN = '[class*="st-key-cam-classes-train"] button'

# fmt: off
STEPS = (
    # -- the idea ------------------------------------------------------------------------------------
    Step(0, "Open the app.", "The lecture as a map: two paths, language and vision, and one button, **Start**.", 5,
         _start, _says("Language", "Vision", "Start")),
    Step(1, "Press **Start**.", "Character RNN, and a network that learns: the curve falls, seconds count down.", 20,
         _press("Start"), lambda lesson: lesson.points() > 5 and _state("running")(lesson)),
    Step(2, "Ask the class to guess the loss of blind guessing; press **Pause**.",
         "The run holds; the coloured button reads **Resume**.", 5,
         _press("Pause"), lambda lesson: _state("paused")(lesson) and lesson.main.get_by_role(
             "button", name=re.compile("^Resume")).count()),
    Step(3, "Press **1 step**.", "The step in the row of numbers is one more, and no other.", 5,
         _then(_keep("step", lambda lesson: lesson.step()), _press("1 step")),
         lambda lesson: lesson.step() == int(lesson.kept["step"]) + 1 and _state("paused")(lesson)),
    Step(4, "Press **Resume**.", "It runs on from there.", 5, _press("Resume"), _state("running")),
    Step(5, "Move **Learning rate** one stop up while it runs.", "A dotted line on the curve says the new rate.", 5,
         lambda lesson: lesson.nudge("Learning rate"),
         lambda lesson: lesson.page.evaluate(
             "() => (document.querySelector('.explorer-plot').layout?.annotations ?? []).some("
             "note => note.text.startsWith('lr'))")),
    Step(7, "Press **Write** while it runs.", "A text from the network as it is now, half words and half noise.", 10,
         _press("Write"), lambda lesson: lesson.says(r"this run, step [\d,]+")
         and lesson.page.locator(".written").count() > 0),
    Step(9, "Press **Four temperatures**.", "Four texts side by side, from cautious to wild.", 15,
         _press("Four temperatures"), lambda lesson: lesson.page.locator(".written").count() >= 4),
    Step(11, "Switch **Colour by surprise** on.", "The same four texts; what the network did not expect is darker.", 5,
         lambda lesson: lesson.main.get_by_text("Colour by surprise").click(),
         lambda lesson: lesson.page.locator(".written span[title$=nats]").count() > 50),
    Step(13, "Press **Stop**.", "The run has stopped, its curve stays.", 5,
         _press("Stop"), lambda lesson: _state("stopped")(lesson) and lesson.points() > 5),
    # -- the ladder of language -----------------------------------------------------------------------
    Step(14, "Choose **Three characters**.", "Its idea in a line, and the curve recorded for it.", 6,
         _choose("Three characters"), lambda lesson: lesson.says("Char3Model") and _state("recorded")(lesson)),
    Step(16, "Choose **Stateful RNN**; where does the memory go? Open the tab of that name.",
         "What truncated back-propagation keeps and what it forgets.", 8,
         _then(_choose("Stateful RNN"), _scroll("^Behind it$"), _choose("Where the memory goes")),
         _says("CharSeqStatefulRnn", "Is the memory thrown away")),
    Step(19, "Choose the preset **Rate too high** and press **Train**.",
         "A curve that does not fall, or a run that broke and says what to try.", 20,
         _then(lambda lesson: lesson.preset("Rate too high"), _press("Train")),
         lambda lesson: lesson.points() > 5 and re.match(r"\s*(running|diverged|done)", lesson.row())),
    Step(21, "Press **Stop**, then choose **GRU**.", "The recorded GRU beside the lecture's own losses, dashed.", 8,
         _then(lambda lesson: lesson.stop(), _choose("GRU")),
         lambda lesson: lesson.says("CharSeqStatefulGRU", "lecture notes") and _state("recorded")(lesson)),
    Step(23, "Open the tab **The model's code**.", "The class as it runs, and its gates as a drawing.", 6,
         _then(_scroll("^Behind it$"), _choose("The model's code")), _says("class CharSeqStatefulGRU")),
    Step(25, "Choose **LSTM**.", "The best loss of the ladder, and a text that it wrote.", 10,
         _choose("LSTM"), lambda lesson: lesson.says("CharSeqStatefulLSTM")
         and lesson.page.locator(".written").first.inner_text().strip() != ""),
    # -- pictures -------------------------------------------------------------------------------------
    Step(28, "Follow **CIFAR-10** in the menu.", "Convolutions: a recorded run, and what it gets wrong.", 30,
         lambda lesson: lesson.go("CIFAR-10"),
         lambda lesson: lesson.says("ConvNet", "validation pictures right")),
    Step(30, "Choose the preset **Quick**.", "The menu reads **Quick**, and the page says which button tries it.", 6,
         lambda lesson: lesson.preset("Quick"),
         lambda lesson: lesson.says(r"[Pp]ress Train to try it") and "Quick" in lesson.main.locator(
             '[class*="-presets"] button').first.inner_text()),
    Step(31, "Press **Train**.", "A curve on the first screen, with the seconds that are left.", 10,
         _press("Train"), lambda lesson: lesson.points() > 5 and _state("running")(lesson)),
    Step(32, "Wait for the end of it.", "*done*, and over 30 % right; not compared with 40,000 pictures.", 30,
         lambda lesson: None, lambda lesson: _state("done")(lesson) and lesson.accuracy() > 30
         and "not comparable" in lesson.row()),
    Step(34, "Click the cell where cats are taken for dogs.", "Those cats.", 8,
         lambda lesson: lesson.click_cell(), _says("it was cat")),
    Step(36, "Choose **BatchNorm by hand**, the preset **Quick**, and press **Train**.",
         "A steeper curve, with the same pictures.", 15,
         _then(_choose("BatchNorm by hand"), lambda lesson: lesson.wait(_says("ConvBnNet")),
               lambda lesson: lesson.preset("Quick"), _press("Train")),
         lambda lesson: lesson.points() > 5 and _state("running")(lesson) and lesson.says("ConvBnNet")),
    Step(37, "Wait for the end of it.", "*done*, and more right than without.", 40,
         lambda lesson: None, lambda lesson: _state("done")(lesson) and lesson.accuracy() > 38),
    Step(39, "Choose **Your own**.", "The network as blocks, each colour in the legend, over its curve.", 10,
         _choose("Your own"), lambda lesson: lesson.blocks() > 8 and lesson.says("StageNet")),
    Step(41, "Move **Layers per stage** to four.", "Four more blocks at once.", 6,
         _then(_keep("blocks", lambda lesson: lesson.blocks()), lambda lesson: lesson.nudge("Layers per stage")),
         lambda lesson: lesson.blocks() == int(lesson.kept["blocks"]) + 4),
    Step(43, "Switch **Skip connections** off.", "The colour of skip connections is gone from drawing and legend.", 6,
         lambda lesson: lesson.main.get_by_text("Skip connections", exact=True).first.click(),
         lambda lesson: lesson.page.evaluate(
             "() => { const plot = document.querySelector('[aria-label^=\"The network\"]');"
             " return plot?.data?.length && !plot.data.some(({ name }) => name.includes('skip')); }")),
    # -- which rate -----------------------------------------------------------------------------------
    Step(45, "Choose **Convolutions**, press **Find a learning rate**.", "The LR finder, with a recorded sweep.", 12,
         _then(_choose("Convolutions"), lambda lesson: lesson.wait(_says(r"\bConvNet\b")),
               _press("Find a learning rate")),
         lambda lesson: _title("LR finder")(lesson) and lesson.points("rate", 0) > 20),
    Step(47, "Press **Sweep**.", "The class's own curve, and rates with their names on buttons.", 45,
         _press("Sweep"), lambda lesson: lesson.says(r"\bdone\b", r"Use [\d.e-]+")),
    Step(50, "Press the recommended **Use …**.", "CIFAR-10 with that rate, saying to press Train to try it.", 12,
         lambda lesson: lesson.main.get_by_role("button", name=re.compile("^.*Use [0-9.]+")).first.click(),
         lambda lesson: _title("CIFAR-10")(lesson) and lesson.says("[Pp]ress Train to try it")),
    # -- inside ---------------------------------------------------------------------------------------
    Step(53, "Follow **Inside the network**.", "The race, ready to start: the same batches for every network.", 12,
         lambda lesson: lesson.go("Inside the network"), _says("Start the race")),
    Step(54, "Press **Start the race**.", "One of them learns, one does not: their curves on the first screen.", 30,
         _press("Start the race"), lambda lesson: lesson.points("", 0) > 5),
    Step(57, "Let it run; ask what BatchNorm does to the layers.", "The verdict of the race in words.", 120,
         lambda lesson: None, _says("Measured here")),
    Step(62, "Open **Gradients through time**.", "How far back a gradient reaches, on a logarithmic axis.", 20,
         _choose("Gradients through time"), lambda lesson: lesson.points("gradient", 0) > 3),
    Step(66, "Open **What it remembers**.", "What a hidden unit follows, character by character.", 25,
         _choose("What it remembers"), lambda lesson: lesson.page.locator(".explorer-plot").filter(
             visible=True).count() >= 1),
    # -- where it looks --------------------------------------------------------------------------------
    Step(70, "Follow **Class activation maps**.", "A photo, what the network says, and where it looked.", 25,
         lambda lesson: lesson.go("Class activation maps"), _says(r"\d+ ?%")),
    Step(74, "Press **Frogs and ships**.", "Two classes of one's own with photos, ready to train.", 12,
         _then(_scroll("Teach it your own"), _press("Frogs and ships")),
         lambda lesson: lesson.page.locator(OWN_TRAIN).is_enabled()),
    Step(76, "Press **Train** beside them.", "A classifier of one's own, and its leave-one-out accuracy.", 40,
         lambda lesson: lesson.page.locator(OWN_TRAIN).click(), _says("Leave-one-out accuracy")),
    # -- what is kept ----------------------------------------------------------------------------------
    Step(80, "Follow **Runs**.", "Every run of this class, with what it changed.", 10,
         lambda lesson: lesson.go("Runs"), lambda lesson: _title("Runs")(lesson)
         and lesson.page.get_by_test_id("stDataFrame").count() > 0),
    Step(84, "Follow **The lecture** and open **The claims**.", "What the lecture says, and what came out here.", 8,
         _then(lambda lesson: lesson.go("The lecture"), lambda lesson: lesson.wait(_says("The claims")),
               _choose("The claims")), _says("Make it happen")),
    Step(86, "Press **Make it happen** on the first.", "Its page with the run going, and the claim over it.", 20,
         _press("Make it happen"), lambda lesson: lesson.points() > 3 and lesson.page.locator(
             ".st-key-claim-strip").count() == 1),
)
# fmt: on

HEAD = """# A class of 90 minutes

Forty steps over the seven pages, on two processor cores without a network. Each says what to do, what must be on
screen, and within how many seconds. It was done by a program in a real browser, step by step:
`python -m tests.browser.class_script --json` does so again on your machine and says how long each step took.

Before: open the app once, so that the pictures have been read; on a projector switch **Teacher view** on.

| | minute | do | see | within |
| ---: | ---: | --- | --- | ---: |
"""


def text() -> str:
    """``TEACHING.md``."""
    return HEAD + "".join(
        f"| {number} | {step.minute} | {step.does} | {step.sees} | {step.seconds:g} s |\n"
        for number, step in enumerate(STEPS, 1)
    )
