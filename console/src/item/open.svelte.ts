// The item that is open now, for the map and the wall that follow it.
import type { Item } from '../types';
import { tellOpen } from '../video/sitting.svelte';

let item = $state.raw<Item | null>(null);
export const openItem = (): Item | null => item;

export function setOpenItem(next: Item | null): void {
	if (next && next.id !== item?.id) tellOpen(next);
	item = next;
}
