// One line finds anything: units, cameras, recorded cameras, items, places of the map, a plate. Pure.
import type { Camera, Unit } from '../types';
import type { VideoCamera } from '../video/ask';

export interface Place {
	name: string;
	lon: number;
	lat: number;
}

export type Found =
	| { kind: 'unit' | 'item'; id: string; words: string }
	| { kind: 'camera' | 'video' | 'place'; id: string; words: string; lon: number; lat: number }
	| { kind: 'plate'; id: string };

export interface Haystack {
	units: readonly Unit[];
	cameras: readonly Camera[];
	/** Recorded cameras that this person may know of. */
	videos: readonly Pick<VideoCamera, 'id' | 'name' | 'site' | 'lon' | 'lat'>[];
	/** What such a thing is called in the reader's language: "camera K-12" finds K-12. */
	called: Partial<Record<'unit' | 'camera' | 'video', string>>;
	items: readonly { id: string; words: string }[];
	places: readonly Place[];
	plate: string | null;
}

const EACH = 5;

/** Every word of the query is in the text; texts that start with it come first. */
function matches<T>(query: string, all: readonly T[], text: (one: T) => string): T[] {
	const words = query.toLowerCase().split(/\s+/).filter(Boolean);
	const scored: { one: T; starts: boolean }[] = [];
	for (const one of all) {
		const body = text(one).toLowerCase();
		if (words.every((word) => body.includes(word))) scored.push({ one, starts: body.startsWith(words[0] ?? '') });
	}
	return scored
		.sort((a, b) => Number(b.starts) - Number(a.starts))
		.slice(0, EACH)
		.map(({ one }) => one);
}

export function find(query: string, among: Haystack): Found[] {
	const asked = query.trim();
	if (!asked) return [];
	const found: Found[] = matches(asked, among.items, ({ words }) => words).map((one) => ({ kind: 'item', ...one }));
	for (const unit of matches(asked, among.units, (one) => `${one.callSign} ${one.id} ${among.called.unit ?? ''}`))
		found.push({ kind: 'unit', id: unit.id, words: unit.callSign === unit.id ? unit.id : `${unit.callSign} (${unit.id})` });
	for (const camera of matches(asked, among.cameras, (one) => `${one.name} ${one.id} ${among.called.camera ?? ''}`))
		found.push({ kind: 'camera', id: camera.id, words: `${camera.name} (${camera.id})`, lon: camera.lon, lat: camera.lat });
	for (const camera of matches(asked, among.videos, (one) => `${one.id} ${one.name} ${one.site} ${among.called.video ?? ''}`))
		found.push({ kind: 'video', id: camera.id, words: `${camera.name} (${camera.id})`, lon: camera.lon, lat: camera.lat });
	for (const place of matches(asked, among.places, ({ name }) => name))
		found.push({ kind: 'place', id: place.name, words: place.name, lon: place.lon, lat: place.lat });
	if (among.plate) found.push({ kind: 'plate', id: among.plate });
	return found;
}
