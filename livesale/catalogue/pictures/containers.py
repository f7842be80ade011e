"""What else the bytes of a picture are: other files can hide in one, or behind it. No I/O."""

KINDS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
_ACTIVE = (b"<script", b"<html", b"<!doctype html", b"<?php", b"<iframe", b"<body", b"javascript:")
_ARCHIVES = {b"Rar!\x1a\x07": "a RAR archive", b"7z\xbc\xaf\x27\x1c": "a 7z archive"}


def kind_of(raw: bytes) -> str | None:
    """JPEG, PNG, GIF or WEBP by the first bytes; None for anything else."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in KINDS.items() if raw.startswith(magic)), None)


def guess(raw: bytes) -> str:
    """What something that is no picture may be, for its sender."""
    head = raw[:1_024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head or head.startswith(b"<?xml"):
        return "an SVG or XML file"
    if head.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if raw[4:8] == b"ftyp":
        brand = raw[8:12].decode("latin-1").strip()
        return f"a file of the kind {brand}" if brand.isalnum() else "a film"
    if head.startswith(b"%pdf"):
        return "a PDF"
    return "an unknown file"


def also(raw: bytes) -> str | None:
    """What else these bytes are: an archive, a PDF, or a page with scripts; None: nothing.

    Cameras put a preview or a film behind a JPEG: those are fine, and are dropped.
    """
    if b"PK\x05\x06" in raw and b"PK\x01\x02" in raw:
        return "a ZIP archive"
    if b"%PDF-" in raw[:1_024]:
        return "a PDF"
    for mark, name in _ARCHIVES.items():
        if mark in raw:
            return name
    lower = raw.lower()
    return "a page with scripts" if any(mark in lower for mark in _ACTIVE) else None
