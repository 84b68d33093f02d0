// Which footage an item is about: what was tied to it, what it names, when it was dark. Pure.
import type { Facts, Instant, Json } from '../types';

export interface Piece { camera: string; at: Instant }

const piece = (camera: Json | undefined, at: Json | undefined): Piece[] => (typeof camera === 'string' && camera && typeof at === 'number' ? [{ camera, at }] : []);

/** Pieces in the order in which they are worth looking at, each once; a minute before the dark is what shows why. */
export function footageOf(facts: Facts): Piece[] {
	const tied = Array.isArray(facts.footage) ? facts.footage.flatMap((one) => (one && typeof one === 'object' && !Array.isArray(one) ? piece(one.camera, one.began) : [])) : [];
	const dark = Array.isArray(facts.cameras) ? facts.cameras.flatMap((one) => (one && typeof one === 'object' && !Array.isArray(one) && typeof one.since === 'number' ? piece(one.camera, one.since - 60_000) : [])) : [];
	const named = piece(facts.camera, facts.began ?? (typeof facts.dark_since === 'number' ? facts.dark_since - 60_000 : undefined));
	const seen = new Set<string>();
	return [...tied, ...named, ...dark].filter((one) => !seen.has(`${one.camera} ${one.at}`) && seen.add(`${one.camera} ${one.at}`));
}
