// What lies over the streets: the way ahead, cameras, units, alerts. Added anew after each change of style.
import type { ExpressionSpecification, LayerSpecification, Map as MapView } from 'maplibre-gl';
import type { Theme } from '../shell/theme.svelte';
import { addIcons } from './icons';
import { collection } from './features';

const FONT = ['Noto Sans'];
const CLUSTER_BELOW = 11;
const VIDEO_CLUSTER_BELOW = 15; // a street's cameras stand a few metres apart
/** Layers of the recorded cameras, which one button shows and hides. */
export const VIDEO_LAYERS = ['cones', 'cones-edge', 'video', 'video-many'] as const;
/** From here on it is drawn what each camera sees. */
export const CONES_FROM = 14.5;

/** The later a street is reached, the wider; the less likely, the nearer to the colour of a street: opaque, so that nothing adds up where two meet. */
const probability: ExpressionSpecification = ['get', 'probability'];
const seconds: ExpressionSpecification = ['get', 'seconds'];
const BAND = { dark: ['#42525f', '#a87a26', '#f5b041'], light: ['#c9a94f', '#d58a1c', '#b85c00'] } as const;

export function addOverlay(map: MapView, theme: Theme): void {
	addIcons(map);
	const empty = collection([]);
	const source = (id: string) => map.addSource(id, { type: 'geojson', data: empty, promoteId: 'id' });
	['band', 'line', 'view', 'cones', 'cameras', 'items', 'chosen'].forEach(source);
	map.addSource('video', {
		type: 'geojson', data: empty, promoteId: 'id', cluster: true, clusterRadius: 40, clusterMaxZoom: VIDEO_CLUSTER_BELOW - 1,
		clusterProperties: { bad: ['+', ['get', 'bad']] }
	});
	map.addSource('units', { type: 'geojson', data: empty, promoteId: 'id', cluster: true, clusterRadius: 44, clusterMaxZoom: CLUSTER_BELOW - 1 });

	const text = theme === 'dark' ? '#e8edf2' : '#11181e';
	const ground = theme === 'dark' ? '#0f1418' : '#ffffff';
	const blue = theme === 'dark' ? '#58a6ff' : '#0a57a8';
	const [pale, half, full] = BAND[theme];
	const layers: LayerSpecification[] = [
		{
			id: 'band', type: 'line', source: 'band', layout: { 'line-cap': 'round', 'line-join': 'round', 'line-sort-key': probability },
			paint: {
				'line-color': ['interpolate', ['linear'], probability, 0, pale, 0.4, half, 1, full],
				'line-width': ['interpolate', ['exponential', 1.5], ['zoom'], 11, ['interpolate', ['linear'], seconds, 0, 2, 180, 7], 16, ['interpolate', ['linear'], seconds, 0, 10, 180, 36]]
			}
		},
		{ id: 'line', type: 'line', source: 'line', paint: { 'line-color': blue, 'line-width': 2.5, 'line-dasharray': [2, 2] } },
		{ id: 'view', type: 'fill', source: 'view', minzoom: 14, paint: { 'fill-color': text, 'fill-opacity': 0.14 } },
		{
			id: 'cameras', type: 'symbol', source: 'cameras', minzoom: CLUSTER_BELOW,
			layout: { 'icon-image': 'camera', 'icon-size': ['interpolate', ['linear'], ['zoom'], 11, 0.4, 15, 0.9], 'icon-rotate': ['get', 'heading'], 'icon-rotation-alignment': 'map', 'icon-allow-overlap': true, 'icon-anchor': 'bottom' }
		},
		{ id: 'cones', type: 'fill', source: 'cones', minzoom: CONES_FROM, paint: { 'fill-color': text, 'fill-opacity': ['case', ['get', 'sees'], 0.16, 0.04] } },
		{ id: 'cones-edge', type: 'line', source: 'cones', minzoom: CONES_FROM, filter: ['!', ['get', 'sees']], paint: { 'line-color': text, 'line-opacity': 0.6, 'line-dasharray': [2, 2] } },
		{
			id: 'video-many', type: 'symbol', source: 'video', filter: ['has', 'point_count'],
			layout: {
				'icon-image': 'video-many', 'icon-allow-overlap': true, 'icon-size': ['case', ['>', ['get', 'bad'], 0], 1.15, 0.9],
				'text-field': ['concat', ['get', 'point_count_abbreviated'], ['case', ['>', ['get', 'bad'], 0], ['concat', ' ■', ['to-string', ['get', 'bad']]], '']],
				'text-size': 11, 'text-font': FONT, 'text-allow-overlap': true
			},
			paint: { 'text-color': '#e8edf2' }
		},
		{
			id: 'video', type: 'symbol', source: 'video', filter: ['!', ['has', 'point_count']],
			layout: { 'icon-image': ['get', 'icon'], 'icon-size': ['interpolate', ['linear'], ['zoom'], 11, 0.5, 16, 0.9], 'icon-allow-overlap': true, 'symbol-sort-key': ['get', 'bad'] }
		},
		{ id: 'cluster', type: 'circle', source: 'units', filter: ['has', 'point_count'], paint: { 'circle-radius': ['step', ['get', 'point_count'], 14, 50, 18, 200, 24], 'circle-color': ground, 'circle-stroke-color': text, 'circle-stroke-width': 2 } },
		{ id: 'cluster-count', type: 'symbol', source: 'units', filter: ['has', 'point_count'], layout: { 'text-field': ['get', 'point_count_abbreviated'], 'text-size': 13, 'text-font': FONT, 'text-allow-overlap': true }, paint: { 'text-color': text } },
		{
			id: 'units', type: 'symbol', source: 'units', filter: ['!', ['has', 'point_count']],
			layout: {
				'icon-image': ['get', 'icon'], 'icon-rotate': ['get', 'heading'], 'icon-rotation-alignment': 'map', 'icon-allow-overlap': true, 'icon-ignore-placement': true,
				'icon-size': ['interpolate', ['linear'], ['zoom'], 11, 0.6, 14, 1],
				'text-field': ['step', ['zoom'], '', 11.5, ['get', 'letter']], 'text-size': ['interpolate', ['linear'], ['zoom'], 11, 9, 14, 12], 'text-font': FONT, 'text-allow-overlap': true, 'text-ignore-placement': true
			},
			paint: { 'text-color': ['match', ['slice', ['get', 'icon'], -3], 'old', '#e8edf2', '#0b0f12'] }
		},
		{ id: 'chosen', type: 'circle', source: 'chosen', paint: { 'circle-radius': 20, 'circle-color': 'rgba(0,0,0,0)', 'circle-stroke-color': blue, 'circle-stroke-width': 4 } },
		{
			id: 'items', type: 'symbol', source: 'items',
			layout: { 'icon-image': ['concat', 'alert-', ['get', 'kind']], 'icon-allow-overlap': true, 'icon-ignore-placement': true, 'symbol-sort-key': ['get', 'order'] }
		}
	];
	const names = map.getLayer('names') ? 'names' : undefined; // the way ahead lies on the streets, under their names
	for (const layer of layers) map.addLayer(layer, layer.id === 'band' ? names : undefined);
}
