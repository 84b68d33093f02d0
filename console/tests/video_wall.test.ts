import { describe, expect, test } from 'vitest';
import type { VideoCamera } from '../src/video/ask';
import { allPurposes, lookFor, purposesFor } from '../src/video/look';
import { around, byNeed, chosen, covers, gridFor, layoutFor, moved, ownWalls, page, presetsOf } from '../src/video/wall';

const camera = (id: string, more: Partial<VideoCamera> = {}): VideoCamera => ({
	id, site: 'S1', name: `Camera ${id}`, region: 2, place: 'street', room: null, lat: 43.25, lon: 76.9, heading: null, field_of_view: 70, reach: 40, audio: false,
	keep_days: 30, state: 'well', since: null, kind: null, oldest: null, watchers: 0, item: null, ...more
});

describe('the reason to look', () => {
	test('an operator watches his streets on duty, and nothing else without an incident', () => {
		expect(purposesFor(['operator'], 'street', false)).toEqual(['duty', 'incident']);
		expect(purposesFor(['operator'], 'street', true)).toEqual(['incident']);
		expect(purposesFor(['operator'], 'school', false)).toEqual(['incident']);
	});
	test('who answers for a school or for custody sees its past too', () => {
		expect(purposesFor(['school_officer'], 'school', true)).toEqual(['duty']);
		expect(purposesFor(['school_officer'], 'police_office', true)).toEqual([]);
		expect(purposesFor(['custody_supervisor'], 'penal_colony', true)).toEqual(['duty']);
	});
	test('an administrator has none', () => {
		expect(allPurposes(['administrator'])).toEqual([]);
	});
	test('what was chosen once holds where it may, and a case without number is no reason', () => {
		const incident = { purpose: 'incident', case: 'i-1' };
		expect(lookFor(['operator'], 'school', false, incident)).toEqual(incident);
		expect(lookFor(['operator'], 'street', false, null)).toEqual({ purpose: 'duty', case: '' });
		expect(lookFor(['operator'], 'street', true, null)).toBeNull();
		expect(lookFor(['inspector'], 'street', true, { purpose: 'case', case: '' })).toBeNull();
		expect(lookFor(['prosecutor'], 'penal_colony', true, null)).toEqual({ purpose: 'oversight', case: '' });
	});
	test('a reason that does not reach a camera is not taken for it', () => {
		expect(lookFor(['school_officer'], 'street', false, { purpose: 'duty', case: '' })).toBeNull();
	});
});

describe('presets', () => {
	test('there is one for each kind of place that has cameras, and one for each of several sites', () => {
		const all = [camera('a', { site: 'X' }), camera('b', { site: 'X' }), camera('c', { site: 'Y' }), camera('d', { place: 'school' })];
		expect(presetsOf(all).map(({ id, cameras }) => [id, cameras])).toEqual([['street', ['a', 'b', 'c']], ['street/X', ['a', 'b']], ['school', ['d']], ['all', ['a', 'b', 'c', 'd']]]);
	});
	test('an incident brings the cameras that see it, then the nearest', () => {
		const north = 0.0001; // 11 m
		const all = [
			camera('far', { lat: 43.27 }),
			camera('near', { lat: 43.25 + 5 * north }),
			camera('sees', { lat: 43.25 - 2 * north, heading: 0 }),
			camera('turned', { lat: 43.25 - 1 * north, heading: 180 })
		];
		expect(around(all, 76.9, 43.25).map(({ id }) => id)).toEqual(['sees', 'turned', 'near']);
	});
	test('a camera covers what lies in its angle and its reach', () => {
		const one = camera('a', { heading: 350, field_of_view: 40, reach: 50 });
		expect(covers(one, 76.9, 43.2503)).toBe(true);
		expect(covers(one, 76.9003, 43.25)).toBe(false);
		expect(covers(one, 76.9, 43.2506)).toBe(false);
	});
});

describe('the wall', () => {
	test('takes the smallest layout that shows all', () => {
		expect([1, 2, 5, 10, 40].map(layoutFor)).toEqual([1, 4, 9, 16, 16]);
	});
	test('leaves no row and no column of the screen empty', () => {
		expect([0, 1, 2, 4, 5, 9, 12, 13, 16].map((count) => Object.values(gridFor(count)))).toEqual([[1, 1], [1, 1], [2, 1], [2, 2], [3, 2], [3, 3], [4, 3], [4, 4], [4, 4]]);
	});
	test('turns its pages both ways', () => {
		const ids = ['a', 'b', 'c', 'd', 'e'];
		expect(page(ids, 4, 0)).toEqual({ shown: ['a', 'b', 'c', 'd'], pages: 2, number: 0 });
		expect(page(ids, 4, -1)).toEqual({ shown: ['e'], pages: 2, number: 1 });
		expect(page([], 4, 3)).toEqual({ shown: [], pages: 1, number: 0 });
	});
	test('the focus moves over the tiles and never off them', () => {
		expect(moved(0, 'ArrowRight', 4, 16)).toBe(1);
		expect(moved(3, 'ArrowRight', 4, 16)).toBe(3);
		expect(moved(1, 'ArrowUp', 4, 16)).toBe(1);
		expect(moved(13, 'ArrowDown', 4, 14)).toBe(13);
		expect(moved(5, 'Home', 4, 16)).toBe(0);
		expect(moved(5, 'x', 4, 16)).toBe(5);
	});
	test('cameras that need somebody stand first', () => {
		const all = [camera('well'), camera('off', { state: 'disabled', since: 1 }), camera('dark-2', { state: 'dark', since: 9 }), camera('dark-1', { state: 'dark', since: 3 }), camera('moved', { state: 'tampered', since: 2 })];
		expect([...all].sort(byNeed).map(({ id }) => id)).toEqual(['dark-1', 'dark-2', 'moved', 'off', 'well']);
		expect(chosen(all, { text: 'CAMERA dark', place: '', state: '' }).map(({ id }) => id)).toEqual(['dark-1', 'dark-2']);
		expect(chosen(all, { text: '', place: 'school', state: '' })).toEqual([]);
	});
	test('walls kept on a device may be anything, and break nothing', () => {
		expect(ownWalls(null)).toEqual([]);
		expect(ownWalls('{')).toEqual([]);
		expect(ownWalls('[{"name":1},{"name":"night","cameras":["a"]},{"name":"x","cameras":[1]}]')).toEqual([{ name: 'night', cameras: ['a'] }]);
	});
});
