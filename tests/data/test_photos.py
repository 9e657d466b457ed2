"""Strangers' files, row by row: what is read, how it looks, and what is refused with which words."""

import io
import struct
import tracemalloc
import warnings
import weakref
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin, features

from explorer.data import photos, zips
from explorer.data.photos import PhotoError, read_many, read_photo
from explorer.data.zips import read_zip

RNG = np.random.default_rng(0)
ORIENTATION = 0x0112


def corner(width=60, height=40):
    """Black, with a red patch in the upper left corner: shows every wrong turn."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 4, : width // 4] = (255, 0, 0)
    return Image.fromarray(rgb)


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_orientation(value, kind="JPEG", **options):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return encoded(corner(), kind, exif=exif, **options)


def png_claiming(width, height, colour=0):
    """A valid header and almost no data."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def webp_claiming(width, height):
    """34 bytes that promise 164 megapixels: a lossless WebP's header."""
    bits = (width - 1) | (height - 1) << 14
    payload = b"\x2f" + struct.pack("<I", bits) + b"\x00" * 9
    body = b"WEBPVP8L" + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_claiming(width, height):
    head = struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def gif_claiming(width, height):
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + frame


def bad_checksum():
    data = bytearray(encoded(corner(), "PNG"))
    at = data.index(b"IDAT") + 8
    data[at] ^= 0xFF
    return bytes(data)


def bad_header_checksum():
    data = bytearray(encoded(corner(), "PNG"))
    data[data.index(b"IHDR") + 4 + 13] ^= 0xFF
    return bytes(data)


def text_bomb():
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * 3_000_000, zip=True)
    return encoded(corner(), "PNG", pnginfo=info)


def noisy(kind, **options):
    return encoded(Image.fromarray(RNG.integers(0, 255, (200, 300, 3), dtype=np.uint8)), kind, **options)


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 40
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
AVIF = features.check("avif")

