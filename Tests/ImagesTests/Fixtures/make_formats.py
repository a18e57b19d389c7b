"""Writes formats.json.

    python make_formats.py        (Pillow 12 or newer, numpy)

formats.json: small TIFF, BMP, GIF, PNM and AVIF files of every kind that the decoder reads, and 16-bit PNGs, as
make_fixtures.py describes. "rgb" is Image.open(file).convert("RGB") of Pillow; where "depth" is given, or Pillow does
not read the kind, it is numpy's: the formula stands in `levels`.
"""

import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT = 13, 9
cases = []
random = np.random.default_rng(1)


def add(name, data, want=None, exact=True, depth=None, turned=False):
    if want is None:
        image = Image.open(io.BytesIO(data))
        want = np.array((ImageOps.exif_transpose(image) if turned else image).convert("RGB"))
    if want.ndim == 2:
        want = np.repeat(want[..., None], 3, -1)
    case = {
        "name": name, "file": base64.b64encode(data).decode(), "width": want.shape[1], "height": want.shape[0],
        "rgb": base64.b64encode(want.astype(np.uint8).tobytes()).decode(), "exact": exact, "turned": turned,
    }
    cases.append(case | ({"depth": depth} if depth else {}))


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def smooth(channels, scale=255, dtype=np.uint8):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [0.5 + 0.5 * np.sin(0.19 * (c + 2) * x + 0.23 * (4 - c) * y + c) for c in range(channels)]
    return (np.stack(planes, -1) * scale).round().astype(dtype)


def levels(samples, low, high):
    """low ... high as 0 ... 255, halves up; the whole range of 16 bits keeps its high byte."""
    if (low, high) == (0, 65535):
        return samples >> 8
    return np.clip(np.floor((samples.astype(float) - low) * (255 / (high - low)) + 0.5), 0, 255).astype(np.uint8)


