"""Where a stream states its frame size: from packets' bytes, so that a size that changes shows without decoding."""

from collections.abc import Iterator

_START_CODE = b"\x00\x00\x01"
_H264_SPS = 7
_MPEG4_LAYERS = range(0x20, 0x30)
_VP9_MARKER = 0b10
_VP9_SYNC = 0x498342
_VP9_RGB = 7


def size_statements(codec: str, extradata: bytes | None, packet: bytes | None) -> Iterator[bytes | None]:
    r"""Yield what a packet (or, where it is None, the stream's header) says of the frame size.

    Parameters
    ----------
    codec
        FFmpeg's name, one of `SIZED_CODECS`.
    extradata
        The stream's header.
    packet
        A packet's bytes.

    Yields
    ------
    bytes or None
        Statements: a stream has one frame size if all of them are equal. None where a size may change in a way that
        cannot be compared (VP9's inter frames with a size of their own).

    Raises
    ------
    KeyError
        Another codec.

    Examples
    --------
    >>> list(size_statements("mpeg4", None, b"\x00\x00\x01\x20size\x00\x00\x01\xb6picture"))
    [b'size']
    """
    header = extradata or b""
    yield from _READERS[codec](header, header if packet is None else packet, packet is None)


def _h264(header: bytes, content: bytes, is_header: bool) -> Iterator[bytes | None]:
    # A header that begins with 1 is an avcC box: lengths in place of start codes.
    boxed = header[:1] == b"\x01" and len(header) > 6
    if not boxed:
        units = _between_start_codes(content)
    elif is_header:
        units = _by_length(content[6:], 2, content[5] & 0x1F)
    else:
        units = _by_length(content, (header[4] & 3) + 1, len(content))
    yield from (unit for unit in units if unit and unit[0] & 0x1F == _H264_SPS)


def _mpeg4(header: bytes, content: bytes, is_header: bool) -> Iterator[bytes | None]:
    yield from (unit[1:] for unit in _between_start_codes(content) if unit and unit[0] in _MPEG4_LAYERS)


def _vp9(header: bytes, content: bytes, is_header: bool) -> Iterator[bytes | None]:
    if is_header or not content:
        return
    bits = _Bits(content)
    if bits.take(2) != _VP9_MARKER or bits.take(2) != 0:
        yield None  # a profile other than 0 has fields of other widths
    elif bits.take(1):
        return  # shows a frame that has come before
    elif bits.take(1):
        yield from _vp9_inter(bits)
    else:
        bits.take(2)
        yield _vp9_size(bits, is_key=True)


def _vp9_inter(bits: "_Bits") -> Iterator[bytes | None]:
    shown, resilient = bits.take(1), bits.take(1)
    intra_only = not shown and bits.take(1)
    if not resilient:
        bits.take(2)
    if intra_only:
        yield _vp9_size(bits, is_key=False)
        return
    # Three reference frames; one of them lends its size, or the frame states its own.
    bits.take(8 + 3 * 4)
    if not any(bits.take(1) for _ in range(3)):
        yield None


def _vp9_size(bits: "_Bits", is_key: bool) -> bytes | None:
    if bits.take(24) != _VP9_SYNC:
        return None
    if not is_key:
        bits.take(8)
    elif bits.take(3) != _VP9_RGB:
        bits.take(1)
    return bits.take(32).to_bytes(4, "big")


class _Bits:
    """The first bits of a frame, from the left."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content[:16].ljust(16, b"\0"), "big")
        self._left = 128

    def take(self, count: int) -> int:
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)


def _between_start_codes(content: bytes) -> Iterator[bytes]:
    yield from (unit.rstrip(b"\0") for unit in content.split(_START_CODE)[1:])


def _by_length(content: bytes, width: int, most: int) -> Iterator[bytes]:
    at = 0
    while at + width <= len(content) and most:
        size = int.from_bytes(content[at : at + width], "big")
        yield content[at + width : at + width + size]
        at += width + size
        most -= 1


_READERS = {"h264": _h264, "mpeg4": _mpeg4, "vp9": _vp9}
SIZED_CODECS = tuple(_READERS)
