// Why this person looks, asked once per incident and kept for this sitting; and the incident that the wall follows. Does I/O: a channel between windows of one person.
import type { Item } from '../types';
import type { Look } from './ask';

let looks = $state.raw<ReadonlyMap<string, Look>>(new Map());

/** What was said for an incident; `''`: outside of one. */
export const said = (incident: string): Look | null => looks.get(incident) ?? null;
export function say(incident: string, look: Look): void {
	looks = new Map(looks).set(incident, look);
}

export interface Followed { id: string; lon: number | null; lat: number | null; camera: string | null }

const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('saqtau.open-item') : null;

/** Tell the other windows of this person which item is open here. */
export function tellOpen(item: Item | null): void {
	if (!item) return;
	const camera = item.data.camera;
	channel?.postMessage({ id: item.id, lon: item.lon, lat: item.lat, camera: typeof camera === 'string' ? camera : null } satisfies Followed);
}

/** Hear which item is opened in another window of this person. */
export function onOpen(then: (item: Followed) => void): () => void {
	const hear = ({ data }: MessageEvent<Followed>) => then(data);
	channel?.addEventListener('message', hear);
	return () => channel?.removeEventListener('message', hear);
}