def packed(samples, bits):
    """Rows of samples of `bits` bits, the highest first, each filled to a byte."""
    rows = samples.reshape(samples.shape[0], -1).astype(int)
    return b"".join(
        np.packbits((row[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)).tobytes() for row in rows)


# TIFF

SHORT, LONG, FLOAT = 3, 4, 11
SIZES, LETTERS = {SHORT: 2, LONG: 4, FLOAT: 4}, {SHORT: "H", LONG: "I", FLOAT: "f"}


def tiff(pieces, bits, photometric=1, samples=1, extra={}, order="<", compression=1, tile=None, rows=HEIGHT):
    """A TIFF written by hand, for the kinds that Pillow does not write. pieces: the strips or tiles."""
    places, counts, shape = (324, 325, {322: (LONG, [tile]), 323: (LONG, [tile])}) if tile else (
        273, 279, {278: (LONG, [rows])})
    tags = {
        256: (LONG, [WIDTH]), 257: (LONG, [HEIGHT]), 258: (SHORT, [bits] * samples), 259: (SHORT, [compression]),
        262: (SHORT, [photometric]), 277: (SHORT, [samples]), places: (LONG, [0] * len(pieces)),
        counts: (LONG, [len(p) for p in pieces]), **shape, **extra}
    tags = dict(sorted(tags.items()))
    start = 8 + 2 + 12 * len(tags) + 4
    size = sum(SIZES[kind] * len(v) for kind, v in tags.values() if SIZES[kind] * len(v) > 4)
    offsets = [start + size + sum(map(len, pieces[:i])) for i in range(len(pieces))]
    tags[places] = (LONG, offsets)
    entries, values = b"", b""
    for tag, (kind, v) in tags.items():
        raw = struct.pack(order + LETTERS[kind] * len(v), *v)
        entries += struct.pack(order + "HHI", tag, kind, len(v))
        if len(raw) <= 4:
            entries += raw.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", start + len(values))
            values += raw
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    return head + entries + b"\0\0\0\0" + values + b"".join(pieces)


def tiles(samples, side):
    padded = np.pad(samples, ((0, -HEIGHT % side), (0, -WIDTH % side)) + ((0, 0),) * (samples.ndim - 2))
    return [padded[y:y + side, x:x + side].tobytes()
            for y in range(0, HEIGHT, side) for x in range(0, WIDTH, side)]


def tiffs_of_8_bits():
    modes = {
        "bilevel": Image.fromarray(smooth(1)[..., 0] > 128), "gray": Image.fromarray(smooth(1)[..., 0]),
        "rgb": Image.fromarray(smooth(3)), "rgba": Image.fromarray(smooth(4), "RGBA"),
        "gray alpha": Image.fromarray(smooth(2), "LA"), "cmyk": Image.fromarray(smooth(4), "CMYK"),
        "palette": Image.fromarray(smooth(3)).quantize(17),
    }
    for name, image in modes.items():
        add(f"tiff {name}", saved(image, "TIFF"))
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "zstd"):
        for name in ("rgb", "palette"):
            add(f"tiff {name} {compression}", saved(modes[name], "TIFF", compression=compression))
    for compression in ("group3", "group4", "tiff_ccitt"):
        add(f"tiff bilevel {compression}", saved(modes["bilevel"], "TIFF", compression=compression))
    add("tiff rgb lzw predictor", saved(modes["rgb"], "TIFF", compression="tiff_lzw", tiffinfo={317: 2}))
    for name in ("gray", "rgb"):
        add(f"tiff {name} jpeg", saved(modes[name], "TIFF", compression="jpeg"), exact=False)
    add("tiff rgb bigtiff", saved(modes["rgb"], "TIFF", big_tiff=True))
    add("tiff two pages", saved(modes["rgb"], "TIFF", save_all=True, append_images=[modes["gray"]]))
    for value in range(2, 9):
        add(f"tiff orientation {value}", saved(modes["rgb"], "TIFF", tiffinfo={274: value}))
    # Pillow reads orientations of BigTIFF too.
    add("tiff bigtiff orientation 6", saved(modes["rgb"], "TIFF", big_tiff=True, tiffinfo={274: 6}))
    rgb = smooth(3)
    add("tiff rgb strips", tiff([rgb[y:y + 4].tobytes() for y in (0, 4, 8)], 8, 2, 3, rows=4))
    add("tiff rgb planes", tiff([rgb[..., c].tobytes() for c in range(3)], 8, 2, 3, {284: (SHORT, [2])}), rgb)
    add("tiff rgb tiles", tiff(tiles(rgb, 16), 8, 2, 3, tile=16), rgb)
    add("tiff rgb tiles deflate", tiff([zlib.compress(t) for t in tiles(rgb, 16)], 8, 2, 3, compression=8, tile=16), rgb)
    for bits in (1, 2, 4, 8):
        gray = smooth(1)[..., 0] >> (8 - bits)
        add(f"tiff gray {bits}", tiff([packed(gray, bits)], bits))
        add(f"tiff gray {bits} white is zero", tiff([packed(gray, bits)], bits, 0, order=">"))
        colours = random.integers(0, 65536, 3 * 2**bits).tolist()
        add(f"tiff palette {bits}", tiff([packed(gray, bits)], bits, 3, extra={320: (SHORT, colours)}))
    colours = [i % 256 for i in range(3 * 256)]
    add("tiff palette of bytes", tiff([smooth(1).tobytes()], 8, 3, extra={320: (SHORT, colours)}),
        np.repeat(smooth(1), 3, -1))
    mirrored = np.packbits(np.unpackbits(smooth(1)).reshape(-1, 8)[:, ::-1])
    add("tiff gray bits in the other order", tiff([mirrored.tobytes()], 8, extra={266: (SHORT, [2])}))
    add("tiff rgba premultiplied", tiff([smooth(4).tobytes()], 8, 2, 4, {338: (SHORT, [1])}))
    add("tiff four bands", tiff([smooth(4).tobytes()], 8, 2, 4, {338: (SHORT, [0])}))
    add("tiff three bands without names", tiff([smooth(3).tobytes()], 8, 1, 3, {338: (SHORT, [0, 0])}), smooth(3))


