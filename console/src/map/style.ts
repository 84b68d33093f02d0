// The street map as it is drawn at night and by day, from the tiles made of the imported extract. No glyphs, no sprites: nothing is fetched.
import type { ExpressionSpecification, FilterSpecification, LayerSpecification, StyleSpecification } from 'maplibre-gl';
import type { Theme } from '../shell/theme.svelte';

const FONT = ['Noto Sans'];
const BIG = ['motorway', 'trunk', 'primary', 'secondary', 'tertiary', 'motorway_link', 'trunk_link', 'primary_link'];

const INK = {
	dark: { ground: '#0f1418', green: '#12201c', building: '#1a232b', water: '#1d3c56', minor: '#27323b', major: '#42525f', label: '#a9b6c2', halo: '#0f1418' },
	light: { ground: '#e9edf0', green: '#d8e6d3', building: '#dcdfe2', water: '#8fbbe0', minor: '#ffffff', major: '#c9a94f', label: '#33404b', halo: '#ffffff' }
};

const wide = (from: number, to: number): ExpressionSpecification => ['interpolate', ['exponential', 1.5], ['zoom'], 9, from, 17, to];

export function mapStyle(theme: Theme, tiles: string | null): StyleSpecification {
	const ink = INK[theme];
	const layers: LayerSpecification[] = [{ id: 'ground', type: 'background', paint: { 'background-color': ink.ground } }];
	if (!tiles) return { version: 8, sources: {}, layers };
	const of = { source: 'streets', 'source-layer': 'osm' } as const;
	const area: FilterSpecification = ['==', ['geometry-type'], 'Polygon'];
	const big: ExpressionSpecification = ['in', ['get', 'highway'], ['literal', BIG]];
	layers.push(
		{ id: 'green', type: 'fill', ...of, filter: ['all', area, ['any', ['has', 'landuse'], ['has', 'natural']]], paint: { 'fill-color': ['match', ['get', 'natural'], 'water', ink.water, ink.green] } },
		{ id: 'building', type: 'fill', ...of, minzoom: 13, filter: ['all', area, ['has', 'building']], paint: { 'fill-color': ink.building } },
		{ id: 'water', type: 'line', ...of, filter: ['has', 'waterway'], paint: { 'line-color': ink.water, 'line-width': 1.5 } },
		{ id: 'minor', type: 'line', ...of, filter: ['all', ['has', 'highway'], ['!', big]], layout: { 'line-cap': 'round' }, paint: { 'line-color': ink.minor, 'line-width': wide(0.4, 7) } },
		{ id: 'major', type: 'line', ...of, filter: big, layout: { 'line-cap': 'round', 'line-join': 'round' }, paint: { 'line-color': ink.major, 'line-width': wide(0.8, 12) } },
		{
			id: 'names', type: 'symbol', ...of, minzoom: 12, filter: ['all', ['has', 'name'], ['has', 'highway']],
			layout: { 'symbol-placement': 'line', 'text-field': ['get', 'name'], 'text-size': 12, 'text-font': FONT },
			paint: { 'text-color': ink.label, 'text-halo-color': ink.halo, 'text-halo-width': 1.5 }
		}
	);
	return {
		version: 8,
		sources: { streets: { type: 'vector', url: `pmtiles://${tiles}`, attribution: '© OpenStreetMap contributors' } },
		layers
	};
}
