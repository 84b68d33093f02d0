import { describe, expect, test } from 'vitest';
import type { GapLine, Timeline } from '../src/video/ask';
import { barOf, fetchedAt, fetchedBars, gapAt, gapBars, instantAt, marks, missing, nextPiece, recordedBars, samples, zoomed } from '../src/video/timeline';

const gap = (began: number, ended: number | null, kind = 'source_silent'): GapLine => ({ id: `${began}`, began, ended, kind, packets: null, by: null, why: null, item: null });
const line = (more: Partial<Timeline> = {}): Timeline => ({ now: 1_000, recorded: [], gaps: [], holds: [], oldest: null, ...more });
const range = { from: 0, to: 1_000 };

describe('a strip of time', () => {
	test('shows the part that lies in it', () => {
		expect(barOf(-500, 250, range)).toEqual({ left: 0, width: 0.25 });
		expect(barOf(1_000, 1_200, range)).toBeNull();
		expect(barOf(-10, 0, range)).toBeNull();
	});
	test('joins what was recorded without a break', () => {
		expect(recordedBars(line({ recorded: [[500, 900], [0, 250], [250, 400]] }), range)).toEqual([{ left: 0, width: 0.4 }, { left: 0.5, width: 0.4 }]);
	});
	test('draws the shortest gap so that it is seen, and an open one up to now', () => {
		const [short, open] = gapBars(line({ gaps: [gap(500, 501), gap(900, null)] }), range, 0.01);
		expect(short).toMatchObject({ left: 0.5, width: 0.01 });
		expect(open!.left).toBeCloseTo(0.9);
		expect(open!.width).toBeCloseTo(0.1);
	});
	test('a gap at the very end stays on the strip', () => {
		const [last] = gapBars(line({ gaps: [gap(999, 1_000)] }), range, 0.01);
		expect(last!.left + last!.width).toBeLessThanOrEqual(1);
	});
	test('counts what is missing once', () => {
		expect(missing(line({ gaps: [gap(100, 300), gap(200, 400), gap(950, null), gap(-50, 10)] }), range)).toBe(10 + 300 + 50);
	});
	test('knows in which gap an instant lies', () => {
		const one = line({ gaps: [gap(100, 300), gap(900, null)] });
		expect(gapAt(one, 100)?.began).toBe(100);
		expect(gapAt(one, 300)).toBeNull();
		expect(gapAt(one, 999)?.began).toBe(900);
	});
	test('what was fetched afterwards is a bar of its own, and is missing all the same', () => {
		const one = line({ recorded: [[0, 400], [600, 1_000]], gaps: [gap(400, 600)], fetched: [{ began: 400, ended: 590, fetched: 900 }] });
		const [bar] = fetchedBars(one, range);
		expect([bar!.left, bar!.width]).toEqual([0.4, expect.closeTo(0.19)]);
		expect(missing(one, range)).toBe(200);
		expect([fetchedAt(one, 399), fetchedAt(one, 400)?.fetched, fetchedAt(one, 590)]).toEqual([null, 900, null]);
	});
	test('is played from the card where nothing was recorded, and nowhere else', () => {
		const cards = [{ began: 400, ended: 590, fetched: 900 }];
		expect(nextPiece(cards, 0, 1_000, 5_000)).toEqual({ card: false, end: 400 });
		expect(nextPiece(cards, 400, 1_000, 5_000)).toEqual({ card: true, end: 590 });
		expect(nextPiece(cards, 590, 1_000, 5_000)).toEqual({ card: false, end: 1_000 });
		expect(nextPiece([], 0, 1_000, 300)).toEqual({ card: false, end: 300 });
	});
	test('has full marks of the clock, and not many', () => {
		const hour = { from: Date.UTC(2026, 0, 1, 10, 3), to: Date.UTC(2026, 0, 1, 11, 3) };
		expect(marks(hour).map((at) => new Date(at).getUTCMinutes())).toEqual([10, 20, 30, 40, 50, 0]);
		expect(marks({ from: 0, to: 7 * 86_400_000 })).toHaveLength(7);
	});
	test('zooms around the instant that is looked at, never past now', () => {
		expect(zoomed({ from: 0, to: 1_000 }, 500, 250, 10_000)).toEqual({ from: 125, to: 625 });
		expect(zoomed({ from: 0, to: 1_000 }, 4_000, 500, 1_000)).toEqual({ from: -3_000, to: 1_000 });
	});
	test('an instant under the pointer lies on the strip', () => {
		expect([instantAt(-1, range), instantAt(0.5, range), instantAt(2, range)]).toEqual([0, 500, 1_000]);
	});
	test('samples pictures only where there are some', () => {
		expect(samples(line({ recorded: [[0, 300], [600, 700]] }), range, 4)).toEqual([125, 625]);
	});
});
