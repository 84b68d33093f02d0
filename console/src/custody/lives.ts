// The six lives at the desk of custody: which one a state belongs to, and what of a place waits. Pure.
import type { DeskSpec, ItemLine } from '../types';
import type { VideoCamera } from '../video/ask';

export const LIVES = ['outage', 'keep', 'incident', 'complaint', 'draw', 'blind'] as const;
export type Life = (typeof LIVES)[number];

const STATES: Record<Life, readonly string[]> = {
	outage: ['unexplained', 'not_explained', 'explained', 'in_repair', 'found_dark', 'accepted', 'found'],
	keep: ['asked', 'unheld', 'held', 'refused', 'given', 'refusal_stands', 'no_footage'],
	incident: ['reported', 'untied', 'to_review', 'reviewed', 'referred'],
	complaint: ['complained', 'inquiry', 'founded', 'unfounded'],
	draw: ['drawn', 'viewed', 'skipped'],
	blind: ['blind_spot', 'tolerated', 'covered']
};

export const lifeOf = (state: string): Life | null => LIVES.find((life) => STATES[life].includes(state)) ?? null;

/** By place: cameras whose picture is still away, and all that waits for an answer (a blind spot that is known does not). */
export function bySite(lines: readonly ItemLine[]): Map<string, { dark: number; open: number }> {
	const found = new Map<string, { dark: number; open: number }>();
	for (const line of lines) {
		const site = typeof line.title.site === 'string' ? line.title.site : '';
		if (!site || line.owner === null) continue;
		const told = found.get(site) ?? { dark: 0, open: 0 };
		if (lifeOf(line.state) === 'outage' && line.title.dark_until == null) told.dark += typeof line.title.away === 'number' ? line.title.away : 1;
		if (line.state !== 'tolerated') told.open++;
		found.set(site, told);
	}
	return found;
}

/** The ways in that one of these roles has. */
export const openingsFor = (desk: DeskSpec | undefined, roles: readonly string[]): string[] => (desk?.openings ?? []).filter((way) => way.by.some((role) => roles.includes(role))).map((way) => way.name);

const CUSTODY: readonly string[] = ['police_office', 'penal_colony'];
const ROOM: readonly string[] = ['operator', 'duty_officer', 'inspector', 'prosecutor', 'auditor'];

/** The desk that answers for cameras of such a place. */
export const deskOf = (place: string): string => (CUSTODY.includes(place) ? 'custody' : 'street_cameras');

/** Where one of these roles sees an item about a camera: before its id in the address. Null: nowhere. */
export function pageOf(roles: readonly string[], camera: Pick<VideoCamera, 'place' | 'site'>): string[] | null {
	if (CUSTODY.includes(camera.place)) return roles.some((role) => role !== 'operator' && (role === 'custody_supervisor' || ROOM.includes(role))) ? ['custody', camera.site] : null;
	if (roles.some((role) => ROOM.includes(role))) return ['room'];
	return camera.place === 'school' && roles.includes('school_officer') ? ['schools'] : null;
}
