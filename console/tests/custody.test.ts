import { describe, expect, test } from 'vitest';
import { darkOf, footageOf } from '../src/custody/footage';
import { bySite, deskOf, lifeOf, LIVES, openingsFor, pageOf } from '../src/custody/lives';
import { bars, DAY, dayStart, HOUR, missingRuns, runs, share, worstFirst } from '../src/custody/minutes';
import { planOf, wedge } from '../src/custody/places';
import { spanAround } from '../src/custody/span';
import { fields, answer } from '../src/item/schema';
import type { DeskSpec, ItemLine } from '../src/types';
import type { VideoCamera } from '../src/video/ask';

describe('the minutes of a camera', () => {
	test('become runs of one state each, and no minute is lost', () => {
		expect(runs('11155100')).toEqual([
			{ state: 'recorded', from: 0, to: 3 },
			{ state: 'unexplained', from: 3, to: 5 },
			{ state: 'recorded', from: 5, to: 6 },
			{ state: 'unknown', from: 6, to: 8 }
		]);
		expect(runs('')).toEqual([]);
		expect(runs('9x').map(({ state }) => state)).toEqual(['unknown']);
	});
	test('are drawn without what is not known yet', () => {
		expect(bars('1500')).toEqual([
			{ state: 'recorded', left: 0, width: 0.25 },
			{ state: 'unexplained', left: 0.25, width: 0.25 }
		]);
	});
	test('that are missing are listed whether anybody explained them or not', () => {
		expect(missingRuns('1561473').map(({ state }) => state)).toEqual(['unexplained', 'explained', 'maintenance']);
		expect(missingRuns('1118811').map(({ state }) => state)).toEqual(['fetched']);
		expect(share({ recorded: 9, fetched: 1 })).toBe(0.9);
	});
	test('put the darkest camera first and leave the others in their order', () => {
		const cameras = [{ id: 'a', minutes: '111' }, { id: 'b', minutes: '155' }, { id: 'c', minutes: '151' }, { id: 'd', minutes: '111' }];
		expect(worstFirst(cameras).map(({ id }) => id)).toEqual(['b', 'c', 'a', 'd']);
	});
	test('count as recorded out of what should have been: announced work is left out, an explanation is not', () => {
		expect(share({ recorded: 90, partly: 5, unexplained: 5, maintenance: 100 })).toBe(0.95);
		expect(share({ recorded: 1, explained: 1 })).toBe(0.5);
		expect(share({ unknown: 10 })).toBeNull();
	});
	test('begin with the day of the clock on the wall, in a zone with half hours too', () => {
		const now = Date.UTC(2026, 10, 24, 14, 3);
		const hour = (shift: number) => (at: number) => Math.floor((((at + shift) % DAY) + DAY) % DAY / HOUR);
		expect(dayStart(now, hour(0))).toBe(Date.UTC(2026, 10, 24));
		expect(dayStart(now, hour(5 * HOUR))).toBe(Date.UTC(2026, 10, 23, 19));
		expect(dayStart(now, hour(5.5 * HOUR)) % HOUR).toBe(0);
	});
});

const line = (state: string, title: ItemLine['title'], more: Partial<ItemLine> = {}): ItemLine => ({ id: state, desk: 'custody', state, rev: 0, region: 2, priority: 2, opened: 0, due: null, owner: 'prosecutor', unit: null, title, lon: null, lat: null, parent: null, ...more });

describe('what waits at a place', () => {
	test('is told by what it is', () => {
		expect(lifeOf('unexplained')).toBe('outage');
		expect(lifeOf('tolerated')).toBe('blind');
		expect(lifeOf('nothing')).toBeNull();
		expect(LIVES.length).toBe(6);
	});
	test('counts darkness that lasts, and a known blind spot is no question', () => {
		const lines = [line('unexplained', { site: 'a', away: 12 }), line('explained', { site: 'a', dark_until: 5 }), line('tolerated', { site: 'a' }), line('reported', { site: 'b' }), line('found', { site: 'b' }, { owner: null })];
		expect([...bySite(lines)]).toEqual([['a', { dark: 12, open: 2 }], ['b', { dark: 0, open: 1 }]]);
	});
	test('is opened by who the desk says', () => {
		const desk = { openings: [{ name: 'report_incident', to: 'reported', by: ['custody_supervisor'], form: null }] } as unknown as DeskSpec;
		expect(openingsFor(desk, ['custody_supervisor'])).toEqual(['report_incident']);
		expect(openingsFor(desk, ['operator'])).toEqual([]);
		expect(openingsFor(undefined, ['operator'])).toEqual([]);
	});
});

const camera = (id: string, lat: number, lon: number): VideoCamera => ({ id, site: 's', name: id, region: 2, place: 'penal_colony', room: null, lat, lon, heading: 90, field_of_view: 70, reach: 40, audio: false, keep_days: 90, state: 'well', since: null, kind: null, oldest: null, watchers: null, item: null });

