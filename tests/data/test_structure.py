"""What costs a decoder more than its sender is refused by its structure; what cameras and programs write is not."""

import struct
import time

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageFilter, TiffImagePlugin

from explorer.data import photos, structure
from explorer.data.photos import PhotoError, read_photo
from tests.data import bombs
from tests.data.bombs import encoded, noise


def test_a_scan_bomb_is_refused_before_it_is_decoded(monkeypatch):
    bomb = bombs.with_scans(5600, 100)
    assert len(bomb) < 140_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(PhotoError, match="far more pieces"):
        read_photo(bomb)


def test_as_many_scans_of_a_small_picture_are_read():
    assert np.array_equal(read_photo(bombs.with_scans(64, 100)).rgb, read_photo(bombs.with_scans(64, 0)).rgb)


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"quality": 100}, {"restart_marker_rows": 1}])
def test_what_programs_write_is_read_at_the_largest_size(options):
    data = encoded(noise(), "JPEG", progressive=True, **options)
    structure.check_passes(data, structure.MAX_PIXELS)
    assert sum(m == b"\xda" for m in structure._markers(data)) == 10


def test_scans_are_counted_as_the_decoder_meets_them():
    """Not in comments or thumbnails, not behind the end; but after padding."""
    hidden = b"\xff\xfe" + struct.pack(">H", 60_002) + b"\xff\xda" * 30_000
    honest = bombs.jpeg_with(hidden) + bombs.with_scans(64, 50)
    assert [m for m in structure._markers(honest) if m == b"\xda"] == [b"\xda"]
    padded = bombs.with_scans(64, 5).replace(b"\xff\xda", b"\xff\xff\xff\xda")
    assert sum(m == b"\xda" for m in structure._markers(padded)) == 6 + 5
    assert read_photo(padded).rgb.shape == (64, 64, 3)


@pytest.mark.parametrize("name", bombs.PIECES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_crumbs_are_refused(name):
    with pytest.raises(PhotoError, match="far more pieces"):
        read_photo(bombs.PIECES[name]())


def test_a_tile_larger_than_a_photo_is_refused_whatever_the_picture():
    with pytest.raises(PhotoError, match="megapixels"):
        read_photo(bombs.tiff_of_one_huge_tile(7000))
    assert read_photo(bombs.tiff_of_one_huge_tile(256)).rgb.shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("bomb", "words"),
    [
        # 70 tiles of 40 megapixels, of which the picture shows a little: two minutes, from 40 kB.
        (
            lambda: bombs.tiff_of_shared(1120, 80, 70, (322, 4, 1, 16), (323, 4, 1, 2_500_000), places=324, sizes=325),
            "megapixels",
        ),
        # A megabyte for every row, of which the last few bytes are the row.
        (lambda: bombs.tiff_of_shared(1420, 28_000, 28_000, (278, 4, 1, 1), size=1_000_000), "far more pieces"),
        # A thousand times nearly the whole picture.
        (lambda: bombs.tiff_of_shared(6000, 6600, 1000, (278, 4, 1, 6599), compression=1), "far more pieces"),
        (
            lambda: bombs.tiff_of_shared(
                6000, 6600, 1000, (322, 4, 1, 5999), (323, 4, 1, 6600), places=324, sizes=325, compression=1
            ),
            "far more pieces",
        ),
        (lambda: bombs.tiff(64, 64, (322, 4, 1, 64), (322, 4, 1, 7000)), "far more pieces"),
    ],
)
def test_strips_and_tiles_that_share_their_bytes_are_refused(bomb, words):
    with pytest.raises(PhotoError, match=words):
        structure.check(bomb())


@pytest.mark.parametrize("tiled", [False, True])
def test_as_many_as_cover_the_longest_photo_are_not(tiled):
    sides = (322, 3, 1, 256), (323, 3, 1, 256)
    if tiled:
        structure.check(bombs.tiff_of_shared(28_284, 1414, 111 * 6, *sides, places=324, sizes=325))
    else:
        structure.check(bombs.tiff_of_shared(1414, 28_284, 28_284, (278, 4, 1, 1), size=1414))


def test_a_tiles_side_that_stands_elsewhere_is_read_there():
    """A number of eight bytes, in a file whose fields have four."""
    far = struct.pack("<Q", 7000)
    with pytest.raises(PhotoError, match="megapixels"):
        structure.check(bombs.tiff(64, 64, (322, 16, 1, bombs.HERE), (323, 4, 1, 7000), data=far))


def test_the_fields_of_a_directory_that_is_cut_short_are_looked_at():
    whole = bombs.tiff_of_one_huge_tile(7000)
    with pytest.raises(PhotoError, match="megapixels"):
        structure.check(whole[: 8 + 2 + 9 * 12 - 1])


def test_a_large_picture_that_would_be_unpacked_in_python_is_refused(monkeypatch):
    """One pixel and the end of the line, 6000 times: 25 kB, and Pillow fills 36 megapixels byte by byte."""
    runs = b"\x01\x05\0\0"
    assert read_photo(bombs.bmp_of_runs(runs * 100, 100)).rgb.shape == (100, 100, 3)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(PhotoError, match="packed in runs"):
        read_photo(bombs.bmp_of_runs(runs * 6000, 6000))


