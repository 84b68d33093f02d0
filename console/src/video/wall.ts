// What hangs on the wall: layouts, presets by place and by incident, and the way of the focus. Pure.
import type { PlaceKind, Standing, VideoCamera } from './ask';

export const LAYOUTS = [1, 4, 9, 16] as const;
export type Layout = (typeof LAYOUTS)[number];
/** Columns and rows for so many pictures: as few as hold them all, so that the screen is full of pictures. */
export function gridFor(count: number): { columns: number; rows: number } {
	const columns = Math.ceil(Math.sqrt(Math.max(1, count)));
	return { columns, rows: Math.ceil(Math.max(1, count) / columns) };
}
/** The smallest layout that shows so many. */
export const layoutFor = (count: number): Layout => LAYOUTS.find((one) => one >= count) ?? 16;

export interface Preset {
	/** `<place>`, `<place>/<site>`, `all` or `own/<name>`, as it stands in the address. */
	id: string;
	place: PlaceKind | null;
	site: string | null;
	name: string | null;
	cameras: string[];
}

const byName = (a: VideoCamera, b: VideoCamera): number => a.name.localeCompare(b.name, undefined, { numeric: true }) || a.id.localeCompare(b.id);

/** A wall for each kind of place, one for each site that has several cameras, and one for all. */
export function presetsOf(cameras: readonly VideoCamera[]): Preset[] {
	const sorted = [...cameras].sort(byName);
	const presets: Preset[] = [];
	for (const place of ['street', 'school', 'police_office', 'penal_colony'] as const) {
		const here = sorted.filter((one) => one.place === place);
		if (!here.length) continue;
		presets.push({ id: place, place, site: null, name: null, cameras: here.map((one) => one.id) });
		const sites = [...new Set(here.map((one) => one.site))].sort();
		if (sites.length < 2) continue;
		for (const site of sites) {
			const own = here.filter((one) => one.site === site);
			if (own.length > 1) presets.push({ id: `${place}/${site}`, place, site, name: null, cameras: own.map((one) => one.id) });
		}
	}
	if (presets.some(({ place }) => place !== presets[0]?.place)) presets.push({ id: 'all', place: null, site: null, name: null, cameras: sorted.map((one) => one.id) });
	return presets;
}

const METRES = 111_320;

/** Metres and bearing (degrees from north) from a camera to a point. */
export function wayTo(camera: Pick<VideoCamera, 'lat' | 'lon'>, lon: number, lat: number): { metres: number; bearing: number } {
	const north = (lat - camera.lat) * METRES;
	const east = (lon - camera.lon) * METRES * Math.cos((camera.lat * Math.PI) / 180);
	return { metres: Math.hypot(north, east), bearing: ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360 };
}

/** Whether a point lies where the camera can tell a person. */
export function covers(camera: VideoCamera, lon: number, lat: number): boolean {
	const { metres, bearing } = wayTo(camera, lon, lat);
	if (metres > camera.reach) return false;
	if (camera.heading === null || camera.field_of_view >= 360) return true;
	const off = Math.abs(((bearing - camera.heading + 540) % 360) - 180);
	return off <= camera.field_of_view / 2 || metres < 2;
}

const NEAR = 800; // m around an incident

/** Cameras for an incident: those that see the place, then those around it, the nearest first. */
export function around(cameras: readonly VideoCamera[], lon: number, lat: number, most = 16): VideoCamera[] {
	return cameras
		.map((camera) => ({ camera, sees: covers(camera, lon, lat), metres: wayTo(camera, lon, lat).metres }))
		.filter(({ sees, metres }) => sees || metres <= NEAR)
		.sort((a, b) => Number(b.sees) - Number(a.sees) || a.metres - b.metres || a.camera.id.localeCompare(b.camera.id))
		.slice(0, most)
		.map(({ camera }) => camera);
}

/** Where the focus goes from a tile; it stays where there is nowhere to go. */
export function moved(from: number, key: string, columns: number, count: number): number {
	const column = from % columns;
	const to = { ArrowLeft: column > 0 ? from - 1 : from, ArrowRight: column < columns - 1 ? from + 1 : from, ArrowUp: from - columns, ArrowDown: from + columns, Home: 0, End: count - 1 }[key];
	return to === undefined || to < 0 || to >= count ? from : to;
}

/** The cameras of one page of the wall, and how many pages there are. */
export function page(cameras: readonly string[], layout: Layout, number: number): { shown: string[]; pages: number; number: number } {
	const pages = Math.max(1, Math.ceil(cameras.length / layout));
	const at = ((number % pages) + pages) % pages;
	return { shown: cameras.slice(at * layout, (at + 1) * layout), pages, number: at };
}

/** Shapes that differ without colour. */
export const SHAPES: Record<Standing, string> = { well: '●', waiting: '◌', dark: '■', tampered: '▲', disabled: '○' };
const ORDER: Record<Standing, number> = { dark: 0, tampered: 1, waiting: 2, disabled: 3, well: 4 };

/** What needs somebody first: dark, tampered, waiting for a picture, switched off, well; the longest first. */
export const byNeed = (a: VideoCamera, b: VideoCamera): number => ORDER[a.state] - ORDER[b.state] || (a.state === 'well' ? byName(a, b) : (a.since ?? 0) - (b.since ?? 0));

export interface Wanted {
	text: string;
	place: PlaceKind | '';
	state: Standing | '';
}

/** Cameras that a reader asks for by words, place or state. */
export function chosen(cameras: readonly VideoCamera[], { text, place, state }: Wanted): VideoCamera[] {
	const words = text.toLowerCase().split(/\s+/).filter(Boolean);
	return cameras.filter((one) => (!place || one.place === place) && (!state || one.state === state) && words.every((word) => `${one.name} ${one.id} ${one.site}`.toLowerCase().includes(word))).sort(byNeed);
}

/** Names of walls that a person keeps on this device: cameras' ids and nothing else. */
export interface Own { name: string; cameras: string[] }
export function ownWalls(kept: string | null): Own[] {
	try {
		const found: unknown = JSON.parse(kept ?? '[]');
		return Array.isArray(found) ? found.filter((one): one is Own => typeof one?.name === 'string' && Array.isArray(one.cameras) && one.cameras.every((id: unknown) => typeof id === 'string')).slice(0, 20) : [];
	} catch {
		return [];
	}
}
