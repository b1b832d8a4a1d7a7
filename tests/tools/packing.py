"""Compressed data as the usual programs write them."""
import bz2
import gzip
import lzma
import shutil
import subprocess


def lz4(data: bytes) -> bytes:
    return subprocess.run(["lz4", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-c", "-q"], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


# name of the format: (suffix, function that compresses, program that it needs)
FORMATS = {
    "gzip": (".gz", gzip.compress, None),
    "bzip2": (".bz2", bz2.compress, None),
    "xz": (".xz", lzma.compress, None),
    "zstd": (".zst", zstd, "zstd"),
    "lz4": (".lz4", lz4, "lz4"),
}


def formats():
    """The formats that can be made here."""
    return {name: row for name, row in FORMATS.items() if row[2] is None or shutil.which(row[2])}
