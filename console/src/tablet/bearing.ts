// Where to look: the direction of a place as seen from here, relative to where the bonnet points. Pure.

export interface Place {
	lat: number;
	lon: number;
}

const rad = Math.PI / 180;

/** Degrees from north, clockwise, [0, 360). */
export function bearing(from: Place, to: Place): number {
	const across = (to.lon - from.lon) * rad;
	const y = Math.sin(across) * Math.cos(to.lat * rad);
	const x = Math.cos(from.lat * rad) * Math.sin(to.lat * rad) - Math.sin(from.lat * rad) * Math.cos(to.lat * rad) * Math.cos(across);
	return (Math.atan2(y, x) / rad + 360) % 360;
}

export function metres(from: Place, to: Place): number {
	const a =
		Math.sin(((to.lat - from.lat) * rad) / 2) ** 2 +
		Math.cos(from.lat * rad) * Math.cos(to.lat * rad) * Math.sin(((to.lon - from.lon) * rad) / 2) ** 2;
	return 12_742_000 * Math.asin(Math.sqrt(a));
}

export type Side = 'ahead' | 'right' | 'behind' | 'left';

/** Turn of the arrow, [0, 360), and the word for it. Without an own heading the arrow points as on a map with north on top. */
export function sideOf(toward: number, heading: number | null): { turn: number; side: Side | null } {
	const turn = (toward - (heading ?? 0) + 360) % 360;
	if (heading === null) return { turn, side: null };
	const sides: Side[] = ['ahead', 'right', 'behind', 'left'];
	return { turn, side: sides[Math.round(turn / 90) % 4]! };
}
