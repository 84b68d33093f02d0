// The item that is open now, for the map that follows it; and short words for what a step recorded.
import { word } from '../i18n/index.svelte';
import type { Facts, Item, Json } from '../types';

let item = $state.raw<Item | null>(null);
export const openItem = (): Item | null => item;

export function setOpenItem(next: Item | null): void {
	item = next;
}

const plain = (value: Json): value is string | number | boolean => ['string', 'number', 'boolean'].includes(typeof value);

/** "Reason: too far, unit: P-12" */
export function onTitle(data: Facts): string {
	return Object.entries(data)
		.filter(([, value]) => plain(value) && value !== '')
		.map(([key, value]) => `${word(`fact.${key}`, key)}: ${typeof value === 'string' ? saidValue(value) : String(value)}`)
		.join(', ');
}

/** A code of the data in words; free text and identifiers as they stand. */
export function saidValue(value: string): string {
	return /^[a-z][a-z_]*$/.test(value) ? word(`value.${value}`) : value;
}
