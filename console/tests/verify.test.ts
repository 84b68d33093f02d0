import { describe, expect, test } from 'vitest';
import { concat, fromBase64, fromHex, Malformed, toBase64, toHex, utf8, type Bytes } from '../src/oversight/verify/bytes';
import { commitment, parseLeaf, parseRecord, STEPS, verifyEntry, type Evidence, type Step, type Trust } from '../src/oversight/verify/entry';
import { parseEntryFile, parseProof } from '../src/oversight/verify/file';
import { checkCosignature, checkSignature, parseCheckpoint, parseKey, parseNote } from '../src/oversight/verify/note';
import { leafHash, nodeHash, tilePath, Tiles, verifyInclusion } from '../src/oversight/verify/tree';
import vectors from './ledger.json';

const trust: Trust = { log: vectors.log, witnesses: vectors.witnesses };
const tiles = vectors.tiles as Record<string, string>;
const files = vectors.files as Record<string, string>;
const read = async (path: string): Promise<Bytes> => fromHex(tiles[path]!);
const entry = (index: number): Evidence => parseEntryFile(files[String(index)]!);
const flipped = (bytes: Bytes, at: number): Bytes => bytes.map((byte, place) => (place === at ? byte ^ 1 : byte));
const places = (bytes: Bytes) => bytes.keys();

async function check(evidence: Evidence, given: { checkpoint?: string; trust?: Trust; read?: typeof read } = {}): Promise<Step[]> {
	const steps: Step[] = [];
	for await (const one of verifyEntry(evidence, given.checkpoint ?? vectors.checkpoint, given.trust ?? trust, given.read ?? read)) steps.push(one);
	return steps;
}
const states = (steps: Step[]) => steps.map(({ state }) => state);
const end = (steps: Step[]) => `${steps.at(-1)!.name} ${steps.at(-1)!.state}`;

describe('an entry that the ledger made', () => {
	test.each(Object.keys(files).map(Number))('number %i holds in every step', async (index) => {
		const steps = await check(entry(index));
		expect(steps.map(({ name }) => name)).toEqual([...STEPS]);
		expect(states(steps)).toEqual(['done', 'done', 'done', 'done', 'done']);
		expect(steps[1]!.facts).toEqual({ klass: 'view', day: '2026-11-24', retention: 'access_1y' });
		expect(steps[4]!.facts).toMatchObject({ count: 2, at: 1_795_000_000_000 });
	});
	test('says what cannot be checked any more when its key is destroyed, and what still can', async () => {
		const steps = await check({ ...entry(137), record: null, dek: null });
		expect(steps[0]).toMatchObject({ state: 'lacking', why: 'erased' });
		expect(states(steps).slice(1)).toEqual(['done', 'done', 'done', 'done']);
	});
	test('that is newer than the checkpoint is not there yet, which is no forgery', async () => {
		const steps = await check({ ...entry(299), index: 300 });
		expect(steps[3]).toMatchObject({ state: 'lacking', why: 'not_yet' });
	});
	test('without a witness is told to be unwitnessed', async () => {
		expect((await check(entry(0), { checkpoint: vectors.unwitnessed })).at(-1)).toMatchObject({ name: 'witness', state: 'lacking', why: 'unwitnessed' });
		expect((await check(entry(0), { trust: { ...trust, witnesses: [] } })).at(-1)).toMatchObject({ state: 'lacking' });
	});
});

describe('whatever single byte is changed', { timeout: 120_000 }, () => {
	test('of the record, the first step fails', async () => {
		const one = entry(137);
		for (const at of places(one.record!)) expect(end(await check({ ...one, record: flipped(one.record!, at) })), String(at)).toBe('commitment failed');
	});
	test('of its key, the first step fails', async () => {
		const one = entry(137);
		for (const at of places(one.dek!)) expect(end(await check({ ...one, dek: flipped(one.dek!, at) })), String(at)).toBe('commitment failed');
	});
	test('of the leaf, a step fails, also when the record is gone', async () => {
		const one = { ...entry(137), record: null, dek: null };
		for (const at of places(one.leaf)) expect(end(await check({ ...one, leaf: flipped(one.leaf, at) })), String(at)).toMatch(/^(commitment|leaf|inclusion) failed$/);
	});
	test('of the checkpoint, a step fails: signature, root or witness', async () => {
		const whole = utf8(vectors.checkpoint);
		const passed: string[] = [];
		for (const at of places(whole)) {
			const given = new TextDecoder('utf-8').decode(flipped(whole, at));
			const steps = await check(entry(137), { checkpoint: given });
			// a witness whose line names another key is no longer the witness we know: then the other one stands alone
			if (steps.at(-1)!.state === 'done' && steps.at(-1)!.facts.count === 2) passed.push(`${at}: ${given}`);
		}
		expect(passed).toEqual([]);
	});
	test('of a tile on the way, the root is not reached', async () => {
		for (const path of Object.keys(tiles)) {
			const bytes = fromHex(tiles[path]!);
			for (let at = 0; at < bytes.length; at += 32) {
				const bad = async (asked: string) => (asked === path ? flipped(bytes, at + (at % 31)) : read(asked));
				expect(end(await check(entry(137), { read: bad })), `${path} ${at}`).toMatch(at === 137 * 32 && path === 'tile/0/000' ? /done/ : path === 'tile/1/000.p/1' ? /done/ : /inclusion failed/);
			}
		}
	});
});

