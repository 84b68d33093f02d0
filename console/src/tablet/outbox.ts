// What waits on the tablet until the server has it. Nothing leaves the store before an answer says so.
import type { Facts, Item } from '../types';
import type { Fix } from './positions';

export interface Action {
	id: string;
	item: string;
	rev: number;
	edge: string;
	/** State the edge leads to: tells a repeated answer from somebody else's. */
	to: string;
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
 * our edge after our revision, by us.
 */
export function alreadyTaken(action: Action, fresh: Item, me: string): boolean {
	return fresh.log.some((entry) => entry.edge === action.edge && entry.to === action.to && entry.actor === me && entry.at >= action.at - CLOCKS);
}
const CLOCKS = 120_000; // the tablet's clock and the server's may differ by this much

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

/** Send waiting fixes in batches. `post` answers how far the server has them, or null without an answer. */
export async function drainFixes(store: Store<Fix>, post: (fixes: Fix[]) => Promise<number | null>): Promise<void> {
	for (;;) {
		const fixes = await store.first(BATCH);
		if (!fixes.length) return;
		const accepted = await post(fixes);
		const done = fixes.filter((fix) => accepted !== null && fix.seq <= accepted).at(-1);
		if (!done) return;
		await store.remove(done);
	}
}
