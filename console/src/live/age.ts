// How old is what is on the screen? Pure.
import type { Instant } from '../types';

/** A beat comes every 2 s; three missed ones and the panel says that it is old. */
export const PROMISE = 6_000;
/** A unit on duty that is silent for longer than this is drawn pale. */
export const UNIT_PROMISE = 90_000;

export const isOld = (heard: Instant, now: Instant, promise = PROMISE): boolean => now - heard > promise;

const two = (n: number) => String(n).padStart(2, '0');

/** Time of day as 14:03:07, in the time zone of the room. */
export function clock(at: Instant): string {
	const d = new Date(at);
	return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** Day and time, for what is not from today. */
export function dated(at: Instant, now: Instant): string {
	const d = new Date(at);
	const today = new Date(now).toDateString() === d.toDateString();
	return today ? clock(at) : `${two(d.getDate())}.${two(d.getMonth() + 1)}.${d.getFullYear()} ${clock(at)}`;
}

/** A length of time as 0:07, 12:40, 3:05:00; a minus sign when it has passed. */
export function span(millis: number): string {
	const late = millis < 0;
	const seconds = late ? Math.ceil(-millis / 1000) : Math.ceil(millis / 1000);
	const h = Math.floor(seconds / 3600);
	const m = Math.floor((seconds % 3600) / 60);
	const text = h ? `${h}:${two(m)}:${two(seconds % 60)}` : `${m}:${two(seconds % 60)}`;
	return late && seconds ? `−${text}` : text;
}
