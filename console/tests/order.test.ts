import { describe, expect, test } from 'vitest';
import { byNeed, isOpen, merged, neighbour, severity, shareLeft, termMillis } from '../src/queue/order';
import type { DeskSpec, ItemLine } from '../src/types';

const desk: DeskSpec = {
	name: 'dangerous_drivers',
	openings: [],
	purposes: [],
	edges: [],
	states: { seeking: { owner: 'operator', within: 'PT1M40S' }, closed: { owner: null, within: null, end: true } }
};
const line = (given: Partial<ItemLine>): ItemLine => ({
	id: 'a', desk: desk.name, state: 'seeking', rev: 1, region: 2, priority: 5, opened: 0, due: null, owner: 'operator', unit: null, title: {}, lon: null, lat: null, parent: null, ...given
});

describe('the order of the queue', () => {
	test('danger to life stands above a shorter deadline of something else', () => {
		const queue = [line({ id: 'soon', priority: 3, due: 10 }), line({ id: 'life', priority: 0, due: 9_000 })];
		expect(queue.sort(byNeed).map(({ id }) => id)).toEqual(['life', 'soon']);
	});
	test('within one urgency the least time left comes first, and no deadline comes last', () => {
		const queue = [line({ id: 'none' }), line({ id: 'late', due: 900 }), line({ id: 'soon', due: 100 })];
		expect(queue.sort(byNeed).map(({ id }) => id)).toEqual(['soon', 'late', 'none']);
	});
	test('two without a deadline stand in the order they were opened, whatever order they came in', () => {
		const older = line({ id: 'z', opened: 1 });
		const newer = line({ id: 'a', opened: 2 });
		expect([newer, older].sort(byNeed)).toEqual([older, newer]);
		expect([older, newer].sort(byNeed)).toEqual([older, newer]);
	});
	test('the order is total: any shuffle sorts to the same queue', () => {
		const all = Array.from({ length: 60 }, (_, at) => line({ id: `i${at}`, priority: at % 3, due: at % 4 ? 1_000 - (at % 7) : null, opened: at % 5 }));
		const once = [...all].sort(byNeed);
		for (let turn = 0; turn < 20; turn++) {
			const shuffled = all.map((one, at) => ({ one, key: Math.sin(at * 97 + turn * 13) })).sort((a, b) => a.key - b.key).map(({ one }) => one);
			expect(shuffled.sort(byNeed)).toEqual(once);
		}
	});
});

describe('time left', () => {
	test('a term by the clock is read, one by working days has no seconds', () => {
		expect(termMillis('PT15S')).toBe(15_000);
		expect(termMillis('P1DT2H')).toBe(93_600_000);
		expect(termMillis('P3WD')).toBeNull();
		expect(termMillis(null)).toBeNull();
		expect(termMillis('P')).toBeNull();
	});
	test('the bar drains over the term of the state, not over the life of the item', () => {
		expect(shareLeft(line({ opened: -1e9, due: 50_000 }), desk, 0)).toBe(0.5);
		expect(shareLeft(line({ due: -1 }), desk, 0)).toBe(0);
		expect(shareLeft(line({}), desk, 0)).toBeNull();
	});
	test('amber is only for a deadline that is near, red only for danger to life', () => {
		expect(severity(line({ due: 25_000 }), desk, 0)).toBe('deadline');
		expect(severity(line({ due: 26_000 }), desk, 0)).toBe('routine');
		expect(severity(line({ priority: 0, due: 99_000 }), desk, 0)).toBe('danger');
		expect(severity(line({ priority: 2, due: 99_000 }), desk, 0)).toBe('urgent');
		expect(severity(line({ priority: 4, due: null }), desk, 0)).toBe('routine');
	});
});

describe('news', () => {
	const find = () => desk;
	test('a newer revision replaces, a late older one is ignored', () => {
		const queue = merged([line({ rev: 3, unit: 'P-1' })], [line({ rev: 2, unit: 'P-0' })], find);
		expect(queue[0]?.unit).toBe('P-1');
		expect(merged(queue, [line({ rev: 4, unit: 'P-2' })], find)[0]?.unit).toBe('P-2');
	});
	test('a closed item leaves the queue', () => {
		expect(merged([line({})], [line({ rev: 2, state: 'closed', owner: null })], find)).toEqual([]);
	});
	test('of a desk that this page does not know, an item is open while somebody owns it', () => {
		expect(isOpen(line({ state: 'strange' }), undefined)).toBe(true);
		expect(isOpen(line({ state: 'strange', owner: null }), undefined)).toBe(false);
	});
	test('moving by key goes from the item in hand, and stays at the ends', () => {
		const queue = ['a', 'b', 'c'].map((id) => line({ id }));
		expect(neighbour(queue, 'b', 1)).toBe('c');
		expect(neighbour(queue, 'c', 1)).toBe('c');
		expect(neighbour(queue, null, 1)).toBe('a');
		expect(neighbour(queue, 'gone', -1)).toBe('c');
		expect(neighbour([], 'a', 1)).toBeNull();
	});
});
