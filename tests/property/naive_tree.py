"""RFC 6962 section 2.1 as it is written there, slow and obvious: what the fast tree is compared with."""

import hashlib
from functools import cache


class NaiveTree:
    """Roots and proofs over leaf hashes, by the recursions of the RFC."""

    def __init__(self, hashes):
        self.hashes = hashes
        self.mth = cache(self._mth)

    def root(self, size):
        """MTH(D[0:size])."""
        return self.mth(0, size)

    def _mth(self, start, end):
        match end - start:
            case 0:
                return hashlib.sha256(b"").digest()
            case 1:
                return self.hashes[start]
        middle = start + split(end - start)
        return hashlib.sha256(b"\x01" + self.mth(start, middle) + self.mth(middle, end)).digest()

    def path(self, index, start, end):
        """PATH(index, D[start:end]), index counted from start."""
        if end - start == 1:
            return []
        middle = start + split(end - start)
        if start + index < middle:
            return [*self.path(index, start, middle), self.mth(middle, end)]
        return [*self.path(start + index - middle, middle, end), self.mth(start, middle)]

    def proof(self, old, new):
        """PROOF(old, D[0:new]) for 0 < old < new."""
        return self._subproof(old, 0, new, True)

    def _subproof(self, old, start, end, whole):
        if old == end - start:
            return [] if whole else [self.mth(start, end)]
        step = split(end - start)
        middle = start + step
        if old <= step:
            return [*self._subproof(old, start, middle, whole), self.mth(middle, end)]
        return [*self._subproof(old - step, middle, end, False), self.mth(start, middle)]


def split(count):
    """The largest power of two smaller than count."""
    return 1 << ((count - 1).bit_length() - 1)


def turns(index, size):
    """On which side each step of the path of a leaf hangs, from the leaf up: what verifies is this shape."""
    found = []
    while size > 1:
        middle = split(size)
        left = index < middle
        found.append(left)
        index, size = (index, middle) if left else (index - middle, size - middle)
    return found[::-1]


def consistency_turns(old, new):
    """On which side each step of PROOF(old, D[0:new]) hangs, from below: left ones are hashed into both roots."""
    found = []
    while old < new:
        step = split(new)
        left = old <= step
        found.append(left)
        old, new = (old, step) if left else (old - step, new - step)
    return found[::-1]