def tiffs_of_more_bits():
    gray, rgb, rgba = (smooth(c, 65535, np.uint16) for c in (1, 3, 4))
    gray = gray[..., 0]
    for order, name in (("<", "little"), (">", "big")):
        def file(samples, *rest, **options):
            return tiff([samples.astype(samples.dtype.newbyteorder(order)).tobytes()], *rest, order=order, **options)
        add(f"tiff gray 16 {name}", file(gray, 16), gray >> 8)
        add(f"tiff rgb 16 {name}", file(rgb, 16, 2, 3))
        add(f"tiff rgba 16 {name}", file(rgba, 16, 2, 4, extra={338: (SHORT, [2])}))
        add(f"tiff cmyk 16 {name}", file(rgba, 16, 5, 4))
        add(f"tiff gray 16 {name} as Pillow", file(gray // 200, 16), depth="8")
        low = gray >> 4
        add(f"tiff gray 12 in 16 {name}", file(low, 16), levels(low, 0, 4095), depth="12")
        add(f"tiff gray 16 {name} of a declared range",
            file(low, 16, extra={340: (SHORT, [100]), 341: (SHORT, [4000])}), levels(low, 100, 4000))
        add(f"tiff gray 16 {name} in a window", file(gray, 16), levels(gray, 1000, 30000), depth="window:1000,30000")
        signed = (gray.astype(int) - 32768).astype(np.int16)
        kind = lambda n: {339: (SHORT, [n])}
        add(f"tiff signed 16 {name}", file(signed, 16, extra=kind(2)), levels(signed, -1000, 2000),
            depth="window:-1000,2000")
        real = (gray / 65535).astype(np.float32)
        add(f"tiff float {name}", file(real, 32, extra=kind(3)), levels(real, 0.1, 0.9), depth="window:0.1,0.9")
        add(f"tiff float 64 {name}", file(real.astype(float), 64, extra=kind(3)), levels(real, 0.1, 0.9),
            depth="window:0.1,0.9")
        add(f"tiff float of a declared range {name}",
            file(real, 32, extra=kind(3) | {340: (FLOAT, [0.25]), 341: (FLOAT, [0.75])}), levels(real, 0.25, 0.75))
        long = gray.astype(np.uint32) * 65537
        add(f"tiff unsigned 32 {name}", file(long, 32), levels(long, 0, 2**32 - 1), depth="window:0,4294967295")
        for bits in (10, 12, 14):
            low = gray >> (16 - bits)
            add(f"tiff gray {bits} {name}", tiff([packed(low, bits)], bits, order=order), levels(low, 0, 2**bits - 1))
        low = rgb >> 4
        add(f"tiff rgb 12 {name}", tiff([packed(low, 12)], 12, 2, 3, order=order), levels(low, 0, 4095))
    add("tiff gray 16 deflate", tiff([zlib.compress(gray.tobytes())], 16, compression=8), gray >> 8)
    add("tiff gray 16 white is zero", tiff([gray.tobytes()], 16, 0), 255 - (gray >> 8))
    add("tiff rgb 16 planes", tiff([rgb[..., c].tobytes() for c in range(3)], 16, 2, 3, {284: (SHORT, [2])}), rgb >> 8)


def pngs():
    gray, rgb = smooth(1, 65535, np.uint16)[..., 0], smooth(3, 65535, np.uint16)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    def png(samples, colour, chunks=b""):
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour, 0, 0, 0))
                + chunks + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

    add("png gray 16 automatic", png(gray, 0), gray >> 8)
    # By the standard samples fill their bits whatever this chunk says.
    add("png gray 16 with sBIT", png(gray, 0, chunk(b"sBIT", b"\x0c")), gray >> 8)
    add("png gray 12 in 16", png(gray >> 4, 0), levels(gray >> 4, 0, 4095), depth="12")
    add("png rgb 10 in 16", png(rgb >> 6, 2), levels(rgb >> 6, 0, 1023), depth="10")
    add("png rgb 16 in a window", png(rgb, 2), levels(rgb, 500, 60000), depth="window:500,60000")
    alpha = np.stack([gray, 65535 - gray], -1)
    add("png gray alpha 16 in a window", png(alpha, 4), levels(gray, 500, 60000), depth="window:500,60000")


# BMP

