"""Just enough of H.264 (ITU-T H.264, 7.3) and of its FLV tags to lie with."""

import struct

HIGH_422 = 122
BASELINE = 66


class Bits:
    """A bit string in the making."""

    def __init__(self) -> None:
        self.bits = ""

    def u(self, count: int, value: int) -> "Bits":
        self.bits += format(value, f"0{count}b")
        return self

    def ue(self, value: int) -> "Bits":
        """An Exp-Golomb code (9.1)."""
        code = format(value + 1, "b")
        self.bits += "0" * (len(code) - 1) + code
        return self

    def se(self, value: int) -> "Bits":
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def rbsp(self) -> bytes:
        """With the stop bit, and with emulation prevention (7.4.1)."""
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        escaped, zeros = bytearray(), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(escaped)


def sps(
    width: int, height: int, profile: int = BASELINE, level: int = 52, set_id: int = 0
) -> bytes:
    """Progressive, of whole macroblocks, output in decoding order (7.3.2.1.1)."""
    bits = Bits().u(8, profile).u(8, 0).u(8, level).ue(set_id)
    if profile != BASELINE:
        chroma = 2 if profile == HIGH_422 else 1
        bits.ue(chroma).ue(0).ue(0).u(1, 0).u(1, 0)
    bits.ue(0).ue(2).ue(1).u(1, 0)
    bits.ue(width // 16 - 1).ue(height // 16 - 1).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    return b"\x67" + bits.rbsp()


def pps(set_id: int = 0, padding: int = 0) -> bytes:
    """CAVLC, one slice group (7.3.2.2), and bytes behind it that nobody asked for."""
    bits = Bits().ue(set_id).ue(0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0)
    bits.se(0).se(0).se(0).u(1, 1).u(1, 0).u(1, 0)
    return b"\x68" + bits.rbsp() + b"\x55" * padding


def configuration(sps_list: list[bytes], pps_list: list[bytes]) -> bytes:
    """The tag that says how to decode (ISO/IEC 14496-15, 5.3.3.1)."""
    record = bytes([1]) + sps_list[0][1:4] + bytes([0xFF, 0xE0 | len(sps_list)])
    record += b"".join(struct.pack(">H", len(unit)) + unit for unit in sps_list)
    record += bytes([len(pps_list)])
    record += b"".join(struct.pack(">H", len(unit)) + unit for unit in pps_list)
    return b"\x17\x00\x00\x00\x00" + record


def picture(units: list[bytes], is_key: bool = True, composition_ms: int = 0) -> bytes:
    """The tag of one access unit."""
    head = bytes([0x17 if is_key else 0x27, 1]) + struct.pack(">i", composition_ms)[1:]
    return head + b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def units_of(body: bytes) -> list[bytes]:
    """The NAL units of a picture's tag."""
    units, at = [], 5
    while at + 4 <= len(body):
        length = int.from_bytes(body[at : at + 4], "big")
        units.append(body[at + 4 : at + 4 + length])
        at += 4 + length
    return units


def slices_of(body: bytes) -> list[bytes]:
    return [unit for unit in units_of(body) if unit[0] & 0x1F in (1, 5)]
