"""Run by the tests with tlog-scales on the path, in a process of its own: checks a log and proofs that we made.

Arguments: folder, vkey of the log, vkey of the witness. Standard input: JSON with `index`, `leaf`, `inclusion`, `older`
(a checkpoint) and `consistency`, hashes in hex. Exit code 0 only when everything holds.
"""

import json
import sys

from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, ConsistencyProof, InclusionProof


def hashes(texts):
    return [bytes.fromhex(text) for text in texts]


def check(folder, vkey, witness):
    asked = json.load(sys.stdin)
    leaf, index = bytes.fromhex(asked["leaf"]), asked["index"]
    reader = TilesReader(make_backend(folder))
    head = reader.get_checkpoint()
    head.verify(Vkey.from_string(vkey))
    head.verify(Vkey.from_string(witness))
    if reader.calculate_root_hash() != head.root_hash:
        raise ValueError("the tiles do not lead to the root")
    if reader.get_entry(index) != leaf:
        raise ValueError("another entry")
    ours = InclusionProof(index, head.size, hashes(asked["inclusion"]))
    if ours != reader.get_inclusion_proof(index, head.size):
        raise ValueError("its proof of inclusion is another")
    ours.check(leaf_hash(leaf), head.root_hash)
    older = Checkpoint.from_text(asked["older"])
    older.verify(Vkey.from_string(vkey))
    grown = ConsistencyProof(older.size, head.size, hashes(asked["consistency"]))
    if grown != reader.get_consistency_proof(older.size, head.size):
        raise ValueError("its proof of consistency is another")
    grown.check(older.root_hash, head.root_hash)


check(*sys.argv[1:])
sys.stdout.write("holds\n")
