import { describe, expect, test } from 'vitest';
import { from, onBeat, onNews, type Sequence, type Verdict } from '../src/live/sequence';

/** What the page would do with this stream: numbers are news, beats are given as {beat}. */
function follow(start: number, stream: (number | { beat: number })[]): Verdict[] {
	let seen: Sequence = from(start);
	return stream.map((event) => {
		const [next, verdict] = typeof event === 'number' ? onNews(seen, event) : onBeat(seen, event.beat);
		seen = next;
		return verdict;
	});
}

describe('a gap in the feed', () => {
	test('a quiet feed has none', () => {
		expect(follow(7, [{ beat: 7 }, { beat: 7 }, { beat: 7 }])).toEqual(['go on', 'go on', 'go on']);
	});
	test('one batch may stand for many messages', () => {
		expect(follow(7, [9, 12, { beat: 12 }])).toEqual(['go on', 'go on', 'go on']);
	});
	test('a message that a beat has promised may still come', () => {
		expect(follow(7, [{ beat: 8 }, 8, { beat: 8 }])).toEqual(['go on', 'go on', 'go on']);
	});
	test('a message that a beat has promised and the next beat does not find is a gap', () => {
		expect(follow(7, [{ beat: 8 }, { beat: 8 }])).toEqual(['go on', 'gap']);
	});
	test('a part of what was promised is not all of it', () => {
		expect(follow(7, [{ beat: 9 }, 8, { beat: 9 }])).toEqual(['go on', 'go on', 'gap']);
	});
	test('a feed that began anew is a gap, told by news or by a beat', () => {
		expect(follow(700, [3])).toEqual(['gap']);
		expect(follow(700, [{ beat: 3 }])).toEqual(['gap']);
	});
	test('after a gap the page goes on from what it has read again', () => {
		expect(follow(7, [{ beat: 8 }, { beat: 9 }, { beat: 9 }, 10, { beat: 10 }])).toEqual(['go on', 'gap', 'go on', 'go on', 'go on']);
	});
});