REFUSED = {
    "empty": (b"", "empty"),
    "text": (b"hello, this is no photo " * 9, "not a photo"),
    "html": (b"<!DOCTYPE html><html><body>x</body></html>", "web page"),
    "zip named jpg": (b"PK\x03\x04" + b"\x00" * 60, "ZIP"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "heic": (HEIC, "HEIC photos cannot be read here. Export it as JPEG"),
    "eps": (EPS, "PostScript"),
    "eps, binary header": (b"\xc5\xd0\xd3\xc6" + b"\x00" * 40 + EPS, "PostScript"),
    "psd": (b"8BPS\x00\x01" + b"\x00" * 40, "Photoshop"),
    "ico": (encoded(corner(64, 64), "ICO"), "icon"),
    "jpeg 2000": (encoded(corner(), "JPEG2000") if features.check("jpg_2000") else b"\0\0\0\x0cjP  ", "JPEG 2000"),
    "jpeg cut in half": (noisy("JPEG")[:9000], "damaged or cut short"),
    "jpeg cut at 100 bytes": (encoded(corner(), "JPEG")[:100], "damaged or cut short"),
    "only a jpeg header": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "damaged or cut short"),
    "png with a bad checksum": (bad_checksum(), "damaged or cut short"),
    "png with a bad header checksum": (bad_header_checksum(), "damaged or cut short"),
    "png text bomb": (text_bomb(), "damaged or cut short"),
    "truncated png": (noisy("PNG")[:3000], "damaged or cut short"),
    "truncated gif": (noisy("GIF")[:3000], "damaged or cut short"),
    "1 x 1": (encoded(corner(1, 1), "PNG"), "at least 16"),
    "2 x 2": (encoded(corner(2, 2), "PNG"), "at least 16"),
    "1 x 5000": (encoded(corner(1, 5000), "PNG"), "at least 16"),
    "5000 x 1": (encoded(corner(5000, 1), "PNG"), "at least 16"),
    "16 x 321": (encoded(corner(16, 321), "PNG"), "20 : 1"),
    "9000 x 9000 png": (png_claiming(9000, 9000), "40 megapixels"),
    "12000 x 12000 png": (png_claiming(12000, 12000), "40 megapixels"),
    "20000 x 20000 png": (png_claiming(20000, 20000), "40 megapixels"),
    "34-byte webp": (webp_claiming(16383, 10000), "40 megapixels"),
    "lying bmp": (bmp_claiming(100_000, 100_000), "40 megapixels"),
    "gif canvas": (gif_claiming(65535, 65535), "40 megapixels"),
    "over 20 MB": (b"\xff\xd8\xff" + b"\x00" * 20_000_000, "larger than 20 MB"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused_with_one_sentence(row):
    data, words = REFUSED[row]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(PhotoError) as caught:
            read_photo(data, "evil <b>name</b>.jpg")
    assert words in str(caught.value)
    assert "evil" not in str(caught.value) and "Error" not in str(caught.value)


def frames(kind, **options):
    pictures = [Image.new("RGB", (32, 32), c) for c in ("red", "lime", "blue")]
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


RED = (255, 0, 0)
READ = {
    "jpeg": (encoded(corner(), "JPEG", quality=95), None),
    "progressive jpeg": (encoded(corner(), "JPEG", progressive=True), None),
    "jpeg with garbage behind": (encoded(corner(), "JPEG") + b"garbage" * 99, None),
    "jpeg with a zip behind": (encoded(corner(), "JPEG") + b"PK\x03\x04" + b"\x00" * 99, None),
    "png": (encoded(corner(), "PNG"), None),
    "bmp": (encoded(corner(), "BMP"), None),
    "tiff": (encoded(corner(), "TIFF"), None),
    "webp": (encoded(corner(), "WEBP", lossless=True), None),
    "gif": (encoded(Image.new("RGB", (32, 32), "red"), "GIF"), RED),
    "corrupt exif": (encoded(Image.new("RGB", (32, 32), "red"), "JPEG", exif=b"Exif\x00\x00garbage"), RED),
    "cmyk jpeg": (encoded(Image.new("RGB", (32, 32), "red").convert("CMYK"), "JPEG"), RED),
    "cmyk tiff": (encoded(Image.new("RGB", (32, 32), "red").convert("CMYK"), "TIFF"), RED),
    "lab tiff": (encoded(Image.new("LAB", (32, 32), (255, 128, 128)), "TIFF"), (255, 255, 255)),
    "grey jpeg": (encoded(Image.new("L", (32, 32), 128), "JPEG"), (128, 128, 128)),
    "1-bit png": (encoded(Image.new("1", (32, 32), 1), "PNG"), (255, 255, 255)),
    "palette": (encoded(Image.new("RGB", (32, 32), "red").quantize(4), "PNG"), RED),
    "rgba with hidden colour": (encoded(Image.new("RGBA", (32, 32), (255, 0, 255, 0)), "PNG"), (255, 255, 255)),
    "half transparent": (encoded(Image.new("RGBA", (32, 32), (0, 0, 0, 128)), "PNG"), (127, 127, 127)),
    "la": (encoded(Image.new("LA", (32, 32), (0, 0)), "PNG"), (255, 255, 255)),
    "palette, transparent index": (encoded(Image.new("P", (32, 32), 0), "PNG", transparency=0), (255, 255, 255)),
    "palette, transparent bytes": (
        encoded(Image.new("P", (32, 32), 0), "PNG", transparency=bytes([0] * 256)),
        (255, 255, 255),
    ),
    "rgb, transparent colour": (
        encoded(Image.new("RGB", (32, 32), "red"), "PNG", transparency=(255, 0, 0)),
        (255, 255, 255),
    ),
    "16-bit grey": (encoded(Image.fromarray(np.full((32, 32), 128 * 257, np.uint16)), "PNG"), (128,) * 3),
    "32-bit grey tiff": (encoded(Image.fromarray(np.full((32, 32), 128 * 257, np.int32)), "TIFF"), (128,) * 3),
    "float tiff": (encoded(Image.fromarray(np.full((32, 32), 0.5, np.float32)), "TIFF"), (128,) * 3),
    "animated gif": (frames("GIF"), RED),
    "animated webp": (frames("WEBP", lossless=True), RED),
    "animated png": (frames("PNG"), RED),
    "pages of a tiff": (frames("TIFF"), RED),
    "mpo": (frames("MPO"), RED),
    "all black": (encoded(Image.new("RGB", (32, 32)), "PNG"), (0, 0, 0)),
    "all white": (encoded(Image.new("RGB", (32, 32), "white"), "PNG"), (255, 255, 255)),
    "strip of 20 : 1": (encoded(Image.new("RGB", (320, 16), "red"), "PNG"), RED),
}
if AVIF:
    READ["avif"] = (encoded(Image.new("RGB", (32, 32), "red"), "AVIF", quality=95), RED)


@pytest.mark.parametrize("row", READ)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_read_upright_in_the_right_colours(row):
    data, colour = READ[row]
    photo = read_photo(data, "x.jpg")  # the name says nothing: content decides
    assert photo.rgb.dtype == np.uint8 and photo.rgb.shape == (photo.height, photo.width, 3)
    if colour is None:
        assert photo.rgb[5, 5, 0] > 200 and photo.rgb[-5:, -5:].max() < 60
    else:
        assert np.abs(photo.rgb.astype(int) - colour).max() <= 6


@pytest.mark.parametrize("row", ["animated gif", "animated webp", "animated png", "pages of a tiff", "mpo"])
def test_says_that_the_first_frame_is_shown(row):
    assert any(note.startswith("First") and "3" in note for note in read_photo(READ[row][0]).notes)


@pytest.mark.parametrize("row", ["rgba with hidden colour", "la", "palette, transparent index"])
def test_says_what_became_of_transparency(row):
    assert "Transparent parts are shown on white." in read_photo(READ[row][0]).notes


def test_a_16_bit_ramp_stays_a_ramp():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    rgb = read_photo(encoded(Image.fromarray(np.tile(ramp, (32, 1))), "PNG")).rgb
    assert np.abs(rgb[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert 120 < rgb.mean() < 135  # a plain convert("RGB") gives 254


def test_16_bit_colour_png():
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = (b"\x00" + struct.pack(">HHH", 65535, 32896, 0) * 32) * 32
    header = struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert tuple(read_photo(data).rgb[0, 0]) == (255, 128, 0)


def test_numbers_that_are_none_are_said():
    values = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)
    values[0, :3] = (np.nan, np.inf, -np.inf)
    photo = read_photo(encoded(Image.fromarray(values), "TIFF"))
    assert photo.rgb.max() == 255 and not photo.rgb[0, :3].any() and 100 < photo.rgb.mean() < 150
    assert "Pixels that hold no number are black." in photo.notes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_is_turned_upright(kind, value):
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(kind, {})
    photo = read_photo(with_orientation(value, kind, **options))
    at = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[value]
    y, x = (4 if "t" in at else -5), (4 if "l" in at else -5)
    assert photo.rgb[y, x, 0] > 200 and photo.rgb.mean() < 30
    assert (photo.width, photo.height) == ((60, 40) if value < 5 else (40, 60))
    assert photo.rgb.shape[:2] == (photo.height, photo.width)


@pytest.mark.parametrize("value", [0, 9, 255])
def test_senseless_orientation_is_ignored(value):
    assert read_photo(with_orientation(value)).rgb.shape == (40, 60, 3)


def test_the_limit_is_on_the_header_and_costs_nothing():
    tracemalloc.start()
    for data in (png_claiming(6400, 6400), png_claiming(9000, 9000, 6), webp_claiming(16383, 10000)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with pytest.raises(PhotoError, match="megapixels"):
                read_photo(data)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_bomb_warning_turned_into_an_error_is_a_refusal_too():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PhotoError, match="megapixels"):
            read_photo(png_claiming(12000, 12000))


def test_a_large_photo_is_kept_small_and_says_its_size():
    photo = read_photo(encoded(Image.new("RGB", (4000, 3000), "red"), "JPEG"))
    assert (photo.width, photo.height) == (4000, 3000) and photo.rgb.shape == (768, 1024, 3)
    assert "Kept at 1024 × 768 of 4000 × 3000 pixels." in photo.notes


def test_no_global_state_of_pillow_is_touched():
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN).keys())
    read_photo(READ["jpeg"][0])
    with pytest.raises(PhotoError):
        read_photo(REFUSED["jpeg cut in half"][0])
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN).keys()) == before


