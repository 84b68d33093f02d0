// Recorded cameras on the map: where they stand, how they are, what they see. Pure.
import type { Feature, FeatureCollection, Point, Polygon } from 'geojson';
import type { Standing, VideoCamera } from '../video/ask';
import { collection } from './features';

/** How each state is drawn: shapes that differ without colour. */
export const VIDEO_ICONS: Record<Standing, string> = { well: 'video-well', waiting: 'video-waiting', dark: 'video-dark', tampered: 'video-tampered', disabled: 'video-disabled' };

export interface VideoProperties {
	id: string;
	icon: string;
	/** 1: it has no picture that shows what it should. Clusters add these up. */
	bad: 0 | 1;
}

export function videoFeatures(cameras: readonly VideoCamera[]): FeatureCollection<Point> {
	return collection(
		cameras.map((camera): Feature<Point, VideoProperties> => ({
			type: 'Feature',
			id: camera.id,
			properties: { id: camera.id, icon: VIDEO_ICONS[camera.state], bad: camera.state === 'dark' || camera.state === 'tampered' ? 1 : 0 },
			geometry: { type: 'Point', coordinates: [camera.lon, camera.lat] }
		}))
	);
}

const METRES = 111_320;
const STEP = 10; // degrees of an arc between two corners

/** What a camera sees on the ground: as wide as its field of view, as far as it can tell a person; all around where it has no heading. */
export function cone(camera: Pick<VideoCamera, 'id' | 'lon' | 'lat' | 'heading' | 'field_of_view' | 'reach' | 'state'>): Feature<Polygon> {
	const north = camera.reach / METRES;
	const east = north / Math.cos((camera.lat * Math.PI) / 180);
	const at = (angle: number): [number, number] => [camera.lon + Math.sin((angle * Math.PI) / 180) * east, camera.lat + Math.cos((angle * Math.PI) / 180) * north];
	const round = camera.heading === null || camera.field_of_view >= 360;
	const wide = round ? 360 : camera.field_of_view;
	const steps = Math.max(2, Math.ceil(wide / STEP));
	const arc = Array.from({ length: steps + 1 }, (_, step) => at((camera.heading ?? 0) - wide / 2 + (wide * step) / steps));
	const ring = round ? [...arc.slice(0, -1), arc[0]!] : [[camera.lon, camera.lat], ...arc, [camera.lon, camera.lat]];
	return { type: 'Feature', properties: { sees: camera.state === 'well' }, geometry: { type: 'Polygon', coordinates: [ring] } };
}

/** West, south, east, north. */
export type Bounds = [number, number, number, number];

/** Cones of the cameras within these bounds; none when there are more than an eye can tell apart. */
export function conesIn(cameras: readonly VideoCamera[], [west, south, east, north]: Bounds, most = 400): FeatureCollection<Polygon> {
	const here = cameras.filter(({ lon, lat }) => lon >= west && lon <= east && lat >= south && lat <= north);
	return collection(here.length > most ? [] : here.map(cone));
}