describe('what is not the log that we know', () => {
	test('another index fails', async () => {
		for (const index of [0, 136, 138, 255, 256, 299]) expect(end(await check({ ...entry(137), index }))).toBe('inclusion failed');
	});
	test('another log fails, and so does another key of the same name', async () => {
		expect(end(await check({ ...entry(0), origin: 'saqtau.example/03/access/2026' }))).toBe('signature failed');
		const key = await parseKey(vectors.log);
		const other = concat(Uint8Array.of(1), flipped(key.key, 3));
		const id = toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', concat(utf8(`${key.name}\n`), other))).slice(0, 4));
		expect(end(await check(entry(0), { trust: { ...trust, log: `${key.name}+${id}+${toBase64(other)}` } }))).toBe('signature failed');
	});
	test('a witness key is no log key, nor the other way round', async () => {
		const note = parseNote(vectors.checkpoint);
		expect(await checkSignature(note, await parseKey(vectors.witnesses[0]!))).toBeUndefined();
		expect(await checkCosignature(note, await parseKey(vectors.log))).toBeUndefined();
	});
	test('a second, wrong signature under a known name spoils the note', async () => {
		const line = vectors.checkpoint.trimEnd().split('\n').at(-1)!;
		const raw = fromBase64(line.split(' ')[2]!);
		const forged = `${vectors.checkpoint}\u2014 ${line.split(' ')[1]} ${toBase64(flipped(raw, 40))}\n`;
		expect(end(await check(entry(0), { checkpoint: forged }))).toBe('witness failed');
	});
	test('a key of small order, for which anybody can sign, is refused', async () => {
		const weak = ['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`, `ec${'ff'.repeat(31)}`, '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'];
		for (const hex of weak) {
			const raw = concat(Uint8Array.of(1), fromHex(hex));
			const id = toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', concat(utf8('log\n'), raw))).slice(0, 4));
			await expect(parseKey(`log+${id}+${toBase64(raw)}`), hex).rejects.toThrow('anybody');
		}
	});
	test('a record with a field twice fails, though it is the one that was committed to', async () => {
		const one = entry(137);
		const record = utf8('{"action":"picture.read","viewer":"somebody","viewer":"nobody"}');
		const c = toHex(await commitment(one.dek!, record));
		const leaf = utf8(`{"c":"${c}","class":"view","day":"2026-11-24","rc":"access_1y","v":1}`);
		expect(end(await check({ ...one, record, leaf }))).toBe('commitment failed');
	});
	test('a tile that does not come is trouble of the way, not a finding', async () => {
		await expect(check(entry(0), { read: () => Promise.reject(new Error('gone')) })).rejects.toThrow('gone');
	});
});

describe('the tree', () => {
	const hashes = Array.from({ length: 300 }, (_, at) => fromHex((tiles[at < 256 ? 'tile/0/000' : 'tile/0/001.p/44']!).slice((at % 256) * 64, (at % 256) * 64 + 64)));
	const smaller = async (path: string): Promise<Bytes> => {
		const [, level, tile, width] = /^tile\/(\d)\/(\d{3})(?:\.p\/(\d+))?$/.exec(path)!;
		if (level === '1') return read('tile/1/000.p/1');
		return concat(...hashes.slice(Number(tile) * 256, Number(tile) * 256 + Number(width ?? 256)));
	};
	test.each(Object.entries(vectors.roots))('of %s leaves has the root that the ledger gives it, from every leaf', async (text, root) => {
		const size = Number(text);
		for (const index of new Set([0, 1, 2, size >> 1, size - 2, size - 1, 255, 256].filter((at) => at >= 0 && at < size))) {
			const proof = await new Tiles(smaller, size).inclusion(index);
			expect(await verifyInclusion(hashes[index]!, index, size, proof, fromHex(root)), `${index} of ${size}`).toBe(true);
			expect(await verifyInclusion(hashes[index]!, index, size, proof.slice(1), fromHex(root))).toBe(size === 1);
			expect(await verifyInclusion(hashes[index]!, index, size, [...proof, hashes[0]!], fromHex(root))).toBe(false);
			if (size > 1) expect(await verifyInclusion(hashes[index]!, index + 1, size, proof, fromHex(root))).toBe(false);
		}
	});
	test('hashes leaves and nodes apart', async () => {
		expect(toHex(await leafHash(utf8('')))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'); // RFC 6962
		expect(await leafHash(concat(hashes[0]!, hashes[1]!))).not.toEqual(await nodeHash(hashes[0]!, hashes[1]!));
	});
	test('names its tiles as C2SP does', () => {
		expect(tilePath(0, 1_234_067, 256)).toBe('tile/0/x001/x234/067');
		expect(tilePath(2, 5, 17)).toBe('tile/2/005.p/17');
	});
	test('has no leaf outside of itself', async () => {
		for (const index of [-1, 300, 0.5, NaN, 2 ** 53]) await expect(new Tiles(read, 300).inclusion(index)).rejects.toBeInstanceOf(Malformed);
	});
	test('refuses a tile that is shorter than it should be', async () => {
		expect(end(await check(entry(0), { read: async (path) => (await read(path)).slice(32) }))).toBe('inclusion failed');
	});
});

describe('what cannot be read is refused', () => {
	test.each([
		['', 'nothing'], ['abc', 'no empty line'], ['a\n\n', 'no signature'], ['a\n\n- name AAAAAAAA\n', 'a dash for a long dash'],
		['a\n\n\u2014 name AAAA\n', 'a short signature'], ['a\tb\n\n\u2014 name AAAAAAAA\n', 'a control letter'], ['a\n\n\u2014 name AAAAAAAA', 'a cut end']
	])('as a note: %j (%s)', (given) => expect(() => parseNote(given)).toThrow(Malformed));
	test.each(['', 'a', 'o\n01\nAAAA\n', 'o\n-1\nAAAA\n', 'o\n1\nAAAA\n', '\n1\nAAAA\n', 'o\n99999999999999999\nAAAA\n'])('as a checkpoint: %j', (given) => expect(() => parseCheckpoint(given)).toThrow(Malformed));
	test.each(['AA', 'AA=A', 'AB==', 'A A=', '%%%%'])('as base64: %j', (given) => expect(() => fromBase64(given)).toThrow(Malformed));
	test.each(['{"c":1}', '{"class":"view"}', `{"c":"${'0'.repeat(64)}","class":"view","day":"2026-11-24","rc":"a","v":1} `, `{"c":"${'0'.repeat(64)}","class":"view","day":"2026-11-24","rc":"a","v":2}`])('as a leaf: %s', (given) =>
		expect(() => parseLeaf(utf8(given))).toThrow(Malformed)
	);
	test.each([
		'', '[]', 'null', '{"v":2}', files['0']!.replace('"v":1', '"v":3'), files['0']!.replace('#0', '#1'), files['0']!.replace('index 0', 'index 00'),
		files['0']!.replace('tlog-proof@v1', 'tlog-proof@v2'), files['0']!.replace(/"dek":"../, '"dek":"zz'), files['0']!.replace(/"dek":"[0-9a-f]+"/, '"dek":7')
	])('as an entry file: %#', (given) => expect(() => parseEntryFile(given)).toThrow(Malformed));
	test.each(['', '7', '[]', 'null', '{"a":1,"a":1}', '{"a":{"b":[{"c":1,"c":2}]}}', '{"a":"x","\\u0061":2}'])('as a record: %s', (given) => expect(() => parseRecord(utf8(given))).toThrow(Malformed));
	test('but a record whose texts look like fields is read', () => {
		for (const given of ['{}', '{"a":"\\"b\\":1","c":["x:","y\\\\"],"d":{"e":{}}}', '{"a":":"}']) expect(parseRecord(utf8(given))).toEqual(JSON.parse(given));
	});
	test('as a key: a short id that is not its own', async () => {
		await expect(parseKey(vectors.log.replace(/\+[0-9a-f]{8}\+/, '+00000000+'))).rejects.toBeInstanceOf(Malformed);
		await expect(parseKey('name')).rejects.toBeInstanceOf(Malformed);
	});
	test('and the proof inside a file is the one that the tiles give', async () => {
		const proof = parseProof(JSON.parse(files['137']!).proof as string);
		expect(proof.hashes).toEqual(await new Tiles(read, 300).inclusion(137));
		expect(proof.checkpoint).toBe(vectors.checkpoint);
	});
});