def test_only_allowed_decoders_are_started(monkeypatch):
    seen = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: seen.append(k.get("formats")) or real(*a, **k))
    read_photo(READ["png"][0])
    assert seen == [photos.FORMATS] and "EPS" not in photos.FORMATS and "MPO" not in photos.FORMATS


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([k for k in READ if k not in ("strip of 20 : 1",)]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.1, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_read_or_refused_and_nothing_else(row, changes, share):
    data = bytearray(READ[row][0])
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        photo = read_photo(bytes(data[: max(1, int(share * len(data)))]))
    except PhotoError as error:
        assert str(error).endswith(".")
    else:
        assert photo.rgb.ndim == 3


# -- many, and ZIPs --------------------------------------------------------------------------------
def packed(entries, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


GOOD = READ["jpeg"][0]


def test_a_batch_goes_on_after_a_bad_file():
    read, refused = read_many([("a/1.jpg", GOOD), ("a/2.jpg", b""), ("b\\3.jpg", GOOD)])
    assert [(p.label, p.name) for p in read] == [("a", "1.jpg"), ("b", "3.jpg")]
    assert [(r.name, r.reason) for r in refused] == [("2.jpg", "The file is empty.")]


def test_a_batch_ends_at_200_files():
    small = encoded(Image.new("RGB", (16, 16)), "PNG")
    read, refused = read_many((f"{i}.png", small) for i in range(203))
    assert len(read) == 200 and len(refused) == 3 and "200" in refused[0].reason


@pytest.mark.parametrize("pack", [False, True])
def test_a_batch_is_brought_to_size_photo_by_photo(monkeypatch, pack):
    """200 photos at full size are 600 MB; at no moment is more than one of them held."""
    large = encoded(Image.new("RGB", (1200, 800), "red"), "JPEG")
    held = []
    real = photos.read_photo

    def spied(data, name=""):
        assert not [photo for photo in held if photo() is not None], "one decoded before is still held"
        photo = real(data, name)
        held.append(weakref.ref(photo.rgb))
        return photo

    monkeypatch.setattr(photos, "read_photo", spied)
    files = [(f"oak/{i}.jpg", large) for i in range(5)]
    read, _ = read_zip(packed(files), 256) if pack else read_many(files, 256)
    assert [p.rgb.shape for p in read] == [(256, 384, 3)] * 5
    assert (read[0].width, read[0].height) == (1200, 800) and len(held) == 5


def test_a_zip_in_folders_gives_classes():
    data = packed(
        [
            ("mine/oak/1.jpg", GOOD),
            ("mine/elm/2.jpg", GOOD),
            ("mine/.DS_Store", b"x"),
            ("__MACOSX/mine/oak/._1.jpg", b"x"),
            ("mine/oak/notes.txt", b"hello there, some text"),
        ]
    )
    read, refused = read_zip(data)
    assert [(p.label, p.name) for p in read] == [("oak", "1.jpg"), ("elm", "2.jpg")]
    assert [r.name for r in refused] == ["notes.txt"]


def test_an_entry_without_a_name_is_passed_over():
    data = packed([("x", GOOD), ("ok.jpg", GOOD)])
    at = data.index(b"PK\x01\x02") + 46  # the name in the table of contents, and where its length stands
    nameless = data[: at - 18] + b"\0\0" + data[at - 16 : at] + data[at + 1 :]
    end = nameless.rindex(b"PK\x05\x06") + 12
    size = struct.pack("<I", struct.unpack_from("<I", nameless, end)[0] - 1)
    read, refused = read_zip(nameless[:end] + size + nameless[end + 4 :])
    assert [p.name for p in read] == ["ok.jpg"] and not refused


@pytest.mark.parametrize("name", ["../1.jpg", "a/../../1.jpg", "/etc/1.jpg", "C:/1.jpg", "..\\..\\1.jpg"])
def test_escaping_paths_in_a_zip_are_refused(name):
    read, refused = read_zip(packed([(name, GOOD), ("ok.jpg", GOOD)]))
    assert [p.name for p in read] == ["ok.jpg"]
    assert [r.reason for r in refused] == ["Its path leads out of the ZIP."]


def test_zips_inside_links_ratios_and_sizes_are_refused():
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    entries = [
        ("in.zip", packed([("1.jpg", GOOD)])),
        (link, "/etc/passwd"),
        ("zeros.bmp", b"BM" + b"\x00" * 5_000_000),
        ("big.bmp", b"\x00" * 20_000_001),
        ("hidden.jpg", packed([("1.jpg", GOOD)])),
    ]
    read, refused = read_zip(packed(entries))
    reasons = " ".join(r.reason for r in refused)
    assert not read and len(refused) == 5
    for words in ("Archives inside", "a link", "packed far too tightly", "larger than 20 MB", "a ZIP archive"):
        assert words in reasons


def test_a_zip_that_lies_about_sizes_is_not_believed():
    data = bytearray(packed([("1.bmp", encoded(corner(200, 200), "BMP"))]))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 500)  # the declared size of 120,054 bytes
    read, refused = read_zip(bytes(data))
    assert not read and "damaged" in refused[0].reason


@pytest.mark.parametrize("declared", [16, 24], ids=["wrong checksum", "nothing but packing"])
def test_an_entry_counts_whatever_comes_of_it_and_however_often_it_is_listed(monkeypatch, declared):
    """A thousand lines in the table of contents for the same bytes, which unpack to nothing that can be used."""
    data = packed([("1.jpg", GOOD)], compresslevel=0)
    line, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry = bytearray(data[line:end])
    entry[declared : declared + 4] = bytes(4)
    counts = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1000, 1000, 1000 * len(entry), line, 0)
    monkeypatch.setattr(zips, "MAX_UNPACKED", 10 * len(GOOD))
    read, refused = read_zip(data[:line] + bytes(entry) * 1000 + counts)
    assert not read and len(refused) <= 11 and "unpacks to too much" in refused[-1].reason


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_bounds_is_not_unpacked(monkeypatch, kind):
    monkeypatch.setattr(zips, "_unpack", lambda *a: pytest.fail("it was unpacked"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        archive.writestr("1.jpg", GOOD)
    read, refused = read_zip(out.getvalue())
    assert not read and "packed in a way" in refused[0].reason


def test_encrypted_entries_are_refused():
    data = bytearray(packed([("1.jpg", GOOD)]))
    for sign, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(sign) + at] |= 1
    assert "encrypted" in read_zip(bytes(data))[1][0].reason


@pytest.mark.parametrize(
    "data",
    [b"", b"no zip at all", packed([("1.jpg", GOOD)])[:-30], b"PK\x05\x06" + b"\xff" * 18],
    ids=["empty", "text", "cut", "absurd directory"],
)
def test_what_is_no_zip_is_refused(data):
    with pytest.raises(PhotoError, match="ZIP"):
        read_zip(data)


def test_a_huge_table_of_contents_is_refused_before_it_is_read(monkeypatch):
    data = packed([(f"{i:05}/{'x' * 60}.txt", b"") for i in range(20_000)])
    monkeypatch.setattr(zipfile, "ZipFile", lambda *a: pytest.fail("it was opened"))
    with pytest.raises(PhotoError, match="too many entries"):
        read_zip(data)


def test_what_goes_out_carries_no_exif():
    exif = Image.Exif()
    exif[0x010F], exif[ORIENTATION] = "Camera of a person", 6
    photo = read_photo(encoded(corner(), "JPEG", exif=exif))
    for kind in ("PNG", "JPEG"):
        out = photos.to_bytes(photo.rgb, kind)
        assert b"person" not in out and not Image.open(io.BytesIO(out)).getexif()


def test_names_are_plain():
    photo = read_photo(GOOD, "../..\\a\x00b/\x1b[31mc" + "d" * 200 + ".jpg")
    assert photo.label == "ab" and len(photo.name) <= 80 and photo.name.isprintable()
    assert photos.thumbnail(photo, 50).shape == (50, 50, 3)
