// The file of one entry, as it is given to whoever checks it elsewhere: `saqtau verify entry FILE` reads the same bytes.
import { fromBase64, fromHex, Malformed, utf8, type Bytes } from './bytes';
import type { Evidence } from './entry';

const HEADER = 'c2sp.org/tlog-proof@v1';

export interface Proof {
	index: number;
	leaf: Bytes;
	hashes: Bytes[];
	checkpoint: string;
}

/** A C2SP tlog-proof whose extra line is the leaf. Throws Malformed. */
export function parseProof(given: string): Proof {
	const cut = given.indexOf('\n\n');
	const [header, extra = '', index = '', ...hashes] = cut < 0 ? [] : given.slice(0, cut).split('\n');
	const number = /^index (0|[1-9][0-9]{0,15})$/.exec(index)?.[1];
	if (header !== HEADER || !extra.startsWith('extra ') || number === undefined || hashes.length > 63) throw new Malformed('not a tlog-proof');
	const path = hashes.map(fromBase64);
	if (path.some((hash) => hash.length !== 32) || !Number.isSafeInteger(Number(number))) throw new Malformed('not a tlog-proof');
	return { index: Number(number), leaf: fromBase64(extra.slice(6)), hashes: path, checkpoint: given.slice(cut + 2) };
}

export interface EntryFile extends Evidence {
	/** The checkpoint that the file's own proof leads to. */
	checkpoint: string;
}

/** What a file says of its entry; nothing of it is believed yet. Throws Malformed. */
export function parseEntryFile(given: string): EntryFile {
	let file: unknown;
	try {
		file = JSON.parse(given);
	} catch {
		throw new Malformed('not JSON');
	}
	const { v, entry, proof, record, dek } = (file ?? {}) as Record<string, unknown>;
	if (v !== 1 || typeof entry !== 'string' || typeof proof !== 'string') throw new Malformed('not an entry file');
	if (!(record === null || typeof record === 'string') || !(dek === null || typeof dek === 'string')) throw new Malformed('not an entry file');
	const { index, leaf, checkpoint } = parseProof(proof);
	const mark = entry.lastIndexOf('#');
	if (mark < 1 || entry.slice(mark + 1) !== String(index)) throw new Malformed('the proof is of another entry');
	return { origin: entry.slice(0, mark), index, leaf, checkpoint, record: record === null ? null : utf8(record), dek: dek === null ? null : fromHex(dek) };
}
