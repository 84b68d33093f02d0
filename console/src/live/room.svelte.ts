// What the control room knows now. Positions of units are kept outside the page's reactive state: they change 10,000 times a second.
import { readDesks, readOverview } from '../api';
import { letterOf, type UnitRow } from '../decode';
import { merged } from '../queue/order';
import type { Camera, DeskSpec, Instant, ItemLine, Overview, Unit } from '../types';
import { follow } from './feed';

type Moved = (ids: Iterable<string>) => void;

let items = $state.raw<ItemLine[]>([]);
let cameras = $state.raw<Camera[]>([]);
let desks = $state.raw<Record<string, DeskSpec>>({});
let connected = $state(false);
let loaded = $state(false);
let heard = $state(0); // our own clock, when the server was last heard
let lastNews = $state(0); // server time of the last change
let skew = 0;
let now = $state(Date.now());
let unitCount = $state(0);
let duty = $state(0);
let onShift = $state(true);
let mapInfo = $state.raw<Overview['map']>({ bounds: null, tiles: null });
let arrived = $state.raw<{ lines: ItemLine[] }>({ lines: [] });
const units = new Map<string, Unit>();
const statusRev = new Map<string, number>(); // lines may come in another order than they were committed
const listeners = new Set<Moved>();

export const room = {
	get items() { return items; },
	get cameras() { return cameras; },
	get desks() { return desks; },
	get connected() { return connected; },
	get loaded() { return loaded; },
	/** Server time now, ticking once a second. */
	get now() { return now + skew; },
	/** Server time when the server was last heard. */
	get heard() { return heard + skew; },
	get lastNews() { return lastNews; },
	get unitCount() { return unitCount; },
	get onDuty() { return duty; },
	get map() { return mapInfo; },
	/** False: the register of shifts knows nothing of this one. Dispatch goes on; pictures and the past are closed. */
	get onShift() { return onShift; },
	/** Items that were not here before, of the last news. */
	get arrived() { return arrived.lines; },
	units: units as ReadonlyMap<string, Unit>,
	desk: (name: string): DeskSpec | undefined => desks[name]
};

export const callSign = (unit: string): string => units.get(unit)?.callSign ?? unit;

/** Hear of moved units; called with their ids at most once a tick of the server. */
export function onMove(then: Moved): () => void {
	listeners.add(then);
	return () => listeners.delete(then);
}

function told(ids: Iterable<string>): void {
	for (const then of listeners) then(ids);
}

function count(): void {
	unitCount = units.size;
	let on = 0;
	for (const unit of units.values()) if (unit.letter !== 'O') on++;
	duty = on;
}

function take(lines: ItemLine[]): void {
	const known = new Set(items.map((line) => line.id));
	const next = merged(items, lines, room.desk);
	arrived = { lines: next.filter((line) => !known.has(line.id)) };
	items = next;
	lastNews = Date.now() + skew;
}

function moved(rows: UnitRow[]): void {
	const ids: string[] = [];
	for (const [id, lon, lat, heading, letter, at, flags] of rows) {
		const known = units.get(id);
		if (known) Object.assign(known, { lon, lat, heading: heading ?? known.heading, letter, at, flags });
		else units.set(id, { id, callSign: id, lon, lat, heading, letter, at, flags: flags ?? [], item: null });
		ids.push(id);
	}
	told(ids);
}

async function refill(): Promise<number> {
	const all = await readOverview();
	skew = all.now - Date.now();
	heard = Date.now();
	cameras = all.cameras;
	mapInfo = all.map;
	onShift = all.onShift;
	units.clear();
	statusRev.clear();
	for (const unit of all.units) units.set(unit.id, unit);
	const known = new Set(items.map((line) => line.id));
	const next = merged([], all.items, room.desk);
	if (loaded) arrived = { lines: next.filter((line) => !known.has(line.id)) };
	items = next;
	lastNews = Math.max(lastNews, ...next.map((line) => line.opened));
	count();
	told(units.keys());
	loaded = true;
	return all.feed;
}

/** Read everything once and follow. Returns the way to stop. */
export async function enter(): Promise<() => void> {
	desks = Object.fromEntries((await readDesks()).map((desk) => [desk.name, desk]));
	const stopFeed = follow(await refill(), {
		items: take,
		units: moved,
		status(news) {
			for (const { unit, status, item, rev = 0 } of news) {
				const known = units.get(unit);
				if (rev < (statusRev.get(unit) ?? 0)) continue;
				statusRev.set(unit, rev);
				if (known) Object.assign(known, { letter: letterOf(status), item });
			}
			count();
			told(news.map(({ unit }) => unit));
		},
		beat(at) {
			skew = at - Date.now();
			heard = Date.now();
		},
		refill,
		connected: (yes) => (connected = yes)
	});
	const tick = setInterval(() => {
		now = Date.now();
		unitCount = units.size;
	}, 1_000);
	return () => {
		stopFeed();
		clearInterval(tick);
		items = [];
		units.clear();
		loaded = false;
	};
}

/** The caller's own step is shown at once; the feed will say the same. */
export function shown(line: ItemLine): void {
	items = merged(items, [line], room.desk);
}

/** When the item's news is older than the server's promise. */
export const silentSince = (): Instant | null => (loaded && now - heard > 6_000 ? heard + skew : null);
