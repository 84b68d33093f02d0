// Names of streets and places that the map has loaded, so that the command bar can find them without asking anybody.
import type { Map as MapView } from 'maplibre-gl';
import type { Place } from '../shell/find';

let shown: MapView | null = null;

export function setPlacesFrom(map: MapView | null): void {
	shown = map;
}

/** Named places in the tiles that are loaded now; one entry a name. */
export function placesOnMap(query: string): Place[] {
	const asked = query.trim().toLowerCase();
	if (!shown?.getSource('streets') || asked.length < 2) return [];
	const places = new Map<string, Place>();
	for (const feature of shown.querySourceFeatures('streets', { sourceLayer: 'osm', filter: ['has', 'name'] })) {
		const name = String(feature.properties.name);
		if (places.has(name) || !name.toLowerCase().includes(asked)) continue;
		const [lon, lat] = firstPoint(feature.geometry as { coordinates: unknown });
		if (lon !== undefined && lat !== undefined) places.set(name, { name, lon, lat });
		if (places.size >= 20) break;
	}
	return [...places.values()];
}

function firstPoint(geometry: { coordinates: unknown }): number[] {
	let at = geometry.coordinates;
	while (Array.isArray(at) && Array.isArray(at[0])) at = at[Math.floor(at.length / 2)];
	return Array.isArray(at) ? (at as number[]) : [];
}
