// What needs me now, and how long have I got? Pure: the clock is handed in.
import type { DeskSpec, Instant, ItemLine } from '../types';

/** Red is only danger to life, amber only a deadline; what is urgent and what is not differ by shape and word. */
export type Severity = 'danger' | 'deadline' | 'urgent' | 'routine';

/** Priorities run from 0, danger to life, to 9, housekeeping. */
export const DANGER = 1;
export const URGENT = 3;
const NEAR = 0.25; // of the term is left: the deadline is what matters now

const part = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;
const unit = [86_400_000, 3_600_000, 60_000, 1_000];

/** Milliseconds of a term by the clock (`PT15S`), or null for working days, which no bar can drain by the second. */
export function termMillis(term: string | null | undefined): number | null {
	const found = term ? part.exec(term) : null;
	if (!found) return null;
	const total = unit.reduce((sum, size, at) => sum + size * Number(found[at + 1] ?? 0), 0);
	return total || null;
}

/** Share of the term that is left, 0..1; null when there is no deadline. */
export function shareLeft(line: ItemLine, desk: DeskSpec | undefined, now: Instant): number | null {
	if (line.due === null) return null;
	const total = termMillis(desk?.states[line.state]?.within) ?? Math.max(line.due - line.opened, 1);
	return Math.min(1, Math.max(0, (line.due - now) / total));
}

export function severity(line: ItemLine, desk: DeskSpec | undefined, now: Instant): Severity {
	if (line.priority <= DANGER) return 'danger';
	const left = shareLeft(line, desk, now);
	if (left !== null && left <= NEAR) return 'deadline';
	return line.priority <= URGENT ? 'urgent' : 'routine';
}

/** By time left within urgency; what has no deadline comes last in its urgency, oldest first. */
export function byNeed(a: ItemLine, b: ItemLine): number {
	return (
		a.priority - b.priority ||
		(a.due ?? Infinity) - (b.due ?? Infinity) || // Infinity - Infinity is NaN, which falls through
		a.opened - b.opened ||
		(a.id < b.id ? -1 : 1)
	);
}

export function isOpen(line: ItemLine, desk: DeskSpec | undefined): boolean {
	const state = desk?.states[line.state];
	return state ? !state.end : line.owner !== null;
}

/** The queue after news: newer revisions replace, closed items leave. Older revisions that come late are ignored. */
export function merged(
	items: readonly ItemLine[],
	news: readonly ItemLine[],
	desk: (name: string) => DeskSpec | undefined
): ItemLine[] {
	const all = new Map(items.map((line) => [line.id, line]));
	for (const line of news) {
		const known = all.get(line.id);
		if (known && known.rev > line.rev) continue;
		if (isOpen(line, desk(line.desk))) all.set(line.id, line);
		else all.delete(line.id);
	}
	return [...all.values()].sort(byNeed);
}

/** The item `step` places away from the one in hand, by id: the queue may have been re-ordered under the hand. */
export function neighbour(items: readonly ItemLine[], chosen: string | null, step: number): string | null {
	if (!items.length) return null;
	const at = items.findIndex((line) => line.id === chosen);
	const next = at < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, at + step));
	return items[next]?.id ?? null;
}
