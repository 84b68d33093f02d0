import type { Instant } from '../types';

/** Recording that belongs to a moment: as long before it. */
const BEFORE = 30_000;
/** What was seen before a camera went dark says more than the dark: as long before the gap. */
const BEFORE_GAP = 15 * 60_000;

/** What is worth keeping when somebody looks at `at`: around a gap from well before it until it is over, at most until now. */
export function spanAround(at: Instant, now: Instant, gaps: readonly { began: Instant; ended: Instant | null }[], darkSince: Instant | null): { began: Instant; ended: Instant } {
	const whole = (instant: Instant) => Math.floor(instant / 1000) * 1000;
	const looked = Math.min(at, now);
	const gap = gaps.find((one) => looked >= one.began && (one.ended === null || looked < one.ended));
	const began = gap?.began ?? (darkSince !== null && looked >= darkSince ? darkSince : null);
	if (began === null) return { began: whole(looked) - BEFORE, ended: whole(looked) };
	return { began: whole(began) - BEFORE_GAP, ended: whole(Math.min(gap?.ended ?? now, now)) };
}
