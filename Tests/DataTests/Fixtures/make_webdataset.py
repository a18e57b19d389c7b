"""Makes webdataset.json: names taken apart, samples grouped and braces expanded as webdataset does it.

    pip install webdataset==1.0.2
    python3 make_webdataset.py
"""
import io, json, os, tarfile

import webdataset
from webdataset.shardlists import expand_urls
from webdataset.tariterators import base_plus_ext, tarfile_samples

NAMES = [
    "a.jpg", "a.JPG", "a.seg.png", "a", "d/a.jpg", "d/a.b.c.jpg", "d.1/a.jpg", "d.1/e.2/a.tar.gz", "a.", "a..jpg",
    ".a.jpg", "d/.jpg", "d/a", "2021.03.07_0001.jpg", "Track 2.0_0001.cls", "x y.jpg", "a-b_c.jpeg", "é.jpg", "d/é.é.png",
]

# Members of a shard, in order.
SHARDS = {
    "photos": ["a.jpg", "a.cls", "b.jpg", "b.cls"],
    "masks": ["a.jpg", "a.seg.png", "a.json", "b.jpg", "b.seg.png", "b.json"],
    "masks first": ["a.depth.png", "a.jpg", "b.depth.png", "b.jpg"],
    "fields only": ["a.depth.png", "a.rgb.png", "b.depth.png", "b.rgb.png"],
    "dots": ["2021.03.07_0.cls", "2021.03.07_0.jpg", "2021.03.07_1.cls", "2021.03.07_1.jpg"],
    "folders": ["x/a.jpg", "x/a.cls", "y/a.jpg", "y/a.cls"],
    "case": ["A.JPG", "A.CLS", "a.jpg", "a.cls"],
    "twice": ["a.jpg", "a.jpg"],
    "twice by case": ["a.jpg", "a.JPG"],
    "two images": ["a.jpg", "a.png", "a.cls"],
    "meta": ["__index__", "__meta__/a.jpg", "__a__.jpg", "b.jpg"],
    "no field": ["readme", "a.jpg"],
}

PATTERNS = [
    "a.tar", "a-{000..003}.tar", "{8..11}", "{08..11}", "{9..011}", "{0..1}-{0..2}x", "{3..1}", "{1..10..3}", "{10..1..4}",
    "{1..4..0}", "{1..10..-3}", "{-2..1}", "{-01..1}", "{0..-2}", "{00..2}", "{5..5}", "{a,b}.tar", "{a..e}", "{e..a..2}",
    "{A..c..20}", "{a..B..9}", "x{,.bak}", "{a,{b,c}d}e", "python{2.{5..7},3.{2,3}}", "{train,val}-{0..1}.tar", "{x}",
    "{x}{a,b}", "{0..N}", "a{}b", "{,}", "{a,}", "{{1..2}}", "{{1..2},x}", "\\{a,b\\}", "{a\\,b,c}", "a\\\\b", "{1..2}{a,b}",
    "a.tar::b.tar", "{0..1}.tar::x-{a,b}.tar", "d {1..2}/x.tar",
]


def samples(names):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    path = "/tmp/made-by-webdataset.tar"
    open(path, "wb").write(file.getvalue())
    try:
        found = list(tarfile_samples([{"url": path}]))
    except ValueError:
        return None
    finally:
        os.remove(path)
    return [{"key": s["__key__"], "fields": [f for f in s if not f.startswith("__")]} for s in found]


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "webdataset.json")
out = {
    "version": webdataset.__version__,
    "names": [{"name": name, "parts": base_plus_ext(name)} for name in NAMES],
    "shards": [{"case": case, "names": names, "samples": samples(names)} for case, names in SHARDS.items()],
    "patterns": [{"pattern": pattern, "names": expand_urls(pattern)} for pattern in PATTERNS],
}
json.dump(out, open(path, "w"), indent=1, ensure_ascii=False)
