"""Writes decode.json.

    python make_fixtures.py        (Pillow 12 or newer, numpy)

decode.json: small image files of every kind that the decoder reads, with the pixels Pillow makes of them. Each case: "file", the image file, and "rgb", the bytes of Image.open(file).convert("RGB") (for "turned", of
ImageOps.exif_transpose before that), both base64; "exact" says that no two decoders may differ; "depth" is the
decoder's, where it takes more than the default to do as Pillow does.
"""

import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT = 23, 17
cases = []


def add(name, data, exact, turned=False, depth=None):
    image = Image.open(io.BytesIO(data))
    if turned:
        image = ImageOps.exif_transpose(image)
    image = image.convert("RGB")
    case = {
        "name": name,
        "file": base64.b64encode(data).decode(),
        "width": image.width,
        "height": image.height,
        "rgb": base64.b64encode(image.tobytes()).decode(),
        "exact": exact,
        "turned": turned,
    }
    cases.append(case | ({"depth": depth} if depth else {}))


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def smooth(channels, scale=255, dtype=np.uint8):
    """Waves of another length and phase in each channel; a photograph's smoothness, no two pixels in step."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [0.5 + 0.5 * np.sin(0.19 * (c + 2) * x + 0.23 * (4 - c) * y + c) for c in range(channels)]
    return (np.stack(planes, -1) * scale).round().astype(dtype)


def png(bits, colour, samples, interlaced=False, chunks=()):
    """A PNG written by hand (filter 0), for the kinds that Pillow does not write. samples: H x W x channels."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    def rows(part):
        if part.shape[0] == 0 or part.shape[1] == 0:
            return b""
        lines = b""
        for row in part:
            flat = row.reshape(-1)
            if bits == 16:
                lines += b"\0" + flat.astype(">u2").tobytes()
            else:
                digits = "".join(format(int(v), f"0{bits}b") for v in flat)
                digits += "0" * (-len(digits) % 8)
                lines += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
        return lines

    adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in adam7] if interlaced else [samples]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(rows(p) for p in passes), 9)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(n, b) for n, b in chunks)
            + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def jpegs():
    rgb = Image.fromarray(smooth(3))
    add("jpeg 4:2:0", saved(rgb, "JPEG", quality=90), False)
    add("jpeg 4:4:4", saved(rgb, "JPEG", quality=90, subsampling=0), False)
    add("jpeg 4:2:2", saved(rgb, "JPEG", quality=90, subsampling=1), False)
    add("jpeg progressive", saved(rgb, "JPEG", quality=90, progressive=True), False)
    add("jpeg restart markers", saved(rgb, "JPEG", quality=90, restart_marker_blocks=1), False)
    add("jpeg rgb", saved(rgb, "JPEG", quality=90, keep_rgb=True), False)
    add("jpeg gray", saved(Image.fromarray(smooth(1)[..., 0]), "JPEG", quality=90), False)
    cmyk = saved(Image.fromarray(smooth(4), "CMYK"), "JPEG", quality=90)
    add("jpeg cmyk adobe", cmyk, False)
    # Adobe's marker: FF EE, length 14, "Adobe", version, two flags, transform. 2 declares YCCK.
    at = cmyk.index(b"\xff\xee\x00\x0eAdobe")
    add("jpeg ycck adobe", cmyk[: at + 15] + b"\x02" + cmyk[at + 16:], False)
    add("jpeg cmyk without adobe marker", cmyk[:at] + cmyk[at + 16:], False)
    add("jpeg bytes after the end", saved(rgb, "JPEG", quality=90) + b"more", False)
    add("jpeg stray bytes before a marker",
        saved(rgb, "JPEG", quality=90).replace(b"\xff\xdb", b"\x01\x02\xff\xdb", 1), False)


