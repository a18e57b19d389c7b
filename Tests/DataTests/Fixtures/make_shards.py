"""Makes shards.json: the same members in every form of tar, by Python's tarfile and GNU tar.

    python3 make_shards.py

It has the archives in base64, and what they hold with the places of the bytes in the plain ones as tarfile sees them.
"""
import base64, ctypes, ctypes.util, io, json, os, random, shutil, subprocess, tarfile, tempfile, zlib

out = tempfile.mkdtemp()
draw = random.Random(7)
names = ["a/first.jpg", "a/empty.txt", "a/" + "long" * 40 + "/" + "name" * 30 + ".png", "b/größe.webp", "./b/dot.jpeg"]
sizes = [700, 0, 513, 1024, 1]
members = [(n, bytes(draw.randrange(256) for _ in range(s))) for n, s in zip(names, sizes)]


def write(path, form):
    with tarfile.open(path, "w", format=form) as tar:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with tarfile.open(path) as tar:
        return [m.offset_data for m in tar.getmembers() if m.isfile()]


offsets = {name: write(f"{out}/{name}.tar", form) for name, form in
           [("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)]}

plain = open(f"{out}/pax.tar", "rb").read()
zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
zstd.ZSTD_compressBound.restype = zstd.ZSTD_compress.restype = ctypes.c_size_t
zstd.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
zstd.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
packed = ctypes.create_string_buffer(zstd.ZSTD_compressBound(len(plain)))
count = zstd.ZSTD_compress(packed, len(packed), plain, len(plain), 19)
open(f"{out}/pax.tar.zst", "wb").write(packed.raw[:count])

# A sparse file between two others, in GNU tar's forms.
with tempfile.TemporaryDirectory() as folder:
    for name in ["before.jpg", "after.jpg"]:
        open(f"{folder}/{name}", "wb").write(b"x" * 100)
    with open(f"{folder}/holes.jpg", "wb") as file:
        file.seek(1 << 20)
        file.write(b"y" * 5000)
    for name, form in [("gnu", ["--format=gnu"])] + [
            (f"pax{v}", ["--format=posix", f"--sparse-version={v}"]) for v in ["0.0", "0.1", "1.0"]]:
        subprocess.run(["tar", "-b", "2", "-C", folder, "-S", *form, "--owner=0", "--group=0", "--mtime=@0", "-cf",
                        f"{out}/sparse-{name}.tar", "before.jpg", "holes.jpg", "after.jpg"], check=True)

archives = {n: base64.b64encode(open(f"{out}/{n}", "rb").read()).decode() for n in sorted(os.listdir(out))}
shutil.rmtree(out)
json.dump({"names": [n.removeprefix("./") for n in names], "sizes": sizes,
           "crcs": [zlib.crc32(d) for _, d in members], "offsets": offsets, "archives": archives},
          open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "shards.json"), "w"), indent=1)
