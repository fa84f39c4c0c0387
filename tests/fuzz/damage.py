"""Ways to damage a file."""

from hypothesis import strategies as st


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that differ from some: bits flipped, the end missing or added to, a part exchanged, or all of it."""
    places = st.integers(0, max(len(content) - 1, 0))
    flips = st.lists(st.tuples(places, st.integers(0, 7)), min_size=1, max_size=8)
    parts = st.tuples(places, st.binary(min_size=1, max_size=16))
    return st.one_of(
        flips.map(lambda found: _flipped(content, found)),
        places.map(lambda end: content[:end]),
        st.binary(min_size=1, max_size=40).map(lambda more: content + more),
        parts.map(lambda part: content[: part[0]] + part[1] + content[part[0] + len(part[1]) :]),
        st.binary(max_size=200),
    ).filter(lambda found: found != content)


def _flipped(content: bytes, flips: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for place, bit in flips if content else ():
        changed[place] ^= 1 << bit
    return bytes(changed)


def one_line(error: Exception) -> bool:
    """Whether what an error says is one line, and something."""
    return len(str(error).splitlines()) == 1
