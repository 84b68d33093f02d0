// From the server's JSON to the structs of this page: what is absent gets its empty value, once and here.
import type { Camera, Facts, Item, ItemLine, Json, LogEntry, OpenEdge, Overview, PlateReadRow, Recommendation, Schema, TabletView, Unit } from './types';

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);
const list = <T = Json>(value: unknown): T[] => (Array.isArray(value) ? (value as T[]) : []);
const facts = (value: unknown): Facts => (value && typeof value === 'object' && !Array.isArray(value) ? (value as Facts) : {});

export function decodeLine(given: unknown): ItemLine {
	const line = facts(given);
	return {
		id: String(line.id),
		desk: String(line.desk),
		state: String(line.state),
		rev: number(line.rev) ?? 0,
		region: number(line.region) ?? 0,
		priority: number(line.priority) ?? 5,
		opened: number(line.opened) ?? 0,
		due: number(line.due),
		owner: text(line.owner),
		unit: text(line.unit),
		title: facts(line.title),
		lon: number(line.lon),
		lat: number(line.lat),
		parent: text(line.parent)
	};
}

function decodeEntry(given: unknown): LogEntry {
	const entry = facts(given);
	return {
		rev: number(entry.rev) ?? 0,
		at: number(entry.at) ?? 0,
		edge: text(entry.edge) ?? '',
		start: text(entry.start) ?? text(entry.from),
		to: text(entry.to),
		actor: text(entry.actor) ?? '',
		role: text(entry.role) ?? '',
		purpose: text(entry.purpose),
		data: facts(entry.data),
		warnings: list<string>(entry.warnings)
	};
}

/** Of edges with one name the first is the one that would be taken. */
const once = (edges: OpenEdge[]): OpenEdge[] => [...new Map(edges.toReversed().map((edge) => [edge.name, edge])).values()].toReversed();

function decodeEdge(given: unknown): OpenEdge {
	const edge = facts(given);
	return { name: String(edge.name), to: text(edge.to) ?? '', form: (edge.form ?? null) as Schema | null };
}

export function decodeItem(given: unknown): Item {
	const item = facts(given);
	const line = decodeLine(item);
	const data = facts(item.data);
	return {
		...line,
		title: Object.keys(line.title).length ? line.title : data,
		data,
		log: list(item.log).map(decodeEntry),
		children: list(item.children).map(decodeLine),
		links: list(item.links).map((one) => ({ kind: String(facts(one).kind), item: String(facts(one).item) })).filter((link) => link.kind !== 'parent'),
		edges: once(list(item.edges).map(decodeEdge)),
		pictures: list<string>(item.pictures)
	};
}

/** `[unit, lon, lat, heading|null, status letter, at, flags]` */
export type UnitRow = [string, number, number, number | null, string, number, string[]];

export function unitOfRow(row: UnitRow): Unit {
	return { id: row[0], callSign: row[0], lon: row[1], lat: row[2], heading: row[3], letter: row[4], at: row[5], flags: list<string>(row[6]), item: null };
}

/** Letter of a status on the map; the words are in the legend. */
export const LETTERS: Record<string, string> = { available: 'A', reserved: 'R', en_route: 'E', at_scene: 'S', busy: 'B', off_duty: 'O' };
export const letterOf = (status: string): string => LETTERS[status] ?? status.charAt(0).toUpperCase();

function decodeUnit(given: unknown): Unit {
	if (Array.isArray(given)) return unitOfRow(given as UnitRow);
	const unit = facts(given);
	const id = String(unit.id ?? unit.unit);
	return {
		id,
		callSign: text(unit.call_sign) ?? id,
		lon: number(unit.lon),
		lat: number(unit.lat),
		heading: number(unit.heading),
		letter: text(unit.letter) ?? letterOf(text(unit.status) ?? 'off_duty'),
		at: number(unit.at),
		flags: list<string>(unit.flags),
		item: text(unit.item)
	};
}

function decodeCamera(given: unknown): Camera {
	const camera = facts(given);
	return {
		id: String(camera.id),
		name: text(camera.name) ?? String(camera.id),
		lon: number(camera.lon) ?? 0,
		lat: number(camera.lat) ?? 0,
		heading: number(camera.heading),
		limit: number(camera.limit)
	};
}

export function decodeOverview(given: unknown): Overview {
	const all = facts(given);
	const map = facts(all.map);
	const bounds = list<number>(map.bounds);
	return {
		now: number(all.now) ?? Date.now(),
		feed: number(all.feed) ?? 0,
		units: list(all.units).map(decodeUnit),
		cameras: list(all.cameras).map(decodeCamera),
		items: list(all.items).map(decodeLine),
		map: { bounds: bounds.length === 4 ? (bounds as [number, number, number, number]) : null, tiles: text(map.tiles) },
		onShift: all.on_shift !== false
	};
}

/** The machine's proposal in an item's data; null when there is none. */
export function recommendationOf(data: Facts): Recommendation | null {
	const found = facts(data.recommendation);
	if (!('candidates' in found)) return null;
	return {
		at: number(found.at) ?? 0,
		camera: text(found.camera) ?? '',
		candidates: list(found.candidates).map((one) => {
			const candidate = facts(one);
			return {
				unit: String(candidate.unit),
				probability: number(candidate.probability) ?? 0,
				seconds: number(candidate.seconds) ?? 0,
				stale: number(candidate.stale) ?? 0
			};
		}),
		passed_over: facts(found.passed_over) as Record<string, string>,
		shortfalls: list<string>(found.shortfalls)
	};
}

export function decodeReads(given: unknown): PlateReadRow[] {
	const rows = Array.isArray(given) ? given : list(facts(given).reads);
	return rows.map((one) => {
		const row = facts(one);
		return { at: number(row.at) ?? 0, camera: String(row.camera), plate: text(row.plate) ?? '', speed: number(row.speed) };
	});
}

export function decodeTablet(given: unknown): TabletView {
	const view = facts(given);
	const position = facts(view.position);
	const lat = number(position.lat);
	const lon = number(position.lon);
	return {
		unit: text(view.unit) ?? '',
		status: text(view.status) ?? 'off_duty',
		alert: view.alert ? decodeItem(view.alert) : null,
		position: lat !== null && lon !== null ? { at: number(position.at) ?? 0, lat, lon } : null
	};
}
