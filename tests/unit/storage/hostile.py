"""Archives made to do harm, and what must hold when they are loaded."""

from __future__ import annotations

import io
import json
import pathlib
import time
import warnings
import zipfile

from fuzz.files import originals, sealed, unpacked, use

import mixedmodels as mm
from mixedmodels.errors import FileError
from mixedmodels.storage import container


def archive(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", compression) as made:
            for name, content in members:
                made.writestr(zipfile.ZipInfo(name), content, compression)
            made.comment = bytes(83)
    return sealed(buffer.getvalue())


def npy(header: str) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


NPY = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}\n"


def hostile() -> dict[str, bytes]:
    """Files made to do harm."""
    good = originals()[0]
    header, _ = unpacked(good)
    text = json.dumps(header).encode()
    name = container.HEADER
    shapes = [
        "(10**9,)",
        "(1000000000000,)",
        "(-1,)",
        "(2**62, 4)",
        "(1,)*70",
        "(3)",
        "None",
        "(0, 9**18)",
    ]
    deep = {
        "deep lists": b"[" * 100_000,
        "deep objects": b'{"a":' * 50_000,
        "closed": b"[" * 900 + b"]" * 900,
    }
    return {
        "bomb": archive(
            [(name, text), ("0.npy", npy(NPY.format("<f8", "(400000000,)")) + bytes(10**8))]
        ),
        "many bombs": archive([(name, text), *((f"{i}.npy", bytes(2 * 10**7)) for i in range(20))]),
        "header bomb": archive([(name, b'{"a":"' + b"a" * 10**8 + b'"}')]),
        "list bomb": archive([(name, b'{"a":[' + b"[]," * 3_000_000 + b"[]]}")]),
        "bzip2": archive([(name, text), ("0.npy", bytes(10**7))], zipfile.ZIP_BZIP2),
        "lzma": archive([(name, text), ("0.npy", bytes(10**7))], zipfile.ZIP_LZMA),
        "bzip2 header": archive([(name, text)], zipfile.ZIP_BZIP2),
        "double member": archive([(name, text), ("0.npy", b"a"), ("0.npy", b"b")]),
        "double header": archive([(name, text), (name, text)]),
        "double key": archive([(name, text[:-1] + b', "version": 1}')]),
        "nan": archive([(name, text.replace(b'"version": 1', b'"version": NaN'))]),
        "float": archive([(name, text.replace(b'"version": 1', b'"version": 1e999'))]),
        "huge integer": archive(
            [(name, text.replace(b'"version": 1', b'"version": ' + b"9" * 10**6))]
        ),
        "utf-16": archive([(name, text.decode().encode("utf-16"))]),
        "not an object": archive([(name, b"[1, 2]")]),
        "pickle": archive([(name, text), ("0.npy", b"\x80\x04N.")]),
        "object array": archive(
            [(name, text), ("0.npy", npy(NPY.format("|O", "(1,)")) + b"\x80\x04N.")]
        ),
        **{
            f"shape {s}": archive([(name, text), ("0.npy", npy(NPY.format("<f8", s)) + bytes(16))])
            for s in shapes
        },
        **{
            f"dtype {d}": archive([(name, text), ("0.npy", npy(NPY.format(d, "(2,)")) + bytes(16))])
            for d in ("<U4", "|V8", "<M8[s]", "<c8", "x", "<f16", "f8,f8")
        },
        **{kind: archive([(name, content)]) for kind, content in deep.items()},
    }


def outcome(content: bytes, path: pathlib.Path) -> str:
    """ "refused" or "loaded"; anything else raises."""
    path.write_bytes(content)
    began = time.perf_counter()
    try:
        fit = mm.load(path, threads=1)
    except FileError as error:
        found, said = "refused", str(error)
    else:
        found, said = "loaded", str(path)
        use(fit, path.with_name("again.mm"))
    seconds = time.perf_counter() - began
    assert said.startswith(str(path)), said
    assert len(said) < 1000
    assert seconds < 20, seconds
    return found
