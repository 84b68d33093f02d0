// The item that is open now, for the map that follows it.
import type { Item } from '../types';

let item = $state.raw<Item | null>(null);
export const openItem = (): Item | null => item;

export function setOpenItem(next: Item | null): void {
	item = next;
}
