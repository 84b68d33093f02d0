// Cameras and blind spots of a place as a plan: metres around their middle, wedges of what is seen. Pure.
import type { ItemLine } from '../types';
import type { VideoCamera } from '../video/ask';

export interface Wedge { id: string; name: string; state: string; path: string; x: number; y: number; label: string }
export interface Spot { id: string; what: string; x: number; y: number; known: boolean }
export interface Plan { width: number; height: number; wedges: Wedge[]; spots: Spot[]; metres: number }

const METRES = 111_320;
const MARGIN = 12;
/** Paper of a plan, in its own units. */
const SIZE = 480;

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** What a camera sees: a sector from its place, or a circle when nobody knows where it looks. */
export function wedge(x: number, y: number, heading: number | null, field: number, reach: number): string {
	if (heading === null || field >= 360) return `M ${rounded(x - reach)} ${rounded(y)} a ${rounded(reach)} ${rounded(reach)} 0 1 0 ${rounded(2 * reach)} 0 a ${rounded(reach)} ${rounded(reach)} 0 1 0 ${rounded(-2 * reach)} 0 Z`;
	const point = (degrees: number): string => {
		const at = (degrees * Math.PI) / 180;
		return `${rounded(x + reach * Math.sin(at))} ${rounded(y - reach * Math.cos(at))}`;
	};
	return `M ${rounded(x)} ${rounded(y)} L ${point(heading - field / 2)} A ${rounded(reach)} ${rounded(reach)} 0 ${field > 180 ? 1 : 0} 1 ${point(heading + field / 2)} Z`;
}

/** The plan of one place; null when nothing of it has a place. Cameras that stand on one spot are drawn on one spot. */
export function planOf(cameras: readonly VideoCamera[], blind: readonly ItemLine[]): Plan | null {
	const here = blind.filter((one): one is ItemLine & { lat: number; lon: number } => one.lat !== null && one.lon !== null);
	const all = [...cameras, ...here];
	if (!all.length) return null;
	const lat = all.reduce((sum, one) => sum + one.lat, 0) / all.length;
	const lon = all.reduce((sum, one) => sum + one.lon, 0) / all.length;
	const east = (at: number) => (at - lon) * METRES * Math.cos((lat * Math.PI) / 180);
	const north = (at: number) => (at - lat) * METRES;
	const far = Math.max(10, ...cameras.map((one) => Math.max(Math.abs(east(one.lon)), Math.abs(north(one.lat))) + one.reach), ...here.map((one) => Math.max(Math.abs(east(one.lon)), Math.abs(north(one.lat))) + 5));
	const scale = (SIZE / 2 - MARGIN) / far;
	const x = (at: number) => rounded(SIZE / 2 + east(at) * scale);
	const y = (at: number) => rounded(SIZE / 2 - north(at) * scale);
	return {
		width: SIZE,
		height: SIZE,
		metres: far,
		wedges: cameras.map((one) => ({ id: one.id, name: one.name, state: one.state, path: wedge(x(one.lon), y(one.lat), one.heading, one.field_of_view, one.reach * scale), x: x(one.lon), y: y(one.lat), label: one.name })),
		spots: here.map((one) => ({ id: one.id, what: String(one.title.what ?? ''), x: x(one.lon), y: y(one.lat), known: one.state === 'tolerated' }))
	};
}
