"""The text of a run: its preparation and its batches, as code that stands alone."""

from explorer.data import text
from explorer.export.recipe import Recipe, Section

_FILE = '''
def read(path):
    """The text: UTF-8, else Windows-1252."""
    raw = Path(path).read_bytes()
    if CHECKSUM and hashlib.md5(raw).hexdigest() != CHECKSUM:
        print(f"Note: {path} is not the text of the run; losses will differ.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


text = read(DATA)
'''
_TOPICS = """
from pydoc_data.topics import topics  # English that every Python carries: the help of its own language

text = "\\n".join(topics[name] for name in sorted(topics))
"""
_PREPARE = """
lines = io.StringIO(text, newline=None).readlines()
if len(lines) < 20:  # a text without line breaks is split by characters
    cut = int(len(text) * 0.8)
    parts = [text[:cut], text[cut:]]
else:
    cut = int(len(lines) * 0.8)
    parts = ["".join(lines[:cut]), "".join(lines[cut:])]
if not EVERY_SYMBOL:
    parts = [(part if NEWLINES else part.replace("\\n", "")).lower() for part in parts]

# Characters by frequency, ties alphabetical; what comes less than three times is <unk>. Or every symbol, sorted.
common = sorted((-count, c) for c, count in Counter(parts[0]).items() if count >= 3)
itos = ["<unk>", "<pad>", *(sorted({*parts[0], *parts[1]}) if EVERY_SYMBOL else (c for _, c in common))]
stoi = {c: number for number, c in enumerate(itos)}
# One <eos> ends each part; being rarer than three it is itself <unk>, which is 0.
train, valid = (torch.tensor([*(stoi.get(c, 0) for c in part), 0]) for part in parts)
print(f"{len(train):,} characters to learn from, {len(valid):,} to validate on, {len(itos)} different ones")
"""
_STREAM = '''
def columns(tokens):
    """(length, batch): stream j is column j, and the hidden state of one batch continues in the next."""
    length = len(tokens) // BATCH_SIZE
    return tokens[: length * BATCH_SIZE].view(BATCH_SIZE, length).t().contiguous()


def lengths(generator):
    """How many characters each batch reads: around BPTT, as the lecture's loader draws them."""
    if not JITTER:
        return itertools.repeat(BPTT)
    enough = 2 * len(train) // BATCH_SIZE // min(BPTT, 5) + 1
    half = torch.rand(enough, generator=generator) >= 0.95
    centre = torch.where(half, BPTT / 2, float(BPTT))
    drawn = (centre + 5 * torch.randn(enough, generator=generator)).int().clamp(min=min(5, BPTT))
    return iter(drawn.tolist())


def streams(tokens, lengths):
    """x and y, (time, batch), y one character ahead; and the share of the epoch done before."""
    tokens = columns(tokens)
    at, end = 0, len(tokens) - 1
    while at < end:
        stop = min(at + next(lengths), end)
        yield tokens[at:stop], tokens[at + 1 : stop + 1], at / end
        at = stop


def train_batches(generator):
    return streams(train, lengths(generator))


def valid_batches():
    return streams(valid, itertools.repeat(128))
'''
_WINDOWS = '''
def windows(tokens):
    """Every window of WINDOW characters and the one after it, (windows, WINDOW + 1)."""
    return tokens.unfold(0, WINDOW + 1, {stride})


def cut(rows, start):
    """x: (WINDOW, batch); y: {target}."""
    rows = rows.t()
    return rows[:-1].contiguous(), {y}, start


def train_batches(generator):
    """All windows in a new order."""
    found = windows(train)
    order = torch.randperm(len(found), generator=generator)
    for at in range(0, len(order), BATCH_SIZE):
        yield cut(found[order[at : at + BATCH_SIZE]], at / len(order))


def valid_batches():
    return (cut(part, 0.0) for part in windows(valid).split(4096))
'''


def sections(recipe: Recipe) -> list[Section]:
    """The text, and how it is cut into batches."""
    e = recipe.experiment
    standin = e.data == "pydoc" or (recipe.source is not None and recipe.source.kind == "standin")
    reads = _TOPICS if standin else _FILE
    words = (
        "80 % of the lines to learn from; lower case, line breaks dropped unless NEWLINES, rare characters one "
        "symbol, as the lecture's loader did; or every symbol as it is."
    )
    if e.rung.cut == "stream":
        batches, how = _STREAM, f"{e.batch_size} parallel streams, read in order, so that the memory runs on."
    else:
        segments = e.rung.cut == "segments"
        batches = _WINDOWS.format(
            stride="1" if e.rung.cut == "sliding" else "WINDOW",
            target="the next character at every place" if segments else "the character after it",
            y="rows[1:].contiguous()" if segments else "rows[-1]",
        )
        how = "Separate windows of text, in random order."
    return [
        Section("The text", words, reads.strip() + "\n\n" + _PREPARE.strip()),
        Section("Batches", how, batches.strip()),
    ]


def data_file(recipe: Recipe) -> tuple[str, str]:
    """The file the script reads, and its MD5 where it is known: a run that ended early has left no weights to tell."""
    if text.is_own(recipe.experiment.data):
        return "text.txt", recipe.source.checksum if recipe.source else ""
    return "nietzsche.txt", recipe.source.checksum if recipe.source else text.MD5
