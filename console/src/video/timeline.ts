// Time as a strip: what was recorded, what is missing and why. Pure.
import type { Instant } from '../types';
import type { FetchedLine, GapLine, Timeline } from './ask';

export interface Range { from: Instant; to: Instant }
export interface Bar { left: number; width: number }
export interface GapBar extends Bar { gap: GapLine }

const MINUTE = 60_000;
export const SPANS = [5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 6 * 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE] as const;

/** Parts of the strip, 0..1; null when it lies outside. */
export function barOf(from: Instant, to: Instant, range: Range): Bar | null {
	const long = range.to - range.from;
	const left = Math.max(0, (from - range.from) / long);
	const right = Math.min(1, (to - range.from) / long);
	return right <= 0 || left >= 1 || right < left ? null : { left, width: right - left };
}

/** Recorded stretches as bars; those that touch on the strip are one. */
export function recordedBars(line: Timeline, range: Range, grain = 0.0005): Bar[] {
	const bars: Bar[] = [];
	for (const [began, ended] of [...line.recorded].sort((a, b) => a[0] - b[0])) {
		const bar = barOf(began, ended, range);
		const last = bars.at(-1);
		if (!bar) continue;
		if (last && bar.left - (last.left + last.width) <= grain) last.width = Math.max(last.width, bar.left + bar.width - last.left);
		else bars.push(bar);
	}
	return bars;
}

/** Gaps as bars, drawn at least so wide that an eye finds a second in a day. */
export function gapBars(line: Timeline, range: Range, least = 0.003): GapBar[] {
	return line.gaps.flatMap((gap) => {
		const bar = barOf(gap.began, gap.ended ?? line.now, range);
		return bar ? [{ gap, left: Math.min(bar.left, 1 - least), width: Math.max(bar.width, least) }] : [];
	});
}

/** Stretches whose pictures came afterwards out of the camera's own memory, drawn as wide as an eye finds them. */
export const fetchedBars = (line: Timeline, range: Range, least = 0.003): (Bar & { fetched: FetchedLine })[] =>
	(line.fetched ?? []).flatMap((fetched) => {
		const bar = barOf(fetched.began, fetched.ended, range);
		return bar ? [{ fetched, left: Math.min(bar.left, 1 - least), width: Math.max(bar.width, least) }] : [];
	});

/** What was fetched of an instant; null where nothing was. */
export const fetchedAt = (line: Pick<Timeline, 'fetched'>, at: Instant): FetchedLine | null => (line.fetched ?? []).find(({ began, ended }) => at >= began && at < ended) ?? null;

/** What is asked for next from `edge` on: what was fetched where there is that, else what was recorded, up to the next of it. */
export function nextPiece(fetched: readonly FetchedLine[], edge: Instant, to: Instant, most: number): { card: boolean; end: Instant } {
	const here = fetched.find(({ began, ended }) => edge >= began && edge < ended);
	if (here) return { card: true, end: Math.min(to, here.ended, edge + most) };
	const next = Math.min(...fetched.filter(({ began }) => began > edge).map(({ began }) => began));
	return { card: false, end: Math.min(to, edge + most, next) };
}

/** Full marks of the clock for a strip: about eight. */
export function marks(range: Range): Instant[] {
	const steps = [15_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 60 * MINUTE, 3 * 60 * MINUTE, 6 * 60 * MINUTE, 24 * 60 * MINUTE];
	const step = steps.find((one) => (range.to - range.from) / one <= 9) ?? steps.at(-1)!;
	const found: Instant[] = [];
	for (let at = Math.ceil(range.from / step) * step; at < range.to; at += step) found.push(at);
	return found;
}

export const instantAt = (part: number, range: Range): Instant => Math.round(range.from + Math.max(0, Math.min(1, part)) * (range.to - range.from));

/** A range of this length with the instant where it stood, never into the future. */
export function zoomed(range: Range, long: number, around: Instant, now: Instant): Range {
	const part = Math.max(0, Math.min(1, (around - range.from) / (range.to - range.from)));
	const to = Math.min(now, Math.round(around + (1 - part) * long));
	return { from: to - long, to };
}

/** The gap in which an instant lies. */
export const gapAt = (line: Timeline, at: Instant): GapLine | null => line.gaps.find((gap) => at >= gap.began && at < (gap.ended ?? line.now)) ?? null;

/** ms without picture within the range, gaps counted once where they overlap. */
export function missing(line: Timeline, range: Range): number {
	let sum = 0;
	let seen = range.from;
	for (const gap of [...line.gaps].sort((a, b) => a.began - b.began)) {
		const from = Math.max(seen, gap.began);
		const to = Math.min(range.to, gap.ended ?? line.now);
		if (to > from) {
			sum += to - from;
			seen = to;
		}
	}
	return sum;
}

/** Some instants, spread over the range, at which there is a picture. */
export function samples(line: Timeline, range: Range, count: number): Instant[] {
	const found: Instant[] = [];
	for (let at = 0; at < count; at++) {
		const want = instantAt((at + 0.5) / count, range);
		if (line.recorded.some(([began, ended]) => want >= began && want < ended)) found.push(want);
	}
	return found;
}
