// What the tablet does by itself: measures where it is, sends what waits, listens for its alert.
import { freshOf, postPositions, readTablet, Refusal, setDuty, takeEdge } from '../api';
import type { Item, Me, OpenEdge, TabletView } from '../types';
import { enrolDevice, knownDevice, signed, type Device } from './device';
import { alreadyTaken, drainActions, drainFixes, type Action, type Sent, type Store } from './outbox';
import { fixFrom, type Fix } from './positions';
import { actionStore, fixStore, openMemory, storeFix } from './store';

const POLL = 5_000; // ms: the view is read again even when the stream is silent
const FIX_EVERY = 2_000; // ms between two kept positions

let view = $state.raw<TabletView | null>(null);
let device = $state.raw<Device | null>(null);
let waitingFixes = $state(0);
let waitingActions = $state.raw<Action[]>([]);
let online = $state(true);
let heard = $state(0);
let place = $state.raw<Fix | null>(null);
let placeTrouble = $state(false);
let started = $state(false);
let refused = $state.raw<{ edge: string; why: string } | null>(null);
let now = $state(Date.now());

export const patrol = {
	get view() { return view; },
	get device() { return device; },
	get waiting() { return waitingFixes + waitingActions.length; },
	get pending() { return waitingActions; },
	get online() { return online; },
	get heard() { return heard; },
	get place() { return place; },
	get placeTrouble() { return placeTrouble; },
	get started() { return started; },
	get refused() { return refused; },
	get now() { return now; },
	/** Who hears the alert of an item; replaced by the page. */
	onalert: (_: Item): void => {}
};

let memory: IDBDatabase | undefined;
let fixes: Store<Fix> | undefined;
let actions: Store<Action> | undefined;
let me: Me;
let sending = false;

async function count() {
	if (!fixes || !actions) return;
	waitingFixes = await fixes.count();
	waitingActions = await actions.first(50);
}

async function look() {
	try {
		const next = await readTablet();
		const before = view?.alert;
		view = next;
		online = true;
		heard = Date.now();
		if (next.alert && (next.alert.id !== before?.id || (next.alert.rev !== before.rev && next.alert.state !== before.state))) patrol.onalert(next.alert);
	} catch (error) {
		online = !(error instanceof Refusal && (error.kind === 'offline' || error.kind === 'unavailable'));
	}
}

async function sendAction(action: Action): Promise<Sent> {
	try {
		await takeEdge(action.item, action.edge, action.rev, action.data);
		return { kind: 'taken' };
	} catch (error) {
		const fresh = freshOf(error);
		if (fresh && alreadyTaken(action, fresh, me.user)) return { kind: 'taken' };
		if (!(error instanceof Refusal) || ['offline', 'unavailable', 'too_many', 'unauthenticated'].includes(error.kind)) return { kind: 'lost' };
		return { kind: 'refused', why: error.kind };
	}
}

async function postFixes(batch: Fix[]): Promise<number | null> {
	if (!device) return null;
	try {
		return await postPositions(await signed(device, batch));
	} catch (error) {
		if (error instanceof Refusal && error.kind === 'offline') online = false;
		return null;
	}
}

/** Send what waits, actions first: a person's answer goes before a machine's positions. */
async function flush() {
	if (sending || !fixes || !actions) return;
	sending = true;
	try {
		const had = await actions.count();
		for (const { action, why } of await drainActions(actions, sendAction)) refused = { edge: action.edge, why };
		await drainFixes(fixes, postFixes);
		await count();
		if (had) await look();
	} finally {
		sending = false;
	}
}

/** Keep the answer first, then try to send it. The screen moves on at once. */
export async function act(item: Item, edge: OpenEdge, data: Action['data']): Promise<void> {
	refused = null;
	await actions?.put({ id: crypto.randomUUID(), item: item.id, rev: item.rev, edge: edge.name, to: edge.to, data, at: Date.now() });
	await count();
	void flush();
}

export function clearRefused(): void {
	refused = null;
}

export async function duty(on: boolean): Promise<void> {
	await setDuty(on);
	await look();
}

export async function enrolHere(code: string): Promise<void> {
	if (memory) device = await enrolDevice(memory, code);
}

async function measure(): Promise<() => void> {
	const battery = (navigator as unknown as { getBattery?: () => Promise<{ level: number }> }).getBattery;
	const level = battery ? await battery.call(navigator).catch(() => null) : null;
	let last = 0;
	const watch = navigator.geolocation.watchPosition(
		(position) => {
			placeTrouble = false;
			place = fixFrom(0, position, level?.level ?? null);
			if (!device || !memory || position.timestamp - last < FIX_EVERY) return;
			last = position.timestamp;
			storeFix(memory, (seq) => fixFrom(seq, position, level?.level ?? null)).then(count, () => (placeTrouble = true));
		},
		() => (placeTrouble = true),
		{ enableHighAccuracy: true, maximumAge: 1_000, timeout: 20_000 }
	);
	return () => navigator.geolocation.clearWatch(watch);
}

function listen(): () => void {
	let source: EventSource | undefined;
	let retry: ReturnType<typeof setTimeout> | undefined;
	const open = () => {
		source = new EventSource('/api/live');
		const mine = (event: Event) => {
			if ((event as MessageEvent<string>).data.includes(`"${me.unit}"`)) void look();
		};
		source.addEventListener('items', mine);
		source.addEventListener('status', mine);
		source.addEventListener('reload', () => void look());
		source.addEventListener('beat', () => {
			heard = Date.now();
			online = true;
		});
		source.onerror = () => {
			if (source?.readyState === EventSource.CLOSED) retry = setTimeout(open, POLL);
		};
	};
	open();
	return () => {
		clearTimeout(retry);
		source?.close();
	};
}

/** Begin the watch. Returns the way to end it; what waits stays on the device. */
export async function begin(who: Me): Promise<() => void> {
	me = who;
	memory = await openMemory();
	fixes = fixStore(memory);
	actions = actionStore(memory);
	device = await knownDevice(memory);
	await count();
	await look();
	started = true;
	const stops = [await measure(), listen()];
	const timers = [setInterval(() => void look(), POLL), setInterval(() => void flush(), FIX_EVERY), setInterval(() => (now = Date.now()), 1_000)];
	const back = () => void flush().then(look);
	addEventListener('online', back);
	return () => {
		stops.forEach((stop) => stop());
		timers.forEach(clearInterval);
		removeEventListener('online', back);
		started = false;
		view = null;
	};
}
