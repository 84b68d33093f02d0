// Which footage an item is about: what was tied to it, what it names, when it was dark. Pure.
import type { Facts, Instant, Json } from '../types';

export interface Piece { camera: string; at: Instant }
export interface Dark extends Piece { name: string; room: string; since: Instant; until: Instant | null; kind: string }

/** What shows why a picture went lies before it went. */
export const BEFORE = 60_000;
const MOST = 8;
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const rows = (value: Json | undefined): Facts[] => (Array.isArray(value) ? value.filter((one): one is Facts => one !== null && typeof one === 'object' && !Array.isArray(one)) : []);
const piece = (camera: Json | undefined, at: Json | undefined): Piece[] => (text(camera) && typeof at === 'number' ? [{ camera: text(camera), at }] : []);

/** Pieces in the order in which they are worth looking at, each once, at most eight. An outage has its own list. */
export function footageOf(facts: Facts): Piece[] {
	const seen = new Set<string>();
	const tied = rows(facts.footage).flatMap((one) => piece(one.camera, one.began));
	const alone = typeof facts.dark_since === 'number' && !facts.cameras ? facts.dark_since - BEFORE : undefined;
	return [...tied, ...piece(facts.camera, facts.began ?? alone)].filter((one) => !seen.has(`${one.camera} ${one.at}`) && seen.add(`${one.camera} ${one.at}`)).slice(0, MOST);
}

/** Cameras of an outage: those that are still dark first, then the longest. */
export function darkOf(facts: Facts): Dark[] {
	return rows(facts.cameras)
		.filter((one) => text(one.camera) && typeof one.since === 'number')
		.map((one) => ({ camera: text(one.camera), name: text(one.name) || text(one.camera), room: text(one.room), kind: text(one.kind), since: one.since as number, at: (one.since as number) - BEFORE, until: typeof one.until === 'number' ? one.until : null }))
		.toSorted((one, other) => Number(other.until === null) - Number(one.until === null) || (other.until ?? 0) - other.since - ((one.until ?? 0) - one.since));
}
