import { describe, expect, test } from 'vitest';
import { clock, dated, isOld, span, tellTimesIn } from '../src/live/age';
import { bandOf, boundsOf, collection, itemFeatures, lineBetween, spokes, unitFeature, unitIcon, wedge } from '../src/map/features';
import { find } from '../src/shell/find';
import type { ItemLine, Unit } from '../src/types';

const unit = (given: Partial<Unit> = {}): Unit => ({ id: 'P-1', callSign: 'Барыс-1', lon: 76.9, lat: 43.2, heading: 10, letter: 'A', at: 1_000, flags: [], item: null, ...given });
const item = { id: 'i', lon: 76.95, lat: 43.25, priority: 2 } as ItemLine;

describe('units on the map', () => {
	test('a silent unit is pale, one without a heading is no arrow', () => {
		expect(unitIcon(unit(), 2_000)).toBe('arrow-A');
		expect(unitIcon(unit(), 92_000)).toBe('arrow-old');
		expect(unitIcon(unit({ at: null }), 0)).toBe('arrow-old');
		expect(unitIcon(unit({ heading: null, letter: 'E' }), 2_000)).toBe('dot-E');
	});
	test('an unknown letter has a picture too', () => expect(unitIcon(unit({ letter: '?' }), 2_000)).toBe('arrow-O'));
	test('a unit without a place is not drawn at a guess', () => expect(unitFeature(unit({ lon: null }), 0)).toBeNull());
	test('heading north is a heading', () => expect(unitFeature(unit({ heading: 0 }), 2_000)?.properties.icon).toBe('arrow-A'));
});

describe('what is drawn for an item', () => {
	const way = [[0.9, 10, [76.8, 43.1, 77.1, 43.3]], [0.2, 90.5, [77.1, 43.3, 77.2, 43.3, 77.2, 43.4]]];
	test('the way ahead is streets with their probability and seconds, the likeliest on top', () => {
		const { features } = bandOf({ band: way });
		expect(features.map(({ properties }) => properties)).toEqual([{ probability: 0.2, seconds: 90.5 }, { probability: 0.9, seconds: 10 }]);
		expect(features[0]!.geometry.coordinates).toEqual([[77.1, 43.3], [77.2, 43.3], [77.2, 43.4]]);
	});
	test('what is no way ahead draws nothing', () => {
		for (const band of ['north', [], [[0.9, 10]], [[0.9, 10, [76.8, 43.1]]], ['x'], null]) expect(bandOf({ band }).features).toEqual([]);
		expect(bandOf(undefined).features).toEqual([]);
	});
	test('without a way, a spoke leads to each proposed unit whose place is known', () => {
		const units = new Map([['P-1', unit()], ['P-2', unit({ id: 'P-2', lon: null })]]);
		const candidates = ['P-1', 'P-2', 'P-3'].map((one) => ({ unit: one, probability: 0.7, seconds: 60, stale: 0 }));
		const found = spokes(item, candidates, units).features;
		expect(found.map(({ properties }) => properties)).toEqual([{ probability: 0.7, seconds: 60 }]);
		expect(found[0]?.geometry.coordinates).toEqual([[76.95, 43.25], [76.9, 43.2]]);
	});
	test('the view holds the item, its way ahead and its unit', () => {
		expect(boundsOf(item, bandOf({ band: way }), unit({ lat: 43 }))).toEqual([76.8, 43, 77.2, 43.4]);
		expect(boundsOf({ ...item, lon: null }, collection([]))).toBeNull();
	});
	test('a line needs both ends', () => {
		expect(lineBetween(unit(), item).features).toHaveLength(1);
		expect(lineBetween(undefined, item).features).toEqual([]);
		expect(lineBetween(unit(), { ...item, lat: null }).features).toEqual([]);
	});
	test('an item without a place stays in the queue only', () => {
		expect(itemFeatures([item, { ...item, lat: null }], () => 'routine').features).toHaveLength(1);
	});
	test('a camera looks the way its lane is driven', () => {
		const ring = wedge({ id: 'c', name: '', lon: 76.9, lat: 43.2, heading: 90, limit: null }).geometry.coordinates[0]!;
		expect(ring[3]![0]).toBeGreaterThan(76.9);
		expect(ring[3]![1]).toBeCloseTo(43.2, 6);
		expect(ring[0]).toEqual(ring.at(-1));
	});
});

