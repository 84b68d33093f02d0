import { describe, expect, test } from 'vitest';
import { EDGE, live, Places, replay, wantsMore } from '../src/video/steer';

describe('a live picture', () => {
	test('runs at its own speed while it is at the edge', () => {
		expect(live({ ranges: [[0, 10]], current: 9.8 })).toEqual({ seek: null, rate: 1, trim: null });
	});
	test('runs a little faster when it falls behind, and jumps when it is late', () => {
		expect(live({ ranges: [[0, 10]], current: 9.4 })).toMatchObject({ seek: null, rate: 1.1 });
		expect(live({ ranges: [[0, 10]], current: 8 })).toMatchObject({ seek: 10 - EDGE, rate: 1 });
	});
	test('jumps over a hole to the newest pictures', () => {
		expect(live({ ranges: [[0, 4], [6, 6.1]], current: 4 }).seek).toBe(6);
	});
	test('keeps some seconds of the past and no more', () => {
		expect(live({ ranges: [[0, 25]], current: 24.9 }).trim).toBeNull();
		expect(live({ ranges: [[0, 40]], current: 39.9 }).trim).toBeCloseTo(19.9);
	});
	test('does nothing before there is a picture', () => {
		expect(live({ ranges: [], current: 0 })).toEqual({ seek: null, rate: 1, trim: null });
	});
});

describe('a recording', () => {
	test('goes over a hole to what comes after it, and stands where nothing comes', () => {
		expect(replay({ ranges: [[0, 4], [6, 9]], current: 3.98 }).seek).toBeCloseTo(6.01);
		expect(replay({ ranges: [[0, 4]], current: 3.98 }).seek).toBeNull();
	});
	test('begins where its pictures begin', () => {
		expect(replay({ ranges: [[2, 4]], current: 0 }).seek).toBeCloseTo(2.01);
	});
	test('is fetched only as far ahead as it is looked at', () => {
		expect(wantsMore(10, 0)).toBe(true);
		expect(wantsMore(25, 0)).toBe(false);
		expect(wantsMore(25, 0, 4)).toBe(true);
	});
});

describe('places of fragments', () => {
	test('each lies after the one before, whatever the clock of the camera says', () => {
		const places = new Places();
		expect(places.put(1000, 0.2, 5_000)).toEqual({ offset: -1000, fresh: true });
		expect(places.put(1000.2, 0.2, 5_200)).toEqual({ offset: -1000, fresh: false });
		const jumped = places.put(3, 0.2, 60_000); // reconnected: its time began anew
		expect(jumped.fresh).toBe(true);
		expect(jumped.offset).toBeCloseTo(-2.6);
		expect(places.end).toBeCloseTo(0.6);
	});
	test('jitter of a frame is no jump', () => {
		const places = new Places();
		places.put(10, 0.2, 0);
		expect(places.put(10.21, 0.2, 200).fresh).toBe(false);
		expect(places.put(10.39, 0.2, 400).fresh).toBe(false);
		expect(places.put(10.8, 0.2, 800).fresh).toBe(true);
	});
	test('a media time is an instant, also after a gap', () => {
		const places = new Places();
		places.put(50, 0.2, 1_000_000);
		places.put(50.2, 0.2, 1_000_200);
		places.put(80, 0.2, 1_030_000);
		expect(places.at(0.1)).toBe(1_000_100);
		expect(places.at(0.3)).toBe(1_000_300);
		expect(places.at(0.5)).toBe(1_030_100);
		expect(places.at(2)).toBeNull();
		expect(places.mediaOf(1_030_050)).toBeCloseTo(0.45);
		expect(places.mediaOf(1_010_000)).toBeNull();
		expect(places.edge).toBe(1_030_200);
	});
	test('the same pictures once more lie where they lay', () => {
		const places = new Places();
		for (let at = 0; at < 10; at++) places.put(10 + at * 0.2, 0.2, 1_000 + at * 200);
		const again = places.put(11, 0.2, 2_000);
		expect(again).toEqual({ offset: -10, fresh: false });
		expect(places.end).toBeCloseTo(2);
		expect(places.put(12, 0.2, 3_000).fresh).toBe(false);
	});
	test('nothing shown is no instant', () => {
		expect(new Places().at(0)).toBeNull();
		expect(new Places().edge).toBeNull();
	});
});