describe('a plan of what cameras see', () => {
	test('puts north up and east right, and all of it on the paper', () => {
		const plan = planOf([camera('south', 43, 76), camera('north', 43.001, 76), camera('east', 43, 76.001)], [])!;
		const at = Object.fromEntries(plan.wedges.map((one) => [one.id, one]));
		expect(at.north!.y).toBeLessThan(at.south!.y);
		expect(at.east!.x).toBeGreaterThan(at.south!.x);
		for (const one of plan.wedges) expect(one.x >= 0 && one.x <= plan.width && one.y >= 0 && one.y <= plan.height).toBe(true);
	});
	test('is none without cameras and places', () => {
		expect(planOf([], [])).toBeNull();
		expect(planOf([], [line('blind_spot', { what: 'stairs' }, { lat: 43, lon: 76 })])?.spots).toHaveLength(1);
	});
	test('draws a camera whose direction nobody knows as a circle', () => {
		expect(wedge(0, 0, null, 70, 10)).toContain('a 10 10');
		expect(wedge(0, 0, 0, 90, 10)).toBe('M 0 0 L -7.1 -7.1 A 10 10 0 0 1 7.1 -7.1 Z');
	});
});

test('a moment of a form is asked for as day and time and sent as a number', () => {
	const form = fields({ type: 'object', required: ['began'], properties: { began: { type: 'integer', format: 'unix-ms' } } });
	expect(form[0]!.kind).toBe('moment');
	expect(answer(form, { began: 1_790_000_000_000 })).toEqual({ began: 1_790_000_000_000 });
	expect(answer(form, { began: '' })).toEqual({ began: '' });
});

describe('the footage of an item', () => {
	test('is what was tied to it first, then what it names, each once', () => {
		const facts = { camera: 'c1', began: 5, footage: [{ camera: 'c2', began: 9, ended: 10 }, { camera: 'c1', began: 5, ended: 6 }] };
		expect(footageOf(facts)).toEqual([{ camera: 'c2', at: 9 }, { camera: 'c1', at: 5 }]);
		expect(footageOf({ camera: 'c1', dark_since: 100_000 })).toEqual([{ camera: 'c1', at: 40_000 }]);
		expect(footageOf({})).toEqual([]);
	});
	test('of an outage begins before the picture went, what is still dark first', () => {
		const cameras = [{ camera: 'a', name: 'A', since: 100_000, until: 200_000, kind: 'x' }, { camera: 'b', name: 'b', since: 150_000, until: null, kind: 'y' }, 7, null];
		expect(darkOf({ cameras }).map(({ camera, name, at }) => [camera, name, at])).toEqual([['b', 'b', 90_000], ['a', 'A', 40_000]]);
	});
});

test('an item about a camera is shown where its desk is, and to nobody who has no business there', () => {
	expect([deskOf('street'), deskOf('school'), deskOf('police_office'), deskOf('penal_colony')]).toEqual(['street_cameras', 'street_cameras', 'custody', 'custody']);
	const [cell, square] = [{ place: 'penal_colony', site: 'k' } as const, { place: 'street', site: 's' } as const];
	expect(pageOf(['custody_supervisor'], cell)).toEqual(['custody', 'k']);
	expect(pageOf(['operator'], cell)).toBeNull();
	expect(pageOf(['operator'], square)).toEqual(['room']);
	expect(pageOf(['custody_supervisor'], square)).toBeNull();
	expect(pageOf(['school_officer'], square)).toBeNull();
	expect(pageOf(['school_officer'], { place: 'school', site: 's' })).toEqual(['schools']);
	expect(pageOf(['operator', 'school_officer'], { place: 'school', site: 's' })).toEqual(['room']);
});

test('what is kept of a dark camera begins before it went dark, and a moment is kept with the half minute before it', () => {
	const now = 1_795_000_000_500;
	const minutes = 60_000;
	const gap = { began: now - 60 * minutes, ended: now - 50 * minutes };
	expect(spanAround(now - 5 * minutes, now, [gap], null)).toEqual({ began: 1_794_999_700_000 - 30_000, ended: 1_794_999_700_000 });
	expect(spanAround(now - 55 * minutes, now, [gap], null)).toEqual({ began: 1_795_000_000_000 - 75 * minutes, ended: 1_795_000_000_000 - 50 * minutes });
	const open = { began: now - 2 * minutes, ended: null };
	expect(spanAround(now + 9_000, now, [gap, open], null)).toEqual({ began: 1_795_000_000_000 - 17 * minutes, ended: 1_795_000_000_000 });
	expect(spanAround(now, now, [], now - 2 * minutes)).toEqual({ began: 1_795_000_000_000 - 17 * minutes, ended: 1_795_000_000_000 });
});
