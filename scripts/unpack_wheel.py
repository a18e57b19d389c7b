"""Unpacks a part of one wheel: python3 unpack_wheel.py WHEEL FOLDER libraries|headers|arrow

`libraries` are the files for a CPU build; `headers` those of NVIDIA's wheels, for scripts/cuda-library; `arrow` the headers
and the two libraries of pyarrow's wheel that scripts/parquet-library needs.

From torch: the headers, and the libraries except Python's and CUDA's. A machine with a GPU uses the complete torch
of `pip install torch`, through LIBTORCH. From NVIDIA's wheels: the two libraries that libtorch_cpu.so is linked to.
"""

import re
import sys
import zipfile

LIBRARIES = re.compile(
    r"torch/(include/.*|version\.py|lib/lib(?!torch_python|torch_cuda|torch_nvshmem|torch\.so|c10_cuda|caffe2_nvrtc)[^/]*)"
    r"|torch\.libs/.*"
    r"|nvidia/cu13/lib/lib(cudart|cupti)\.so[^/]*"
)
HEADERS = re.compile(r"nvidia/.*/include/.*")
ARROW = re.compile(r"pyarrow/(include/.*|lib(arrow|parquet)\.so\.\d+)")
PARTS = {"libraries": LIBRARIES, "headers": HEADERS, "arrow": ARROW}


def field(text, name):
    return re.findall(rf"^{name}: (.*)$", text, re.MULTILINE)


def check(wheel, archive):
    """Checks version and platform inside the wheel, because the file name is no proof."""
    name, version, python, abi, platform = wheel.rsplit("/", 1)[-1].removesuffix(".whl").split("-")
    information = f"{name}-{version}.dist-info"
    found = field(archive.read(f"{information}/METADATA").decode(), "Version")
    if found != [version]:
        sys.exit(f"{wheel}: its METADATA says version {found}, not {version}")
    tags = field(archive.read(f"{information}/WHEEL").decode(), "Tag")
    expected = [f"{python}-{abi}-{one}" for one in platform.split(".")]
    if sorted(tags) != sorted(expected):
        sys.exit(f"{wheel}: it is built for {tags}, not for {expected}")


def main():
    wheel, folder, part = sys.argv[1:]
    try:
        with zipfile.ZipFile(wheel) as archive:
            check(wheel, archive)
            members = [m for m in archive.namelist() if PARTS[part].fullmatch(m)]
            if not members:
                sys.exit(f"{wheel}: nothing in it that a build needs")
            archive.extractall(folder, members)
    except (OSError, KeyError, zipfile.BadZipFile) as problem:
        sys.exit(f"{wheel}: cannot be unpacked to {folder}: {problem}")


main()