def bmp(bits, compression, body, palette=b"", masks=b"", size=40, colours=0, height=HEIGHT):
    if size == 12:
        head = struct.pack("<IHHHH", 12, WIDTH, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", size, WIDTH, height, 1, bits, compression, len(body), 0, 0, colours, 0)
        head = (head + masks * (size > 40)).ljust(size, b"\0")
    head += masks * (size == 40) + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def bmps():
    rgb, gray = smooth(3), smooth(1)[..., 0]
    palette = random.integers(0, 256, 1024, dtype=np.uint8).tobytes()

    def rows(samples, bits):
        lines = [packed(row[None], bits) if bits < 8 else row.tobytes() for row in samples[::-1]]
        return b"".join(line + b"\0" * (-len(line) % 4) for line in lines)

    add("bmp rgb", saved(Image.fromarray(rgb), "BMP"))
    add("bmp rgb from the top", bmp(24, 0, rows(rgb[::-1, :, ::-1], 24), height=-HEIGHT))
    add("bmp rgba", saved(Image.fromarray(smooth(4), "RGBA"), "BMP"))
    for bits in (1, 4, 8):
        add(f"bmp palette {bits}", bmp(bits, 0, rows(gray >> (8 - bits), bits), palette[:4 << bits]))
    add("bmp palette 2", bmp(2, 0, rows(gray >> 6, 2), palette[:16]),
        np.frombuffer(palette, np.uint8).reshape(-1, 4)[:, 2::-1][gray >> 6])
    add("bmp palette 4 short", bmp(4, 0, rows((gray >> 4) % 5, 4), palette[:20], colours=5))
    add("bmp palette 8 of OS/2", bmp(8, 0, rows(gray, 8), palette[:768], size=12))
    high, wide = (random.integers(0, 1 << bits, (HEIGHT, WIDTH), dtype=kind)
                  for bits, kind in ((16, np.uint16), (32, np.uint32)))
    add("bmp 16", bmp(16, 0, rows(high, 16)))
    add("bmp 16 fields 5 6 5", bmp(16, 3, rows(high, 16), masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    add("bmp 32", bmp(32, 0, rows(wide, 32)))
    add("bmp 32 fields", bmp(32, 3, rows(wide, 32), masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00)))
    add("bmp 32 fields in a long header",
        bmp(32, 3, rows(wide, 32), masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000), size=108))
    ten = [wide >> shift & 1023 for shift in (20, 10, 0)]
    add("bmp 32 fields of ten bits",
        bmp(32, 3, rows(wide, 32), masks=struct.pack("<III", 1023 << 20, 1023 << 10, 1023)),
        np.stack([t.astype(int) * 255 // 1023 for t in ten], -1))
    # Runs, literals of odd length, a jump of 2 right and 4 up, a row that ends early, the end.
    runs8 = bytes([5, 3, 0, 3, 1, 2, 3, 0, 5, 9, 0, 0, 0, 2, 4, 1, 3, 7, 0, 0, 13, 1, 0, 1])
    runs4 = bytes([5, 0x3A, 0, 5, 0x12, 0x34, 0x50, 0, 3, 0x9F, 0, 0, 0, 2, 4, 1, 3, 0x70, 0, 0, 13, 0x1E, 0, 1])
    for bits, runs in ((8, runs8), (4, runs4)):
        add(f"bmp runs {bits}", bmp(bits, 1 if bits == 8 else 2, runs, palette[:4 << bits]), unpacked(runs, bits, palette))
        whole = b"".join(bytes([WIDTH, y * 13 % 256, 0, 0]) for y in range(HEIGHT)) + b"\0\1"
        add(f"bmp runs {bits} of whole rows", bmp(bits, 1 if bits == 8 else 2, whole, palette[:4 << bits]))


def unpacked(runs, bits, palette):
    """The run lengths of BMP as Windows documents them; pixels left out have the first colour."""
    indices, x, y, at = np.zeros((HEIGHT, WIDTH), int), 0, 0, 0

    def put(values):
        nonlocal x
        for value in values:
            indices[HEIGHT - 1 - y, x] = value
            x += 1

    def nibbles(data):
        return [n for byte in data for n in (byte >> 4, byte & 15)] if bits == 4 else list(data)

    while True:
        count, value = runs[at:at + 2]
        at += 2
        if count > 0:
            put((nibbles([value]) * count)[:count])
        elif value == 0:
            x, y = 0, y + 1
        elif value == 1:
            return np.frombuffer(palette, np.uint8).reshape(-1, 4)[:, 2::-1][indices]
        elif value == 2:
            x, y, at = x + runs[at], y + runs[at + 1], at + 2
        else:
            size = (value + 1) // 2 if bits == 4 else value
            put(nibbles(runs[at:at + size])[:value])
            at += size + size % 2


# GIF

def gif(canvas, place, indices, palette=(), local=(), background=0, transparent=None):
    """A GIF of 2-bit indices written by hand; its codes are cleared after every second index."""
    flag = lambda colours: 0x80 | (len(colours) // 3).bit_length() - 2 if colours else 0
    file = b"GIF89a" + struct.pack("<HHBBB", *canvas, flag(palette), background, 0) + bytes(palette)
    if transparent is not None:
        file += b"\x21\xf9\x04\x01\0\0" + bytes([transparent, 0])
    file += b"\x21\xfe\x03abc\0"  # a comment
    file += b"\x2c" + struct.pack("<HHHHB", *place, flag(local)) + bytes(local)
    codes = [code for i in range(0, len(indices), 2) for code in [4, *indices[i:i + 2]]] + [5]
    bits = sum(code << 3 * i for i, code in enumerate(codes))
    body = bits.to_bytes((3 * len(codes) + 7) // 8, "little")
    return file + b"\2" + bytes([len(body)]) + body + b"\0\x3b"


def gifs():
    palette = [10, 20, 30, 200, 0, 0, 0, 200, 0, 0, 0, 200]
    other = [1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252]
    rgb = Image.fromarray(smooth(3))
    for interlaced in (0, 1):
        add(f"gif palette{' interlaced' * interlaced}", saved(rgb.quantize(40), "GIF", interlace=interlaced))
        add(f"gif gray{' interlaced' * interlaced}", saved(Image.fromarray(smooth(1)[..., 0]), "GIF", interlace=interlaced))
    add("gif animated", saved(
        rgb.quantize(9), "GIF", save_all=True, append_images=[Image.fromarray(255 - smooth(3)).quantize(9)]))
    noise = random.integers(0, 256, (60, 90), dtype=np.uint8)
    add("gif table full", saved(Image.fromarray(noise), "GIF"))
    add("gif inside its canvas", gif((4, 3), (1, 1, 2, 1), [1, 2], palette, background=3))
    add("gif inside its canvas, transparent", gif((4, 3), (1, 1, 2, 1), [1, 2], palette, transparent=2))
    add("gif beyond its canvas", gif((2, 1), (1, 1, 2, 1), [1, 2], palette))
    add("gif without a palette", gif((2, 2), (0, 0, 2, 2), [0, 1, 2, 3]))
    add("gif palette too short", gif((2, 2), (0, 0, 2, 2), [0, 1, 2, 3], palette[:6]))
    add("gif own palette", gif((3, 1), (1, 0, 2, 1), [2, 3], palette, other))
    add("gif canvas of no size", gif((0, 0), (0, 0, 2, 2), [0, 1, 2, 3], palette))


# PNM

def pnms():
    def text(values, gap=b" "):
        return gap.join(b"%d" % v for v in np.asarray(values).reshape(-1))

    add("pnm rgb", saved(Image.fromarray(smooth(3)), "PPM"))
    add("pnm gray", saved(Image.fromarray(smooth(1)[..., 0]), "PPM"))
    add("pnm bilevel", saved(Image.fromarray(smooth(1)[..., 0] > 128), "PPM"))
    bits = smooth(1)[..., 0] > 128
    add("pnm bilevel text", b"P1\n# a comment\n%d %d\n" % (WIDTH, HEIGHT) + text(bits.astype(int), b""))
    for most in (1, 6, 100):
        rgb = smooth(3, most)
        size = b"%d\t%d\n# white\n%d\n" % (WIDTH, HEIGHT, most)
        add(f"pnm rgb of {most}", b"P6 " + size + rgb.tobytes())
        add(f"pnm gray of {most}", b"P5 " + size + rgb[..., 0].tobytes())
        add(f"pnm rgb text of {most}", b"P3 " + size + text(rgb))
        add(f"pnm gray text of {most}", b"P2 " + size + text(rgb[..., 0], b"\n# no value\n"))
    add("pnm gray above white", b"P5 %d %d 100\n" % (WIDTH, HEIGHT) + smooth(1).tobytes())
    for most in (256, 4095, 65535):
        rgb = smooth(3, most, np.uint16)
        size = b" %d %d %d\n" % (WIDTH, HEIGHT, most)
        linear = np.floor(rgb * (255 / most) + 0.5)
        add(f"pnm rgb of {most}", b"P6" + size + rgb.astype(">u2").tobytes(), linear)
        add(f"pnm gray of {most}", b"P5" + size + rgb[..., 0].astype(">u2").tobytes(), linear[..., 0])
        add(f"pnm gray text of {most}", b"P2" + size + text(rgb[..., 0]), linear[..., 0])
    rgb = smooth(3, 4000, np.uint16)
    add("pnm gray in a window", b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + rgb[..., 0].astype(">u2").tobytes(),
        levels(rgb[..., 0], 100, 4000), depth="window:100,4000")


# AVIF

def avifs():
    rgb, rgba = Image.fromarray(smooth(3)), Image.fromarray(smooth(4), "RGBA")
    for subsampling in ("4:2:0", "4:4:4", "4:0:0"):
        add(f"avif {subsampling}", saved(rgb, "AVIF", quality=90, subsampling=subsampling), exact=False)
    add("avif alpha", saved(rgba, "AVIF", quality=90, subsampling="4:4:4"), exact=False)
    frames = [rgb, Image.fromarray(255 - smooth(3))]
    add("avif animated", saved(frames[0], "AVIF", save_all=True, append_images=frames[1:]), exact=False)
    for value in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        add(f"avif orientation {value}", saved(rgb, "AVIF", quality=95, subsampling="4:4:4", exif=exif), exact=False,
            turned=True)


tiffs_of_8_bits()
tiffs_of_more_bits()
pngs()
bmps()
gifs()
pnms()
avifs()
here = pathlib.Path(__file__).parent
(here / "formats.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "cases")
