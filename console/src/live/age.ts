// How old is what is on the screen? Pure.
import type { Instant } from '../types';

/** A beat comes every 2 s; three missed ones and the panel says that it is old. */
export const PROMISE = 6_000;
/** A unit on duty that is silent for longer than this is drawn pale. */
export const UNIT_PROMISE = 90_000;

export const isOld = (heard: Instant, now: Instant, promise = PROMISE): boolean => now - heard > promise;

const two = (n: number) => String(n).padStart(2, '0');

type Shown = 'day' | 'month' | 'year' | 'hour' | 'minute' | 'second';
const SHOWN = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
let calendar = new Intl.DateTimeFormat('en-GB', SHOWN);

/** Tell times in this zone from now on, wherever the screen stands: all who speak of a time mean the same one. */
export function tellTimesIn(zone: string | undefined): void {
	try {
		calendar = new Intl.DateTimeFormat('en-GB', { ...SHOWN, timeZone: zone });
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
		calendar = new Intl.DateTimeFormat('en-GB', SHOWN); // an old browser does not know the zone: its own time, and the room still opens
	}
}

/** The zone that times are told in: what a person types is meant in it too. */
export const zone = (): string => calendar.resolvedOptions().timeZone;

const partsOf = (at: Instant) => Object.fromEntries(calendar.formatToParts(at).map(({ type, value }) => [type, value])) as Record<Shown, string>;
const dayOf = ({ day, month, year }: Record<Shown, string>) => `${day}.${month}.${year}`;
const timeOf = ({ hour, minute, second }: Record<Shown, string>) => `${hour}:${minute}:${second}`;

/** Time of day as 14:03:07, in the authority's time zone. */
export const clock = (at: Instant): string => timeOf(partsOf(at));

/** The day as 24.11.2026. */
export const day = (at: Instant): string => dayOf(partsOf(at));

/** Day and time, for what is not from today. */
export function dated(at: Instant, now: Instant): string {
	const then = partsOf(at);
	return dayOf(then) === dayOf(partsOf(now)) ? timeOf(then) : `${dayOf(then)} ${timeOf(then)}`;
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