describe('age', () => {
	test('time left and time past are told apart', () => {
		expect(span(7_000)).toBe('0:07');
		expect(span(760_000)).toBe('12:40');
		expect(span(11_100_000)).toBe('3:05:00');
		expect(span(-12_000)).toBe('−0:12');
		expect(span(0)).toBe('0:00');
	});
	test('three missed beats are old, two are not', () => {
		expect(isOld(0, 6_000)).toBe(false);
		expect(isOld(0, 6_001)).toBe(true);
	});
	test('times of day have seconds', () => expect(clock(new Date(2026, 10, 24, 14, 3, 7).getTime())).toBe('14:03:07'));
});

describe('the command bar', () => {
	const among = {
		units: [unit(), unit({ id: 'P-11', callSign: 'Барыс-11' })],
		cameras: [{ id: 'CAM-1', name: 'Абай – Төле би', lon: 1, lat: 2, heading: 0, limit: 60 }],
		videos: [{ id: 'K-12', name: 'Вокзал, кіреберіс', site: 'S-1', lon: 5, lat: 6 }, { id: 'K-120', name: 'Саябақ', site: 'S-2', lon: 7, lat: 8 }],
		called: { unit: 'Unit', camera: 'Camera', video: 'Recorded camera' },
		items: [{ id: 'i', words: 'Іздеуде, 777 ABC 02' }],
		places: [{ name: 'улица Абая', lon: 3, lat: 4 }],
		plate: null
	};
	test('finds by any word, in any order, without minding capitals', () => {
		expect(find('төле абай', among)).toMatchObject([{ kind: 'camera', id: 'CAM-1' }]);
		expect(find('777', among)).toMatchObject([{ kind: 'item', id: 'i' }]);
		expect(find('абая', among)).toMatchObject([{ kind: 'place', lon: 3 }]);
		expect(find('p-11', among)).toMatchObject([{ kind: 'unit', id: 'P-11' }]);
	});
	test('finds a recorded camera by what it is called and its number, its name or its site', () => {
		expect(find('camera K-12', among)[0]).toMatchObject({ kind: 'video', id: 'K-12', lon: 5, lat: 6 });
		expect(find('k-12', among).map(({ id }) => id)).toEqual(['K-12', 'K-120']);
		expect(find('вокзал', among)).toMatchObject([{ kind: 'video', id: 'K-12' }]);
		expect(find('s-2', among)).toMatchObject([{ kind: 'video', id: 'K-120' }]);
	});
	test('offers the history of a plate last, and nothing for nothing', () => {
		expect(find('777', { ...among, plate: '777' }).at(-1)).toEqual({ kind: 'plate', id: '777' });
		expect(find('  ', among)).toEqual([]);
	});
});

test('times are told in the zone of the authority, wherever the screen stands', () => {
	const at = Date.UTC(2026, 5, 30, 19, 5, 9);
	tellTimesIn('Asia/Tokyo');
	expect(clock(at)).toBe('04:05:09');
	expect(dated(at, at + 3_600_000)).toBe('04:05:09');
	expect(dated(at, at - 12 * 3_600_000)).toBe('01.07.2026 04:05:09');
	tellTimesIn('America/New_York');
	expect(clock(at)).toBe('15:05:09');
	expect(clock(Date.UTC(2026, 5, 30, 4))).toBe('00:00:00');
	tellTimesIn(undefined);
});
test('a zone that the browser does not know leaves its own time and opens the room', () => {
	const at = Date.UTC(2026, 5, 30, 19, 5, 9);
	tellTimesIn(undefined);
	const own = clock(at);
	tellTimesIn('Nowhere/At_All');
	expect(clock(at)).toBe(own);
});
