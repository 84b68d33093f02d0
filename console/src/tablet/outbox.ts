// What waits on the tablet until the server has it. Nothing leaves the store before an answer says so.
import type { Facts, Item } from '../types';
import type { Fix } from './positions';

export interface Action {
	id: string;
	item: string;
	rev: number;
	edge: string;
	data: Facts;
	at: number;
}

export interface Store<T> {
	put(value: T): Promise<void>;
	/** The oldest `limit` values, in order. */
	first(limit: number): Promise<T[]>;
	remove(upTo: T): Promise<void>;
	count(): Promise<number>;
}

/** What became of one sending. `lost`: no answer, keep it. `taken`: the server has it. `refused`: it will never be taken. */
export type Sent = { kind: 'taken' } | { kind: 'lost' } | { kind: 'refused'; why: string };

/**
 * A repeated action whose first answer was lost on the way comes back as stale: it was taken if the fresh item shows
 * our edge after our revision, by us. An item that has passed to others shows us no log any more; then a refusal has
 * nothing left to do, and anything else was not taken.
 */
export function alreadyTaken(action: Action, fresh: Item, me: string): boolean {
	if (!fresh.log.length) return NO.has(action.edge);
	return fresh.log.some((entry) => entry.edge === action.edge && entry.rev > action.rev && entry.actor === me);
}

/** Edges by which a crew steps back. */
export const NO: ReadonlySet<string> = new Set(['refuse', 'release']);

/** Send what waits, oldest first, and stop at the first that finds no network. Returns the refusals. */
export async function drainActions(store: Store<Action>, send: (action: Action) => Promise<Sent>): Promise<{ action: Action; why: string }[]> {
	const refused = [];
	for (;;) {
		const [action] = await store.first(1);
		if (!action) return refused;
		const sent = await send(action);
		if (sent.kind === 'lost') return refused;
		await store.remove(action);
		if (sent.kind === 'refused') refused.push({ action, why: sent.why });
	}
}

export const BATCH = 50;

/**
 * Send waiting fixes in batches. `post` answers how far the server has them, null without an answer, or 'invalid' when
 * it will never take this batch: then smaller ones are tried, so that one bad fix does not keep all others waiting.
 */
export async function drainFixes(store: Store<Fix>, post: (fixes: Fix[]) => Promise<number | null | 'invalid'>): Promise<void> {
	let size = BATCH;
	for (;;) {
		const fixes = await store.first(size);
		if (!fixes.length) return;
		const answer = await post(fixes);
		if (answer === 'invalid' && fixes.length > 1) {
			size = Math.ceil(fixes.length / 2);
			continue;
		}
		const accepted = answer === 'invalid' ? fixes[0]!.seq : answer;
		const done = fixes.filter((fix) => accepted !== null && fix.seq <= accepted).at(-1);
		if (!done) return;
		await store.remove(done);
		if (answer === 'invalid') size = BATCH;
	}
}
