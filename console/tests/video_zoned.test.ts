import { expect, test } from 'vitest';
import { fieldsOf, instantOf } from '../src/video/zoned';

test('a day and a time are those of the authority, wherever the screen stands', () => {
	expect(instantOf('24.11.2026', '20:41:07', 'Asia/Almaty')).toBe(Date.UTC(2026, 10, 24, 15, 41, 7));
	expect(instantOf('1.1.2026', '0:05', 'UTC')).toBe(Date.UTC(2026, 0, 1, 0, 5));
});
test('there and back again is the same', () => {
	for (const zone of ['Asia/Almaty', 'Europe/Berlin', 'UTC']) {
		const at = Date.UTC(2026, 2, 29, 12, 30, 15);
		const { day, time } = fieldsOf(at, zone);
		expect(instantOf(day, time, zone)).toBe(at);
	}
});
test('on the day that the clock is put on, the time after it is right', () => {
	expect(instantOf('29.03.2026', '03:30', 'Europe/Berlin')).toBe(Date.UTC(2026, 2, 29, 1, 30));
});
test.each([['31.02.2026', '10:00'], ['24.11.2026', '25:00'], ['2026-11-24', '10:00'], ['24.11.2026', '10']])('%s %s is no time', (day, time) => {
	expect(instantOf(day, time, 'UTC')).toBeNull();
});
