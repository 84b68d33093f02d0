import { describe, expect, test } from 'vitest';
import { cone, conesIn, VIDEO_ICONS, videoFeatures } from '../src/map/video';
import type { VideoCamera } from '../src/video/ask';
import { covers } from '../src/video/wall';

const camera = (id: string, given: Partial<VideoCamera> = {}): VideoCamera => ({
	id, site: 'S-1', name: id, region: 2, place: 'street', room: null, lat: 43.2, lon: 76.9, heading: 90, field_of_view: 70, reach: 40, audio: false,
	keep_days: 30, state: 'well', since: null, kind: null, oldest: null, watchers: null, item: null, ...given
});

describe('recorded cameras on the map', () => {
	test('each state has a shape of its own', () => expect(new Set(Object.values(VIDEO_ICONS)).size).toBe(5));
	test('a cluster can tell how many of it are dark or tampered with', () => {
		const drawn = videoFeatures([camera('a'), camera('b', { state: 'dark' }), camera('c', { state: 'tampered' }), camera('d', { state: 'waiting' }), camera('e', { state: 'disabled' })]);
		expect(drawn.features.map(({ properties }) => properties!.bad)).toEqual([0, 1, 1, 0, 0]);
	});
	test('the cone is what the wall takes the camera to see: inside it is covered, outside it is not', () => {
		for (const heading of [0, 33, 180, 350]) {
			const one = camera('a', { heading });
			const ring = cone(one).geometry.coordinates[0]!;
			expect(ring[0]).toEqual(ring.at(-1));
			for (const [lon, lat] of ring.slice(1, -1)) {
				const inward = (part: number) => covers(one, one.lon + (lon! - one.lon) * part, one.lat + (lat! - one.lat) * part);
				expect(inward(1.02)).toBe(false);
			}
			const [lon, lat] = ring[Math.floor(ring.length / 2)]!;
			expect(covers(one, one.lon + (lon! - one.lon) * 0.98, one.lat + (lat! - one.lat) * 0.98)).toBe(true);
		}
	});
	test('a camera without a heading sees all around, in a closed ring', () => {
		const ring = cone(camera('a', { heading: null })).geometry.coordinates[0]!;
		expect(ring[0]).toEqual(ring.at(-1));
		expect(ring.length).toBe(37);
	});
	test('cones are drawn of what is in sight, and of nothing where they would be one grey', () => {
		const many = Array.from({ length: 500 }, (_, at) => camera(`c-${at}`, { lon: 76.9 + at / 10_000 }));
		expect(conesIn(many, [76.8999, 43, 76.9051, 44]).features.length).toBe(52);
		expect(conesIn(many, [76, 43, 77, 44]).features).toEqual([]);
	});
});
