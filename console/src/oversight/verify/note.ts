// Signed notes, checkpoints and cosignatures: C2SP signed-note, tlog-checkpoint, tlog-cosignature.
import { concat, ed25519, fromBase64, Malformed, same, sha256, toHex, utf8, type Bytes } from './bytes';

const LOG = 1; // Ed25519
const WITNESS = 4; // Ed25519 over a body with its time

export interface Key {
	name: string;
	id: Bytes;
	kind: number;
	key: Bytes;
}

export interface Signature {
	name: string;
	id: Bytes;
	rest: Bytes;
}

export interface Note {
	body: string;
	signatures: Signature[];
}

export interface Checkpoint {
	origin: string;
	size: number;
	root: Bytes;
}

const FIELD = 2n ** 255n - 19n;
const EIGHTH = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** The y of the eight points of small order. */
const SMALL_ORDER = new Set([0n, 1n, FIELD - 1n, EIGHTH, FIELD - EIGHTH]);

/** Whether anybody can make signatures that hold under this key. */
const isWeak = (key: Bytes): boolean => SMALL_ORDER.has((BigInt(`0x${toHex(key.toReversed())}`) & (2n ** 255n - 1n)) % FIELD);

/** `name+hex8+base64(kind ‖ key)`. Throws Malformed, also when the short id is not that of the key. */
export async function parseKey(vkey: string): Promise<Key> {
	const found = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey);
	if (!found) throw new Malformed('not a verifier key');
	const [, name = '', id = '', coded = ''] = found;
	const raw = fromBase64(coded);
	const kind = raw[0];
	if (raw.length !== 33 || (kind !== LOG && kind !== WITNESS)) throw new Malformed('not an Ed25519 key');
	if (isWeak(raw.slice(1))) throw new Malformed('a key that anybody can sign for');
	const short = (await sha256(concat(utf8(`${name}\n`), raw))).slice(0, 4);
	if (toHex(short) !== id) throw new Malformed('the id is not that of the key');
	return { name, id: short, kind, key: raw.slice(1) };
}

/** The note of a text. Throws Malformed for anything that is not one. */
export function parseNote(given: string): Note {
	const cut = given.lastIndexOf('\n\n');
	// control letters but the line feed could show a reader another text than the one that is signed
	// eslint-disable-next-line no-control-regex
	if (cut < 0 || !given.endsWith('\n') || /[\u0000-\u0009\u000b-\u001f]/.test(given)) throw new Malformed('not a signed note');
	const lines = given.slice(cut + 2, -1).split('\n');
	if (lines.length > 100) throw new Malformed('too many signatures');
	const signatures = lines.map((line) => {
		const found = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line);
		if (!found) throw new Malformed('not a signature line');
		const raw = fromBase64(found[2]!);
		if (raw.length < 5) throw new Malformed('a signature is too short');
		return { name: found[1]!, id: raw.slice(0, 4), rest: raw.slice(4) };
	});
	return { body: given.slice(0, cut + 1), signatures };
}

const signaturesOf = (note: Note, key: Key): Signature[] => note.signatures.filter((one) => one.name === key.name && same(one.id, key.id));

/** Whether the log with this key signed the note; one wrong signature under its name spoils it. Undefined: it carries none of this key. */
export async function checkSignature(note: Note, key: Key): Promise<boolean | undefined> {
	const found = key.kind === LOG ? signaturesOf(note, key) : [];
	if (!found.length) return undefined;
	const held = await Promise.all(found.map(async ({ rest }) => rest.length === 64 && ed25519(key.key, rest, utf8(note.body))));
	return held.every(Boolean);
}

async function cosignedAt({ rest }: Signature, key: Key, body: string): Promise<number | false> {
	if (rest.length !== 72) return false;
	const at = new DataView(rest.buffer, rest.byteOffset).getBigUint64(0);
	const held = await ed25519(key.key, rest.slice(8), utf8(`cosignature/v1\ntime ${at}\n${body}`));
	return held && at > 0n && at <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(at) : false;
}

/** When the witness says it last saw this checkpoint (Unix seconds); false: a signature of its name does not hold; undefined: there is none. */
export async function checkCosignature(note: Note, key: Key): Promise<number | false | undefined> {
	const found = key.kind === WITNESS ? signaturesOf(note, key) : [];
	if (!found.length) return undefined;
	const times = await Promise.all(found.map((one) => cosignedAt(one, key, note.body)));
	return times.includes(false) ? false : Math.max(...(times as number[]));
}

/** Origin, size and root of a checkpoint's body; extension lines are passed over. Throws Malformed. */
export function parseCheckpoint(body: string): Checkpoint {
	const [origin = '', size = '', root = ''] = body.split('\n');
	if (!origin || !/^(0|[1-9][0-9]{0,15})$/.test(size)) throw new Malformed('not a checkpoint');
	const hash = fromBase64(root);
	if (hash.length !== 32 || !Number.isSafeInteger(Number(size))) throw new Malformed('not a checkpoint');
	return { origin, size: Number(size), root: hash };
}
