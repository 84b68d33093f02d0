// The dark-minutes ledger of a camera: a digit a minute, as runs, sums and sentences. Pure.
import type { Instant } from '../types';

/** As the server numbers them (video/account.py). */
export const STATES = ['unknown', 'recorded', 'partly', 'masked', 'maintenance', 'unexplained', 'explained', 'expired', 'fetched'] as const;
export type MinuteState = (typeof STATES)[number];
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What the legend draws beside the word: never colour alone. */
export const MARKS: Record<MinuteState, string> = { unknown: '·', recorded: '█', partly: '▓', masked: '▒', maintenance: '=', unexplained: '◆', explained: '◇', expired: '–', fetched: '◈' };

export interface Run {
	state: MinuteState;
	/** Minutes from the first of the day. */
	from: number;
	to: number;
}

/** Minutes of one state that follow each other. What is no digit of ours counts as unknown. */
export function runs(minutes: string): Run[] {
	const found: Run[] = [];
	for (let at = 0; at < minutes.length; at++) {
		const state = STATES[Number(minutes[at])] ?? 'unknown';
		const last = found.at(-1);
		if (last?.state === state) last.to = at + 1;
		else found.push({ state, from: at, to: at + 1 });
	}
	return found;
}

/** Runs as shares of the day, for drawing; the recorded ground is not drawn a minute at a time. */
export const bars = (minutes: string): { state: MinuteState; left: number; width: number }[] =>
	runs(minutes)
		.filter(({ state }) => state !== 'unknown')
		.map(({ state, from, to }) => ({ state, left: from / minutes.length, width: (to - from) / minutes.length }));

/** What is told with its times: there was no picture, or it came late. */
export const MISSING: readonly MinuteState[] = ['unexplained', 'explained', 'maintenance', 'fetched'];
export const missingRuns = (minutes: string): Run[] => runs(minutes).filter(({ state }) => MISSING.includes(state));

/** Cameras with unexplained minutes first, the most of them first; the others as they came. */
export function worstFirst<Camera extends { minutes: string }>(cameras: readonly Camera[]): Camera[] {
	const dark = (camera: Camera) => camera.minutes.split('5').length - 1;
	return cameras.toSorted((one, other) => dark(other) - dark(one));
}

/** The first minute of the hour in which the day of `zone` that holds `now` began. The clock of the zone is told by `shownHour`. */
export function dayStart(now: Instant, hourOf: (at: Instant) => number): Instant {
	const hour = now - (now % HOUR);
	for (let back = 0; back < 26; back++) {
		const at = hour - back * HOUR;
		if (hourOf(at) === 0) return at;
	}
	return hour - 23 * HOUR;
}

/** Recorded minutes of those that should have been recorded: everything but what is masked, announced, expired or not known. */
export function share(sums: Record<string, number>): number | null {
	const there = (sums.recorded ?? 0) + (sums.partly ?? 0);
	const due = there + (sums.unexplained ?? 0) + (sums.explained ?? 0) + (sums.fetched ?? 0);
	return due ? there / due : null;
}
