import { describe, expect, test } from 'vitest';
import { bearing, metres, sideOf } from '../src/tablet/bearing';
import { alreadyTaken, BATCH, drainActions, drainFixes, type Action, type Sent, type Store } from '../src/tablet/outbox';
import { base64, canonical, fixFrom, rounded, type Fix } from '../src/tablet/positions';
import type { Item } from '../src/types';

const fix = (seq: number, given: Partial<Fix> = {}): Fix => ({ seq, at: 1_764_000_000_000 + seq, lat: 43.25, lon: 76.9, accuracy: 4.2, speed: null, heading: 90, battery: 0.5, mock: false, ...given });

/** The store's contract, kept in memory: what IndexedDB does on the tablet. */
function memory<T>(key: (value: T) => number): Store<T> & { values: T[] } {
	const values: T[] = [];
	return {
		values,
		put: async (value) => void values.push(value),
		first: async (limit) => values.slice(0, limit),
		remove: async (upTo) => void values.splice(0, values.findLastIndex((value) => key(value) <= key(upTo)) + 1),
		count: async () => values.length
	};
}

describe('the words a tablet signs', () => {
	test('are the device and one line a fix, with absent figures empty', () => {
		expect(canonical('T-1', [fix(1), fix(2, { lat: -1.5, accuracy: null, speed: 61.456, heading: null, battery: null, mock: true })])).toBe(
			'saqtau-positions-v1\nT-1\n1,1764000000001,43.2500000,76.9000000,4.20,,90.00,0.50,0\n2,1764000000002,-1.5000000,76.9000000,,61.46,,,1'
		);
	});
	test('are the words of the figures that are sent: rounding comes first and changes nothing twice', () => {
		const exact = fix(3, { lat: 43.123456789, lon: 76.987654321, speed: 12.3456, heading: 0.005 });
		const sent = JSON.parse(JSON.stringify(rounded(exact))) as Fix;
		expect(canonical('T', [sent])).toBe(canonical('T', [rounded(sent)]));
		expect(sent.lat).toBe(43.1234568);
	});
	test('can be checked with the public key, and not after a figure was changed', async () => {
		const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
		const how = { name: 'ECDSA', hash: 'SHA-256' };
		const bytes = (fixes: Fix[]) => new TextEncoder().encode(canonical('T', fixes));
		const signature = await crypto.subtle.sign(how, pair.privateKey, bytes([fix(1)]));
		expect(signature.byteLength).toBe(64);
		expect(base64(signature)).toHaveLength(88);
		expect(await crypto.subtle.verify(how, pair.publicKey, signature, bytes([fix(1)]))).toBe(true);
		expect(await crypto.subtle.verify(how, pair.publicKey, signature, bytes([fix(1, { lon: 76.9000001 })]))).toBe(false);
	});
	test('a browser measures metres a second and calls an unknown heading NaN', () => {
		const coords = { latitude: 1, longitude: 2, accuracy: 3, speed: 10, heading: NaN } as GeolocationCoordinates;
		expect(fixFrom(7, { timestamp: 5.5, coords }, null)).toEqual({ seq: 7, at: 6, lat: 1, lon: 2, accuracy: 3, speed: 36, heading: null, battery: null, mock: false });
	});
});

describe('positions that wait', () => {
	test('leave in batches and only as far as the server has them', async () => {
		const store = memory<Fix>(({ seq }) => seq);
		for (let seq = 1; seq <= BATCH + 20; seq++) await store.put(fix(seq));
		const posted: number[] = [];
		await drainFixes(store, async (fixes) => {
			posted.push(fixes.length);
			return fixes.at(-1)!.seq;
		});
		expect(posted).toEqual([BATCH, 20]);
		expect(store.values).toEqual([]);
	});
	test('stay when there is no answer, or when the server is behind', async () => {
		const store = memory<Fix>(({ seq }) => seq);
		await store.put(fix(5));
		await drainFixes(store, async () => null);
		await drainFixes(store, async () => 4);
		expect(store.values.map(({ seq }) => seq)).toEqual([5]);
	});
	test('that the server will never take do not hold up the others', async () => {
		const store = memory<Fix>(({ seq }) => seq);
		for (let seq = 1; seq <= 20; seq++) await store.put(fix(seq));
		const taken: number[] = [];
		await drainFixes(store, async (fixes) => {
			if (fixes.some(({ seq }) => seq === 7)) return 'invalid';
			taken.push(...fixes.map(({ seq }) => seq));
			return fixes.at(-1)!.seq;
		});
		expect(taken).toEqual(Array.from({ length: 20 }, (_, at) => at + 1).filter((seq) => seq !== 7));
		expect(store.values).toEqual([]);
	});
	test('of a batch taken in part the rest is sent again', async () => {
		const store = memory<Fix>(({ seq }) => seq);
		for (const seq of [1, 2, 3]) await store.put(fix(seq));
		const sent: number[][] = [];
		await drainFixes(store, async (fixes) => {
			sent.push(fixes.map(({ seq }) => seq));
			return sent.length === 1 ? 2 : 3;
		});
		expect(sent).toEqual([[1, 2, 3], [3]]);
	});
});