def pngs():
    for bits in (1, 2, 4, 8, 16):
        top = 2**bits - 1
        gray = smooth(1, top, np.uint16)
        for interlaced in (False, True):
            kind = " interlaced" if interlaced else ""
            add(f"png gray {bits}{kind}", png(bits, 0, gray, interlaced), True, depth="8" if bits == 16 else None)
            if bits <= 8:
                palette = bytes((37 * i + 11 * c * c) % 256 for i in range(2**bits) for c in range(3))
                add(f"png palette {bits}{kind}", png(bits, 3, gray, interlaced, [(b"PLTE", palette)]), True)
            if bits >= 8:
                add(f"png rgb {bits}{kind}", png(bits, 2, smooth(3, top, np.uint16), interlaced), True)
                add(f"png gray alpha {bits}{kind}", png(bits, 4, smooth(2, top, np.uint16), interlaced), True)
                add(f"png rgb alpha {bits}{kind}", png(bits, 6, smooth(4, top, np.uint16), interlaced), True)
    # Values around the clip at 255.
    low = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH, 1)
    add("png gray 16 dark", png(16, 0, low), True, depth="8")
    palette = bytes((5 * i) % 256 for i in range(3 * 16))
    add("png palette with transparency", png(
        4, 3, smooth(1, 15, np.uint16), False, [(b"PLTE", palette), (b"tRNS", bytes(range(0, 160, 10)))]), True)
    add("png palette too short", png(4, 3, smooth(1, 15, np.uint16), False, [(b"PLTE", palette[:12])]), True)
    add("png gray with transparency", png(8, 0, smooth(1), False, [(b"tRNS", b"\0\x80")]), True)
    add("png rgb with transparency", png(8, 2, smooth(3), False, [(b"tRNS", b"\0\x80\0\x80\0\x80")]), True)
    add("png gamma is ignored", png(8, 2, smooth(3), False, [(b"gAMA", struct.pack(">I", 100000))]), True)
    frames = [Image.fromarray(smooth(3)), Image.fromarray(255 - smooth(3))]
    add("png animated", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), True)


def webps():
    rgb, rgba = Image.fromarray(smooth(3)), Image.fromarray(smooth(4), "RGBA")
    add("webp lossy", saved(rgb, "WEBP", quality=80), False)
    add("webp lossless", saved(rgb, "WEBP", lossless=True), True)
    add("webp lossy alpha", saved(rgba, "WEBP", quality=80), False)
    add("webp lossless alpha", saved(rgba, "WEBP", lossless=True, exact=True), True)
    add("webp animated", saved(
        rgb, "WEBP", lossless=True, save_all=True, append_images=[Image.fromarray(255 - smooth(3))]), True)
    # The first frame smaller than its canvas: VP8X and ANIM by hand around a lossless frame at (4, 6).
    def chunk(name, body):
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    still = saved(rgb, "WEBP", lossless=True)
    three = lambda value: struct.pack("<I", value)[:3]
    frame = three(2) + three(3) + three(WIDTH - 1) + three(HEIGHT - 1) + three(100) + b"\0" + still[12:]
    body = (b"WEBP" + chunk(b"VP8X", b"\x02\0\0\0" + three(39) + three(29)) + chunk(b"ANIM", b"\0" * 6)
            + chunk(b"ANMF", frame))
    add("webp first frame inside its canvas", chunk(b"RIFF", body), True)


def orientations():
    rgb = Image.fromarray(smooth(3)[:5, :7])
    for value in range(1, 9):
        add(f"png orientation {value}", saved(rgb, "PNG", exif=exif_of(value)), True, turned=True)
    add("webp orientation 6", saved(rgb, "WEBP", lossless=True, exif=exif_of(6)), True, turned=True)
    add("jpeg orientation 8", saved(rgb, "JPEG", quality=95, exif=exif_of(8)), False, turned=True)
    add("jpeg orientation that makes no sense", saved(rgb, "JPEG", quality=95, exif=exif_of(9)), False, turned=True)


def exif_of(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


jpegs()
pngs()
webps()
orientations()
here = pathlib.Path(__file__).parent
(here / "decode.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "cases")
