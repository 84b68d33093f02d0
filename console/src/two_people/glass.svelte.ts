// Which items are open in an emergency, until when. Kept for this sitting, so that a page loaded anew still counts down.
import type { Instant } from '../types';

const KEY = 'saqtau.glass';

function kept(): Record<string, Instant> {
	try {
		return JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Record<string, Instant>;
	} catch {
		return {};
	}
}
let open = $state.raw<Record<string, Instant>>(kept());

export const openUntil = (item: string): Instant | null => open[item] ?? null;

export function opened(item: string, until: Instant): void {
	open = { ...open, [item]: until };
	sessionStorage.setItem(KEY, JSON.stringify(open));
}

/** What the server says is open: a review that finds it wrong ends it before its time. */
export function still(lines: readonly { object: string; until: Instant }[]): void {
	open = Object.fromEntries(lines.map((line) => [line.object, line.until]));
	sessionStorage.setItem(KEY, JSON.stringify(open));
}