describe('an answer through a network loss', () => {
	const action = (id: string): Action => ({ id, item: 'i', rev: 1, edge: 'accept', data: {}, at: 1_000_000 });
	const order = (one: Action) => Number(one.id);
	test('waits, in its order, until the network is back', async () => {
		const store = memory<Action>(order);
		await store.put(action('1'));
		await store.put(action('2'));
		const tried: string[] = [];
		const send = (answer: Sent) => async (one: Action) => (tried.push(one.id), answer);
		await drainActions(store, send({ kind: 'lost' }));
		expect(tried).toEqual(['1']);
		expect(store.values).toHaveLength(2);
		await drainActions(store, send({ kind: 'taken' }));
		expect(tried).toEqual(['1', '1', '2']);
		expect(store.values).toEqual([]);
	});
	test('that is refused does not block the next one and is told', async () => {
		const store = memory<Action>(order);
		await store.put(action('1'));
		await store.put(action('2'));
		const refused = await drainActions(store, async (one) => (one.id === '1' ? { kind: 'refused', why: 'conflict' } : { kind: 'taken' }));
		expect(refused.map(({ why }) => why)).toEqual(['conflict']);
		expect(store.values).toEqual([]);
	});
	test('that comes back as stale was taken if the item shows our edge, by us, since then', () => {
		const entry = { rev: 2, at: 1_000_500, edge: 'accept', start: 'offered', to: 'accepted', actor: 'me', role: 'patrol', purpose: null, data: {}, warnings: [] };
		const item = (log: Item['log']) => ({ log }) as Item;
		expect(alreadyTaken(action('1'), item([entry]), 'me')).toBe(true);
		expect(alreadyTaken(action('1'), item([{ ...entry, actor: 'other' }]), 'me')).toBe(false);
		expect(alreadyTaken(action('1'), item([{ ...entry, edge: 'withdraw' }]), 'me')).toBe(false);
		expect(alreadyTaken(action('1'), item([{ ...entry, rev: 1 }]), 'me')).toBe(false);
	});
});

test('an item that has passed to others hides its log: a refusal is then done, an acceptance was not taken', () => {
	const gone = { log: [] } as unknown as Item;
	const action = (edge: string): Action => ({ id: '1', item: 'i', rev: 1, edge, data: {}, at: 0 });
	expect(alreadyTaken(action('refuse'), gone, 'me')).toBe(true);
	expect(alreadyTaken(action('accept'), gone, 'me')).toBe(false);
});

describe('where to look', () => {
	const here = { lat: 43.25, lon: 76.9 };
	test('bearings are clockwise from north', () => {
		expect(bearing(here, { lat: 43.26, lon: 76.9 })).toBeCloseTo(0, 3);
		expect(bearing(here, { lat: 43.25, lon: 76.91 })).toBeCloseTo(90, 1);
		expect(bearing(here, { lat: 43.24, lon: 76.9 })).toBeCloseTo(180, 3);
		expect(metres(here, { lat: 43.26, lon: 76.9 })).toBeCloseTo(1_111.9, 0);
	});
	test('the arrow turns with the car and the word agrees with it', () => {
		expect(sideOf(90, 0)).toEqual({ turn: 90, side: 'right' });
		expect(sideOf(90, 90)).toEqual({ turn: 0, side: 'ahead' });
		expect(sideOf(10, 100).side).toBe('left');
		expect(sideOf(350, 0).side).toBe('ahead');
		expect(sideOf(180, 0).side).toBe('behind');
	});
	test('without an own heading no side is claimed', () => {
		expect(sideOf(90, null)).toEqual({ turn: 90, side: null });
	});
});
