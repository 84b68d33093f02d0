// From the room's facts to what the map draws. Pure.
import type { Feature, FeatureCollection, Geometry, LineString, Point, Polygon } from 'geojson';
import { isOld, UNIT_PROMISE } from '../live/age';
import type { Severity } from '../queue/order';
import type { Camera, Candidate, Facts, Instant, ItemLine, Unit } from '../types';

export interface UnitProperties {
	id: string;
	letter: string;
	icon: string;
	heading: number;
}

/** Which picture a unit has: an arrow of its status, a dot without heading, pale when its position is old. */
export function unitIcon(unit: Unit, now: Instant): string {
	const shape = unit.heading === null ? 'dot' : 'arrow';
	if (unit.at === null || isOld(unit.at, now, UNIT_PROMISE)) return `${shape}-old`;
	return `${shape}-${'ARESB'.includes(unit.letter) ? unit.letter : 'O'}`;
}

/** A unit whose place is not known has no feature: it is never drawn at a guess. */
export function unitFeature(unit: Unit, now: Instant): Feature<Point, UnitProperties> | null {
	if (unit.lon === null || unit.lat === null) return null;
	return {
		type: 'Feature',
		id: unit.id,
		properties: { id: unit.id, letter: unit.letter, icon: unitIcon(unit, now), heading: unit.heading ?? 0 },
		geometry: { type: 'Point', coordinates: [unit.lon, unit.lat] }
	};
}

export function cameraFeatures(cameras: readonly Camera[]): FeatureCollection<Point> {
	return collection(
		cameras.map((camera) => ({
			type: 'Feature',
			id: camera.id,
			properties: { id: camera.id, name: camera.name, heading: camera.heading ?? 0 },
			geometry: { type: 'Point', coordinates: [camera.lon, camera.lat] }
		}))
	);
}

export function itemFeatures(lines: readonly ItemLine[], kind: (line: ItemLine) => Severity): FeatureCollection<Point> {
	const features: Feature<Point>[] = [];
	for (const line of lines) {
		if (line.lon === null || line.lat === null) continue;
		features.push({
			type: 'Feature',
			id: line.id,
			properties: { id: line.id, kind: kind(line), order: -line.priority },
			geometry: { type: 'Point', coordinates: [line.lon, line.lat] }
		});
	}
	return collection(features);
}

/** The way ahead as the desk keeps it: streets as [probability, seconds, [lon, lat, lon, lat, ...]]. The likeliest is drawn last, on top. */
export function bandOf(data: Facts | undefined): FeatureCollection<LineString> {
	const band = data?.band;
	if (!Array.isArray(band)) return collection([]);
	return collection(
		band.toReversed().flatMap((street): Feature<LineString>[] => {
			if (!Array.isArray(street)) return [];
			const [probability, seconds, flat] = street;
			if (typeof probability !== 'number' || typeof seconds !== 'number' || !Array.isArray(flat) || flat.length < 4) return [];
			const coordinates = flat.flatMap((lon, at) => (at % 2 ? [] : [[Number(lon), Number(flat[at + 1])]]));
			return [{ type: 'Feature', properties: { probability, seconds }, geometry: { type: 'LineString', coordinates } }];
		})
	);
}

/** Who lies ahead, when the desk keeps no way: a spoke to each proposed unit whose place is known, as wide as it is probable. */
export function spokes(item: ItemLine, candidates: readonly Candidate[], units: ReadonlyMap<string, Unit>): FeatureCollection<LineString> {
	if (item.lon === null || item.lat === null) return collection([]);
	const from: [number, number] = [item.lon, item.lat];
	return collection(
		candidates.flatMap(({ unit, probability, seconds }): Feature<LineString>[] => {
			const at = units.get(unit);
			if (at?.lon == null || at.lat == null) return [];
			return [{ type: 'Feature', properties: { probability, seconds }, geometry: { type: 'LineString', coordinates: [from, [at.lon, at.lat]] } }];
		})
	);
}

/** The box (west, south, east, north) around everything that matters for an item; null when nothing of it has a place. */
export function boundsOf(item: ItemLine, band: FeatureCollection, unit?: Unit): [number, number, number, number] | null {
	const points: number[][] = [item, unit].flatMap((one) => (one?.lon != null && one.lat != null ? [[one.lon, one.lat]] : []));
	const gather = (at: unknown): void => {
		if (!Array.isArray(at)) return;
		if (typeof at[0] === 'number') points.push(at as number[]);
		else at.forEach(gather);
	};
	for (const { geometry } of band.features) if (geometry && 'coordinates' in geometry) gather(geometry.coordinates);
	if (!points.length) return null;
	const lon = points.map((point) => point[0]!);
	const lat = points.map((point) => point[1]!);
	return [Math.min(...lon), Math.min(...lat), Math.max(...lon), Math.max(...lat)];
}

/** From the selected unit to the item it may help: one straight, dashed line, which claims no road. */
export function lineBetween(unit: Unit | undefined, item: ItemLine | null): FeatureCollection<LineString> {
	if (unit?.lon == null || unit.lat == null || item?.lon == null || item.lat == null) return collection([]);
	return collection([
		{ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: [[unit.lon, unit.lat], [item.lon, item.lat]] } }
	]);
}

/** Field of view of a camera on the ground: a wedge of 60 degrees, 60 m long, for close zooms. */
export function wedge(camera: Camera): Feature<Polygon> {
	const north = 60 / 111_320;
	const east = north / Math.cos((camera.lat * Math.PI) / 180);
	const tip: [number, number] = [camera.lon, camera.lat];
	const arc = [-30, -15, 0, 15, 30].map((off): [number, number] => {
		const angle = (((camera.heading ?? 0) + off) * Math.PI) / 180;
		return [camera.lon + Math.sin(angle) * east, camera.lat + Math.cos(angle) * north];
	});
	return { type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [[tip, ...arc, tip]] } };
}

export function collection<G extends Geometry>(features: Feature<G>[]): FeatureCollection<G> {
	return { type: 'FeatureCollection', features };
}