@pytest.mark.parametrize("sign", TiffImagePlugin.PREFIXES)
def test_a_tiles_sides_are_read_as_pillow_reads_them(sign):
    """In either order; and what begins as BigTIFF does is read as such only where Pillow does so."""
    order, wide = ">" if sign.startswith(b"MM") else "<", sign == b"II+\0"
    side = struct.pack(order + "H", 9000).ljust(8 if wide else 4, b"\0")
    fields = b"".join(struct.pack(order + ("HHQ" if wide else "HHL"), tag, 3, 1) + side for tag in (322, 323))
    head = struct.pack("<LQQ", 8, 16, 2) if wide else struct.pack(order + "LH", 8, 2)
    data = sign + head + fields + bytes(8)
    assert TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if wide else 8]).next == (16 if wide else 8)
    with pytest.raises(PhotoError, match="megapixels"):
        structure.check(data)


def test_pages_are_counted_and_a_damaged_one_behind_the_first_does_no_harm():
    assert structure.pages(bombs.tiff_of_pages(7)) == 7
    assert "First frame of 7." in read_photo(bombs.tiff_of_pages(7)).notes
    one = bombs.tiff_of_pages(1)
    loop = one[:-260] + struct.pack("<I", 8) + one[-256:]
    assert structure.pages(loop) == 1 and read_photo(loop).rgb.shape == (16, 16, 3)
    broken = bytearray(bombs.tiff_of_pages(2))
    second = 8 + (len(broken) - 8 - 256) // 2
    broken[second + 2 : second + 14] = bytes(12)  # no width
    assert read_photo(bytes(broken)).rgb.shape == (16, 16, 3)


def test_a_large_animation_has_fewer_pieces_than_the_limit(monkeypatch):
    """Three quarters of a megabyte in blocks of 255 bytes; the limit leaves room for 20 MB of them."""
    moving = [noise(200, 200).rotate(i).quantize(256) for i in range(20)]
    data = encoded(moving[0], "GIF", save_all=True, append_images=moving[1:])
    assert len(data) > 500_000
    monkeypatch.setattr(structure, "MAX_PIECES", structure.MAX_PIECES * len(data) // 20_000_000)
    assert "First frame of 20." in read_photo(data).notes


def test_a_file_is_read_as_often_as_is_allowed(monkeypatch):
    monkeypatch.setattr(structure, "MAX_PIECES", 3)
    file = structure.Pieces(b"abcdef")
    assert (file.read(1), file.read(2), file.read()) == (b"a", b"bc", b"def")
    with pytest.raises(PhotoError):
        file.read(1)


def test_a_large_photo_is_not_copied_whole(monkeypatch):
    """The decoder's own pixels, four bytes each, and little else: a copy was 160 MB at 40 megapixels."""
    seen = []
    real = Image.Image.convert

    def spied(self, *args, **kwargs):
        seen.append(self.width * self.height)
        return real(self, *args, **kwargs)

    data = encoded(Image.new("RGB", (3000, 2000), "red"), "PNG")
    monkeypatch.setattr(Image.Image, "convert", spied)
    rgb = read_photo(data).rgb
    assert rgb.shape == (683, 1024, 3) and (rgb == (255, 0, 0)).all()
    assert all(pixels <= 1024 * 1024 for pixels in seen)


SIDE = 3200  # a quarter of the most pixels there may be


def dense(mode="RGB", kind=np.uint8):
    """Pixels that compress well and differ everywhere, so that a small file costs its decoder what it can."""
    grain = np.random.default_rng(0).integers(0, 256, (SIDE // 8, SIDE // 8, len(mode)), np.uint8)
    return grain.repeat(8, 0).repeat(8, 1).squeeze().astype(kind)


@pytest.mark.parametrize(
    ("make", "kind", "options"),
    [
        (lambda: Image.fromarray(dense()).filter(ImageFilter.BLUR), "JPEG", {"progressive": True, "quality": 90}),
        (lambda: Image.fromarray(dense("CMYK"), "CMYK"), "JPEG", {"progressive": True, "quality": 60}),
        (lambda: Image.fromarray(dense("RGBA")), "PNG", {"compress_level": 1}),
        (lambda: Image.fromarray(dense("I", np.uint16)), "PNG", {"compress_level": 1}),
        (lambda: Image.fromarray(dense()), "WEBP", {"lossless": True, "method": 0, "quality": 0}),
        (lambda: Image.fromarray(dense("L")), "GIF", {}),
        (lambda: Image.fromarray(dense("RGBA")), "TIFF", {"compression": "tiff_adobe_deflate"}),
        (lambda: Image.fromarray(dense("F", np.float32)), "TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_a_photo_as_large_as_may_be_holds_no_decoders_place_for_five_seconds(make, kind, options) -> None:
    """Of computing, which a loaded machine hardly lengthens; most take a tenth of what is allowed here."""
    data, began = encoded(make(), kind, **options), time.thread_time()
    rgb, size = photos.decode(data, [])
    assert time.thread_time() - began < 5.0 * SIDE**2 / structure.MAX_PIXELS
    assert size == (SIDE, SIDE) and max(rgb.shape) == 1024
