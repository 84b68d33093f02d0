// The facts of one queue line, in the order an operator needs them. Pure but for the words.
import { t, word } from '../i18n/index.svelte';
import { callSign } from '../live/room.svelte';
import type { Camera, Facts, Item, ItemLine } from '../types';

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export const plateOf = (facts: Facts): string | null => text(facts.plate) || null;

export function speedOf(facts: Facts): string {
	const { speed, limit } = facts;
	if (typeof speed !== 'number') return '';
	const now = Math.round(speed);
	return typeof limit === 'number' ? t('speed.limit', { speed: now, limit: Math.round(limit) }) : t('speed', { speed: now });
}

/** "Wanted", "Speed", … : what founds the item. */
export function groundOf(facts: Facts): string {
	const ground = text(facts.ground) || text(facts.happened) || text(facts.about) || text(facts.offence) || text(facts.asker) || text(facts.reason) || text(facts.kind);
	return ground ? word(`value.${ground}`, `gap.${ground}`, `verdict.${ground}`) : '';
}

export function placeOf(facts: Facts, cameras: readonly Camera[]): string {
	if (text(facts.camera_name)) return [text(facts.camera_name), text(facts.other_camera_name)].filter(Boolean).join(' / ');
	const id = text(facts.camera);
	return id ? (cameras.find((camera) => camera.id === id)?.name ?? id) : text(facts.place) || text(facts.site);
}

/** The unit that is not heard, of an item about silence. */
export const silentOf = (facts: Facts): string => (text(facts.silent_unit) ? callSign(text(facts.silent_unit)) : '');

/** All that is known, the item's own facts over those of its line: an offer carries what its parent says of itself. */
export const factsOf = (item: Item): Facts => ({ ...item.title, ...(item.data.title && typeof item.data.title === 'object' ? (item.data.title as Facts) : {}), ...item.data });

export const deskName = (desk: string): string => word(`desk.${desk}`);
export const stateName = (desk: string, state: string): string => word(`state.${desk}.${state}`, `state.${state}`);
export const edgeName = (desk: string, edge: string): string => word(`edge.${desk}.${edge}`, `edge.${edge}`);

/** One sentence for a reader of screens. */
export function spoken(line: ItemLine, cameras: readonly Camera[]): string {
	return [deskName(line.desk), groundOf(line.title), plateOf(line.title), speedOf(line.title), placeOf(line.title, cameras), silentOf(line.title)]
		.filter(Boolean)
		.join(', ');
}
