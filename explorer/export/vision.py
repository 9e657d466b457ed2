"""The pictures of a run: read, split and cut into batches, as code that stands alone."""

from explorer.data import SourceKind, cifar10, pictures, sampler, standin
from explorer.export.recipe import Recipe, Section
from explorer.export.source import bundle

_PNG = '''
def unpack(content):
    """The filtered rows of a plain PNG (8 bits, RGB, 32 × 32)."""
    at, packed = 33, b""
    while at + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        packed += content[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    return zlib.decompress(packed)


def unfilter(rows):
    """uint8 (pictures, 3, 32, 32). PNG stores a byte as its difference to its neighbours; undone for all at once."""
    stored = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), 32, 97)
    pixels = np.ascontiguousarray(stored[:, :, 1:].reshape(len(rows), 32, 32, 3).transpose(1, 2, 0, 3))
    above = np.zeros((32, len(rows), 3), np.int16)
    for row, kind in zip(pixels, stored[:, :, 0].T):
        for number in (1, 2, 3, 4):
            chosen = np.flatnonzero(kind == number)
            if len(chosen):
                row[:, chosen] = undo(number, row[:, chosen].astype(np.int16), above[:, chosen])
        above = row.astype(np.int16)
    return pixels.transpose(2, 3, 0, 1)


def undo(number, row, above):
    left = corner = np.zeros_like(row[0])
    for stored, up in zip(row, above):
        near = np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)
        paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], up, corner))
        stored += (left, up, (left + up) // 2, paeth)[number - 1]
        stored &= 255
        left, corner = stored, up
    return row.astype(np.uint8)


def read(path):
    """Every picture of the course's cifar10.tgz: (part, class) → names and pixels."""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            part, _, rest = member.name.partition("/")[2].partition("/")
            if member.isfile() and member.name.endswith(".png") and part in ("train", "test"):
                folder, _, name = rest.partition("/")
                files = found.setdefault((part, FOLDERS.index(folder)), [])
                files.append((name, unpack(tar.extractfile(member).read())))
    return found


def split(found):
    """In each class a fixed shuffle of the names gives a fifth to validation; the lecture's loop put cars into both."""
    parts = {"train": ([], []), "valid": ([], [])}
    for (part, label), files in sorted(found.items()):
        if part != "train":
            continue
        files.sort()
        pixels = unfilter([rows for _, rows in files])
        order = np.random.RandomState(7 + label).permutation(len(files))
        cut = round(len(files) * 0.2)
        for name, chosen in (("valid", order[:cut]), ("train", order[cut:])):
            parts[name][0].append(pixels[chosen])
            parts[name][1].append(np.full(len(chosen), label))
    return [np.concatenate(arrays) for pair in (parts["train"], parts["valid"]) for arrays in pair]


train_x, train_y, valid_x, valid_y = split(read(DATA))
'''
_DRAWN = """
# CIFAR-10 was not there: ten shapes, drawn at random, always the same.
train_x, train_y = draw({train}, 0)
valid_x, valid_y = draw({valid}, 1)
"""
_SHEETS = '''
from PIL import Image  # for the sheets; nothing else here needs Pillow


def sheet(part, each):
    """A part of the sampler that ships with the explorer (explorer/data/shipped/cifar10): pictures and classes."""
    tiles = np.asarray(Image.open(DATA / f"{part}.webp").convert("RGB")).reshape(-1, 32, {columns}, 32, 3)
    x = np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3)).reshape(-1, 3, 32, 32)
    return x, np.arange(10).repeat(each)


(train_x, train_y), (valid_x, valid_y) = sheet("train", {train}), sheet("valid", {valid})
'''
_BATCHES = '''
def pixels(x):
    """(pictures, 3, 32, 32) → (pictures, 32, 32, 3): a pixel's channels side by side."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 3, 1)))


scale, shift = (
    torch.tensor(value, dtype=torch.float32).flatten().repeat(SIDE * SIDE)
    for value in (1 / (255 * np.array(STD, np.float32)), -np.array(MEAN, np.float32) / np.array(STD, np.float32))
)


def normalised(x):
    """uint8 (batch, 32, 32, 3) → float32 (batch, 3, SIZE, SIZE), mean 0, deviation 1."""
    rows = x.flatten(1).float().mul_(scale.to(x.device)).add_(shift.to(x.device))
    x = rows.view(x.shape).permute(0, 3, 1, 2)
    if SIZE != SIDE:
        x = F.interpolate(x, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return {layout}


chosen = balanced(train_y, IMAGES)
padded = symmetric_pad(pixels(train_x[chosen]), PAD, (1, 2)).to(device)  # 4 pixels that mirror the edge
labels = torch.from_numpy(train_y[chosen]).long().to(device)
valid_pixels, valid_labels = pixels(valid_x).to(device), torch.from_numpy(valid_y).long().to(device)
print(f"{len(labels):,} pictures to learn from, {len(valid_labels):,} to validate on")


def train_batches(generator):
    """One epoch in a new order, each picture moved and perhaps mirrored; the share of the epoch done before."""
    n = len(labels)
    order = torch.randperm(n, generator=generator)
    if AUGMENT:
        down, right, mirrored = augmentation(n, generator)
    else:
        down = right = torch.full((n,), PAD)
        mirrored = torch.zeros(n, dtype=torch.long)
    drawn = torch.stack([order, down, right, mirrored]).to(device)
    for at in range(0, n, BATCH_SIZE):
        chosen, down, right, mirrored = drawn[:, at : at + BATCH_SIZE]
        yield normalised(crop(padded, chosen, down, right, mirrored)), labels[chosen], at / n


def valid_batches():
    for at in range(0, len(valid_labels), 500):
        yield normalised(valid_pixels[at : at + 500]), valid_labels[at : at + 500], 0.0
'''


def sampled(recipe: Recipe) -> bool:
    """Whether the run learnt from the few pictures that ship."""
    return recipe.source is not None and recipe.source.kind == SourceKind.SAMPLE


def sections(recipe: Recipe) -> list[Section]:
    """The pictures, and how they become batches."""
    e = recipe.experiment
    if e.data == "standin" or (recipe.source is not None and recipe.source.kind == "standin"):
        words = "Ten drawn shapes, the stand-in for CIFAR-10."
        reads = bundle(standin.draw) + _DRAWN.format(**standin.SIZES)
    elif sampled(recipe):
        words = "The sampler of CIFAR-10 that ships with the explorer: set DATA to its explorer/data/shipped/cifar10."
        reads = (
            _SHEETS.replace("{columns}", str(sampler.COLUMNS))
            .replace("{train}", str(sampler.EACH["train"]))
            .replace("{valid}", str(sampler.EACH["valid"]))
        )
    else:
        words = f"CIFAR-10 from the course's archive ({cifar10.URL}), read without unpacking it."
        reads = f"FOLDERS = {cifar10.FOLDERS!r}\n\n" + _PNG
    layout = "x.contiguous()" if e.model == "simplenet" else "x"
    helpers = bundle(pictures.symmetric_pad, pictures.balanced, pictures.augmentation, pictures.crop)
    constants = f"MEAN, STD = {pictures.MEAN}, {pictures.STD}  # of CIFAR-10, pictures in [0, 1]\n\n\n"
    batches = constants + helpers + "\n" + _BATCHES.replace("{layout}", layout)
    return [
        Section("The pictures", words, reads.strip()),
        Section(
            "Batches",
            "All pictures lie on the device as bytes; crops and flips are made for a batch at once.",
            batches.strip(),
        ),
    ]
