"""Writes safetensors-verdicts.json: files made by hand, and whether the format's own library takes them.

    pip install safetensors==0.8.0 && python verdicts.py

The library is the Rust crate; its own tests of headers are among the cases under their names there (test_...).
"""
import base64
import json
from pathlib import Path

import safetensors

U8 = '"dtype":"U8","shape":[2]'


def file(header, data=0, length=None):
    header = header.encode() if isinstance(header, str) else header
    return (len(header) if length is None else length).to_bytes(8, "little") + header + bytes(data)


def one(dtype="U8", shape="[2]", offsets="[0,2]", data=2, name="a"):
    return file(f'{{"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}', data)


def fields(text, data=2):
    return file('{"a":{' + text + "}}", data)


def pair(first, second, data, u8=U8):
    return file(f'{{"a":{{{u8},"data_offsets":{first}}},"b":{{{u8},"data_offsets":{second}}}}}', data)


def test_file(text, data, length=None):
    return file(f'{{"test":{text}}}', data, length)


INFO = '{"dtype":"I64","shape":[2,1],"data_offsets":[0,16]}'
CRATE = {
    # The crate's tests use I32, which this project has no tensors of; the cases here have I64 of half the size.
    "test_serialization": one("F32", "[1,2,3]", "[0,24]", 24, "attn.0"),
    "test_empty": file("{}      "),
    "test_empty with notes": file('{"__metadata__":{"framework":"pt"}}     '),
    "test_empty_shapes_allowed": one("I64", "[]", "[0,8]", 8),
    "test_deserialization": test_file(INFO, 16),
    "test_json_attack": file(
        "{" + ",".join(f'"weight_{i}":{{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}' for i in range(10))
        + "}", 16),
    "test_metadata_incomplete_buffer, more": test_file(INFO, 16) + b"extra_bogus_data_for_polyglot_file",
    "test_metadata_incomplete_buffer, less": test_file(INFO, 14),
    "test_header_too_large": b"<\0\0\0\0\xff\xff\xff" + test_file(INFO, 16)[8:],
    "test_header_too_small": b"",
    "test_invalid_header_length": b"<\0\0\0\0\0\0\0",
    "test_invalid_header_non_utf8": b"\1\0\0\0\0\0\0\0\xff",
    "test_invalid_header_not_json": b"\1\0\0\0\0\0\0\0{",
    "test_whitespace_padded_header": file("{}\r \t\n"),
    "test_whitespace_start_padded_header_is_not_allowed": file("\t\n{}\r "),
    "test_zero_sized_tensor": test_file('{"dtype":"I64","shape":[2,0],"data_offsets":[0, 0]}', 0),
    "test_invalid_info": test_file('{"dtype":"I64","shape":[2,2],"data_offsets":[0, 4]}', 0),
    "test_validation_overflow, shape": test_file(
        '{"dtype":"I64","shape":[2,18446744073709551614],"data_offsets":[0,16]}', 16),
    "test_validation_overflow, bytes": test_file(
        '{"dtype":"I64","shape":[2,9223372036854775807],"data_offsets":[0,16]}', 16),
}
LENGTH = {
    "three bytes": b"\1\0\0",
    "a length and nothing": bytes(8),
    "a header of no bytes before data": bytes(9),
    "a header one byte above the limit": file("{}", length=100_000_001),
    "a header of the limit that is not there": file("{}", length=100_000_000),
    "a header of 2^63 bytes": file("{}", length=1 << 63),
    "a header of 2^64 - 8 bytes": file("{}", length=(1 << 64) - 8),
    "a length one short": file("{}", length=1),
    "a length one long": file("{}", length=3),
    "a length no multiple of 8": one(),
}
GOOD = {
    "a scalar": one("F32", "[]", "[0,4]", 4),
    "no bytes between two tensors": file(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F32","shape":[0],'
        '"data_offsets":[2,2]},"c":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}', 3),
    "no bytes at the start": file(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F32","shape":[0],'
        '"data_offsets":[0,0]}}', 2),
    "no bytes in a shape of 0 and large sizes": one("F32", "[0,4294967296,4294967296]", "[0,0]", 0),
    "tensors out of order": pair("[2,4]", "[0,2]", 4),
    "64 dimensions": one("U8", "[" + ",".join(["1"] * 64) + "]", "[0,1]", 1),
    "spaces everywhere": file(
        '{ "a"\n:\t{ "dtype" : "U8" , "shape" : [ 2 ] , "data_offsets" : [ 0 , 2 ] } } \r\n', 2),
    "fields in another order": fields('"data_offsets":[0,2],"shape":[2],"dtype":"U8"'),
    "an empty name": one(name=""),
    "an escaped name": one(name='\\u0061\\n\\"\\\\\\/\\b\\f\\r\\t\\ud83d\\ude00\\u0000'),
    "a name beyond ASCII": one(name="漢 😀 ä"),
    "an escaped field": fields('"d\\u0074ype":"U8","shape":[2],"data_offsets":[0,2]'),
    "notes": file('{"__metadata__":{"a":"b","":"","ä":"\\u00e4"}}'),
    "notes of nothing": file('{"__metadata__":{}}'),
    "notes behind a tensor": file(f'{{"a":{{{U8},"data_offsets":[0,2]}},"__metadata__":{{"a":"b"}}}}', 2),
    "a long header": file('{"__metadata__":{"a":"' + "x" * 5000 + '"}}'),
    "unaligned data": file(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[1],'
        '"data_offsets":[1,9]}}', 9),
}
SIZES = {
    name: size for names, size in [
        ("BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ", 1), ("I16 U16 F16 BF16", 2),
        ("I32 U32 F32", 4), ("I64 U64 F64 C64", 8)]
    for name in names.split()
}
TYPES = {f"type {name}": one(name, "[2]", f"[0,{2 * size}]", 2 * size) for name, size in SIZES.items()}
TYPES |= {
    "type F4": one("F4", "[4]", "[0,2]"),
    "type f32": one("f32", "[1]", "[0,4]", 4),
    "type F128": one("F128", "[1]", "[0,16]", 16),
    "type of no letters": one(""),
    "type 1": fields('"dtype":1,"shape":[2],"data_offsets":[0,2]'),
    "type null": fields('"dtype":null,"shape":[2],"data_offsets":[0,2]'),
    "type as an object": fields('"dtype":{"U8":null},"shape":[2],"data_offsets":[0,2]'),
    "a truth value of 2": one("BOOL", "[1]", "[0,1]", 0) + b"\2",
}
PLACES = {
    "a hole at the start": one(offsets="[2,4]", data=4),
    "a hole in the middle": pair("[0,2]", "[3,5]", 5),
    "a hole at the end": one(data=3),
    "an overlap": pair("[0,2]", "[1,3]", 3),
    "the same bytes twice": pair("[0,2]", "[0,2]", 2),
    "a tensor inside another": file(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],'
        '"data_offsets":[1,3]}}', 4),
    "no bytes inside another": file(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[0],'
        '"data_offsets":[1,1]}}', 2),
    "no bytes behind the end": one(shape="[0]", offsets="[3,3]", data=0),
    "offsets backwards": one(offsets="[2,0]"),
    "offsets behind the end": one(offsets="[0,2]", data=1),
    "offsets above 2^63": one(offsets="[0,9223372036854775810]"),
    "offsets above 2^64": one(offsets="[0,18446744073709551618]"),
    "offsets at 2^64 - 1": one(offsets="[18446744073709551613,18446744073709551615]"),
    "a negative offset": one(offsets="[-2,0]"),
    "one offset": one(offsets="[2]"),
    "three offsets": one(offsets="[0,2,2]"),
    "no offsets": one(offsets="[]"),
    "offsets as text": one(offsets='["0","2"]'),
    "offsets as an object": one(offsets='{"0":0,"1":2}'),
}
SHAPES = {
    "a shape too large": one(shape="[3]"),
    "a shape too small": one(shape="[1]"),
    "a shape whose product overflows before a 0": one(shape="[4294967296,4294967296,0]", offsets="[0,0]", data=0),
    "a shape that wraps around to its bytes": one(shape="[4294967296,4294967296]", offsets="[0,0]", data=0),
    "bytes that wrap around": one("F64", "[2305843009213693952]", "[0,0]", 0),
    "elements below 2^64, bytes above": one("F64", "[2305843009213693952,0]", "[0,0]", 0),
    "a size of 2^63 and none": one(shape="[0,9223372036854775808]", offsets="[0,0]", data=0),
    "sizes whose product is 2^63 before a 0": one(shape="[4611686018427387904,2,0]", offsets="[0,0]", data=0),
    "65 dimensions": one("U8", "[" + ",".join(["1"] * 65) + "]", "[0,1]", 1),
    "a negative size": one(shape="[-2]"),
    "a broken size": one(shape="[2.0]"),
    "a size with an exponent": one(shape="[2e0]"),
    "a size of minus 0": one(shape="[-0]", offsets="[0,0]", data=0),
    "a leading zero": one(shape="[02]"),
    "a leading plus": one(shape="[+2]"),
    "a hexadecimal size": one(shape="[0x2]"),
    "a size as text": one(shape='["2"]'),
    "a size that is true": one(shape="[true]", offsets="[0,1]", data=1),
    "a size of nothing": one(shape="[null]"),
    "a shape within a shape": one(shape="[[2]]"),
    "a shape that is a number": one(shape="2"),
    "a comma at the end of a shape": one(shape="[2,]"),
    "a shape left open": one(shape="[2"),
}
TEXT = {
    "a name twice": pair("[0,2]", "[0,2]", 2).replace(b'"b"', b'"a"'),
    "a name twice, once escaped": file(
        f'{{"a":{{{U8},"data_offsets":[0,2]}},"\\u0061":{{{U8},"data_offsets":[0,2]}}}}', 2),
    "a name twice, with other bytes": pair("[0,2]", "[2,4]", 4).replace(b'"b"', b'"a"'),
    "a field twice": fields(U8 + ',"shape":[2],"data_offsets":[0,2]'),
    "notes twice": file('{"__metadata__":{},"__metadata__":{}}'),
    "a note twice": file('{"__metadata__":{"a":"b","a":"c"}}'),
    "a note that is a number": file('{"__metadata__":{"a":1}}'),
    "a note that is an object": file('{"__metadata__":{"a":{}}}'),
    "a note of null": file('{"__metadata__":{"a":null}}'),
    "notes of null": file('{"__metadata__":null}'),
    "notes as a list": file('{"__metadata__":[]}'),
    "notes as a tensor": one(name="__metadata__"),
    "no type": fields('"shape":[2],"data_offsets":[0,2]'),
    "no shape": fields('"dtype":"U8","data_offsets":[0,2]'),
    "no data_offsets": fields(U8),
    "an unknown field": fields(U8 + ',"data_offsets":[0,2],"x":1'),
    "a field of other case": fields('"Dtype":"U8","shape":[2],"data_offsets":[0,2]'),
    "a tensor as a list": file('{"a":["U8",[2],[0,2]]}', 2),
    "a tensor of nothing": file('{"a":{}}'),
    "a tensor of null": file('{"a":null}'),
    "a tensor as a number": file('{"a":1}'),
    "a list": file("[]"),
    "a text": file('"a"'),
    "null": file("null"),
    "two values": file("{}{}"),
    "a zero behind the end": file(b"{}\0"),
    "a comma behind the end": file("{},"),
    "a comma at the end": file('{"__metadata__":{},}'),
    "a comma at the start": file('{,"__metadata__":{}}'),
    "no comma": one().replace(b',"shape"', b'"shape"'),
    "no colon": file('{"__metadata__"{}}'),
    "names in single quotes": file("{'__metadata__':{}}"),
    "a name without quotes": file("{__metadata__:{}}"),
    "a comment": file("{/* */}"),
    "a mark of byte order": file(b"\xef\xbb\xbf{}"),
    "a space that is none of JSON's": file("\u00a0{}"),
    "a form feed": file("{}\f"),
    "a space at the start": file(" {}"),
    "half a surrogate pair": one(name="\\ud83d"),
    "the second half first": one(name="\\ude00\\ud83d"),
    "a surrogate and a letter": one(name="\\ud83d\\u0061"),
    "an unknown escape": one(name="\\x61"),
    "a signed escape": one(name="\\u+061"),
    "a short escape": one(name="\\u61"),
    "an escape cut off": file('{"\\u00'),
    "a text left open": file('{"a'),
    "a line break in a name": one(name="\n"),
    "a zero in a name": one(name="\0"),
    "bytes that are no UTF-8": file(b'{"\xc3\x28":{}}'),
    "a surrogate in UTF-8": file(b'{"__metadata__":{"\xed\xa0\x80":""}}'),
    "an overlong zero in UTF-8": file(b'{"__metadata__":{"\xc0\x80":""}}'),
    "200 lists in each other": file('{"a":' + "[" * 200 + "]" * 200 + "}"),
    "an object left open": file('{"__metadata__":{}'),
    "UTF-16": file("{}".encode("utf-16-le")),
}


def is_taken(data):
    try:
        safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return False
    return True


CASES = CRATE | LENGTH | GOOD | TYPES | PLACES | SHAPES | TEXT
if __name__ == "__main__":
    rows = [
        {"name": name, "isTaken": is_taken(data), "bytes": base64.b64encode(data).decode()}
        for name, data in CASES.items()
    ]
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (Path(__file__).parent / "safetensors-verdicts.json").write_text(f"[\n{text}\n]\n")
