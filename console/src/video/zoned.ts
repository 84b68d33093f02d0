// A day and a time of the clock, as the authority's zone has them, to an instant. Pure.
import type { Instant } from '../types';

const parts = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;

/** What the zone's clock shows, as if it were UTC. */
function shown(at: Instant, zone: string | undefined): number {
	const found = Object.fromEntries(new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: zone }).formatToParts(at).map(({ type, value }) => [type, Number(value)]));
	return Date.UTC(found.year!, found.month! - 1, found.day!, found.hour!, found.minute!, found.second!);
}

/** `24.11.2026`, `14:03` or `14:03:07`; null when that is no time. */
export function instantOf(day: string, time: string, zone: string | undefined): Instant | null {
	const date = /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/.exec(day.trim());
	const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(time.trim());
	if (!date || !clock) return null;
	const [hour, minute, second] = [Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0)];
	if (hour > 23 || minute > 59 || second > 59) return null;
	const wanted = Date.UTC(Number(date[3]), Number(date[2]) - 1, Number(date[1]), hour, minute, second);
	if (new Date(wanted).getUTCDate() !== Number(date[1])) return null;
	let at = wanted;
	for (let turn = 0; turn < 2; turn++) at += wanted - shown(at, zone); // the second turn is for a day on which the clock was put on
	return at;
}

/** Day and time as fields of a form want them. */
export function fieldsOf(at: Instant, zone: string | undefined): { day: string; time: string } {
	const text = new Date(shown(at, zone)).toISOString();
	return { day: text.slice(0, 10).split('-').toReversed().join('.'), time: text.slice(11, 19) };
}
