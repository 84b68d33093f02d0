// One entry, checked from its record up to the witnesses. Each step is told as it is done; after one that fails nothing further is claimed.
import { concat, fromHex, hmac, Malformed, same, sha256, text, utf8, type Bytes } from './bytes';
import { checkCosignature, checkSignature, parseCheckpoint, parseKey, parseNote } from './note';
import { leafHash, Tiles, verifyInclusion, type ReadTile } from './tree';

export interface Evidence {
	origin: string;
	index: number;
	leaf: Bytes;
	/** Canonical JSON as it was committed to; null once its key is destroyed. */
	record: Bytes | null;
	/** The record's own key; null once it is destroyed. */
	dek: Bytes | null;
}

export interface Trust {
	/** Verifier key of the log. */
	log: string;
	/** Verifier keys of the witnesses. */
	witnesses: string[];
}

export interface Leaf {
	c: Bytes;
	klass: string;
	day: string;
	retention: string;
}

export const STEPS = ['commitment', 'leaf', 'signature', 'inclusion', 'witness'] as const;
export type StepName = (typeof STEPS)[number];

/** done: it holds. failed: it does not, somebody changed something. lacking: it cannot be checked yet or any more, and `why` says so. */
export interface Step {
	name: StepName;
	state: 'done' | 'failed' | 'lacking';
	why?: string;
	facts: Record<string, string | number>;
}

const LEAF = /^\{"c":"([0-9a-f]{64})","class":"([a-z]{1,16})","day":"(\d{4}-\d\d-\d\d)","rc":"([^"\\]{1,32})","v":1\}$/;

/** A leaf in its one spelling. Throws Malformed. */
export function parseLeaf(leaf: Bytes): Leaf {
	const found = LEAF.exec(text(leaf));
	if (!found) throw new Malformed('not a leaf');
	return { c: fromHex(found[1]!), klass: found[2]!, day: found[3]!, retention: found[4]! };
}

/** What a record is bound to its leaf by: HMAC-SHA256 under SHA256("commit" ‖ DEK). */
export const commitment = async (dek: Bytes, record: Bytes): Promise<Bytes> => hmac(await sha256(concat(utf8('commit'), dek)), record);

const fieldsOf = (value: unknown): number =>
	value && typeof value === 'object' ? Object.values(value).reduce((sum: number, one) => sum + fieldsOf(one), Array.isArray(value) ? 0 : Object.keys(value).length) : 0;

/** The fields of a record, none of which is given twice: so everybody reads the same in it. Throws Malformed. */
export function parseRecord(record: Bytes): Record<string, unknown> {
	const given = text(record);
	let fields: unknown;
	try {
		fields = JSON.parse(given);
	} catch {
		throw new Malformed('the record is not JSON');
	}
	if (!fields || typeof fields !== 'object' || Array.isArray(fields)) throw new Malformed('the record has no fields');
	const named = [...given.matchAll(/"(?:[^"\\]|\\.)*"(:?)/g)].filter(([, colon]) => colon).length;
	if (named !== fieldsOf(fields)) throw new Malformed('a field of the record is given twice');
	return fields as Record<string, unknown>;
}

type Check = () => Promise<Omit<Step, 'name'>>;

async function step(name: StepName, check: Check): Promise<Step> {
	try {
		return { name, ...(await check()) };
	} catch (error) {
		if (error instanceof Malformed) return { name, state: 'failed', why: 'malformed', facts: { detail: error.message } };
		if (error instanceof DOMException && error.name === 'NotSupportedError') return { name, state: 'lacking', why: 'browser', facts: {} };
		throw error; // a tile that does not come is no finding about the log: the page says what happened and offers to try again
	}
}

const done = (facts: Step['facts'] = {}): Omit<Step, 'name'> => ({ state: 'done', facts });
const failed = (why: string, facts: Step['facts'] = {}): Omit<Step, 'name'> => ({ state: 'failed', why, facts });
const lacking = (why: string, facts: Step['facts'] = {}): Omit<Step, 'name'> => ({ state: 'lacking', why, facts });

/** Check an entry against a checkpoint; yields each of STEPS in order and ends after the first that failed. */
export async function* verifyEntry(evidence: Evidence, checkpoint: string, trust: Trust, read: ReadTile): AsyncGenerator<Step> {
	const { origin, index, leaf, record, dek } = evidence;
	const opened = await step('commitment', async () => {
		const { c } = parseLeaf(leaf);
		if (!record || !dek) return lacking('erased');
		if (dek.length !== 32 || !same(await commitment(dek, record), c)) return failed('other_record');
		parseRecord(record);
		return done({ bytes: record.length });
	});
	yield opened;
	if (opened.state === 'failed') return;

	const spelled = await step('leaf', async () => {
		const { klass, day, retention } = parseLeaf(leaf);
		return done({ klass, day, retention });
	});
	yield spelled;
	if (spelled.state === 'failed') return;

	const signed = await step('signature', async () => {
		const key = await parseKey(trust.log);
		const note = parseNote(checkpoint);
		const point = parseCheckpoint(note.body);
		if (key.name !== origin || point.origin !== origin) return failed('other_log', { origin: point.origin });
		const held = await checkSignature(note, key);
		return held ? done({ size: point.size }) : failed(held === undefined ? 'unsigned' : 'forged');
	});
	yield signed;
	if (signed.state === 'failed') return;

	const included = await step('inclusion', async () => {
		const { size, root } = parseCheckpoint(parseNote(checkpoint).body);
		if (index >= size) return lacking('not_yet', { size });
		const tiles = new Tiles(read, size);
		const proof = await tiles.inclusion(index);
		const held = await verifyInclusion(await leafHash(leaf), index, size, proof, root);
		return held ? done({ hashes: proof.length, tiles: tiles.asked }) : failed('not_in_the_tree', { size });
	});
	yield included;
	if (included.state === 'failed') return;

	yield await step('witness', async () => {
		const note = parseNote(checkpoint);
		const times: number[] = [];
		const names: string[] = [];
		for (const vkey of trust.witnesses) {
			const key = await parseKey(vkey);
			const at = await checkCosignature(note, key);
			if (at === false) return failed('forged_witness', { witness: key.name });
			if (at === undefined) continue;
			times.push(at);
			names.push(key.name);
		}
		return names.length ? done({ names: names.join(', '), count: names.length, at: Math.min(...times) * 1000 }) : lacking('unwitnessed');
	});
}
