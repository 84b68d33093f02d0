import { expect, test } from 'vitest';
import { LONGEST, LONGEST_REDACTED, markedAt, spanTrouble } from '../src/two_people/recordings';

const NOW = 1_800_000_000_000;

test('a wish is for a time that has passed, in order, of a day at most', () => {
	expect(spanTrouble(NOW - 60_000, NOW - 1, false, NOW)).toBe('');
	expect(spanTrouble(NOW - 60_000, NOW - 60_000, false, NOW)).toBe('order');
	expect(spanTrouble(null, NOW, false, NOW)).toBe('order');
	expect(spanTrouble(NOW - 1, NOW + 1, false, NOW)).toBe('future');
	expect(spanTrouble(NOW - LONGEST - 1, NOW, false, NOW)).toBe('too_long');
});

test('a redacted copy is as long as a person can look at', () => {
	expect(spanTrouble(NOW - LONGEST_REDACTED, NOW, true, NOW)).toBe('');
	expect(spanTrouble(NOW - LONGEST_REDACTED - 1, NOW, true, NOW)).toBe('long_redacted');
	expect(spanTrouble(NOW - LONGEST_REDACTED - 1, NOW, false, NOW)).toBe('');
});

test('the subject is marked at the beginning, in the middle and before the end', () => {
	expect(markedAt(0, 10_000)).toEqual([0, 5_000, 9_999]);
});
