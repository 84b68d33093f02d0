// What the tablet does by itself: measures where it is, sends what waits, listens for its alert.
import { freshOf, hasToken, postPositions, readItem, readTablet, Refusal, setDuty, takeEdge, whoAmI } from '../api';
import type { Item, Me, OpenEdge, TabletView } from '../types';
import { enrolDevice, forget, knownDevice, renewed, signed, type Device } from './device';
import { alreadyTaken, drainActions, drainFixes, type Action, type Sent, type Store } from './outbox';
import { fixFrom, type Fix } from './positions';
import { actionStore, fixStore, openMemory, storeFix } from './store';

const POLL = 5_000; // ms: the view is read again even when the stream is silent
const FIX_EVERY = 2_000; // ms between two kept positions
const STILL = 10_000; // ms after which a car that has not moved says so
const RENEW_EVERY = 600_000; // ms between two looks at the certificate
const STILL_LONGEST = 600_000; // ms after which that is not believed any more

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
let outcome = $state.raw<Item | null>(null);
let outcomeOf = ''; // the revision of the offer it was read for
let unknownDevice = $state(false);
let certificate = $state<'' | 'expired' | 'revoked'>('');

export const patrol = {
	get view() { return view; },
	/** The item that the accepted offer is about: how it ended is said there. */
	get outcome() { return outcome; },
	/** The server does not know this device's key. */
	get unknownDevice() { return unknownDevice; },
	/** Why: its certificate has ended or was revoked; empty when the server says neither. */
	get certificate() { return certificate; },
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

/** Once accepted, the patrol says how it ended on the item that asked for it; read once a revision, for each reading is recorded. */
async function lookAtOutcome(alert: Item | null) {
	if (!alert?.parent || alert.state === 'offered') {
		outcome = null;
		outcomeOf = '';
		return;
	}
	const wanted = `${alert.id}.${alert.rev}`;
	if (outcomeOf === wanted) return;
	try {
		outcome = await readItem(alert.parent, 'incident');
		outcomeOf = wanted;
	} catch (error) {
		if (!(error instanceof Refusal) || error.kind === 'offline' || error.kind === 'unavailable') throw error;
		outcome = null; // not ours to read: the offer's own steps are shown
		outcomeOf = wanted;
	}
}

async function look() {
	try {
		const next = await readTablet();
		const before = view?.alert;
		view = next;
		online = true;
		heard = Date.now();
		await lookAtOutcome(next.alert);
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

function refusedDevice(error: unknown) {
	if (!(error instanceof Refusal) || error.kind !== 'unauthenticated') return;
	unknownDevice = true;
	certificate = error.fields.certificate === 'expired' || error.fields.certificate === 'revoked' ? error.fields.certificate : '';
}

let looked = 0;
async function lookAtCertificate() {
	if (!memory || !device || Date.now() - looked < RENEW_EVERY) return;
	looked = Date.now();
	await renewed(memory, device, looked).catch(refusedDevice);
}

async function postFixes(batch: Fix[]): Promise<number | null | 'invalid'> {
	if (!device) return null;
	try {
		const accepted = await postPositions(await signed(device, batch));
		unknownDevice = false;
		return accepted;
	} catch (error) {
		if (error instanceof Refusal && error.kind === 'offline') online = false;
		refusedDevice(error);
		return error instanceof Refusal && error.kind === 'invalid' ? 'invalid' : null;
	}
}

/** Send what waits, actions first: a person's answer goes before a machine's positions. */
async function flush() {
	if (sending || !fixes || !actions) return;
	sending = true;
	try {
		if (!hasToken()) await whoAmI(); // the page was opened without a network
		await lookAtCertificate();
		const had = (await actions.count()) > 0;
		for (const { action, why } of await drainActions(actions, sendAction)) refused = { edge: action.edge, why };
		await drainFixes(fixes, postFixes);
		await count();
		if (had) {
			outcomeOf = '';
			await look();
		}
	} catch (error) {
		if (!(error instanceof Refusal)) throw error; // no network, no session: everything stays where it is
	} finally {
		sending = false;
	}
}

/** Keep the answer first, then try to send it. The screen moves on at once. */
export async function act(item: Item, edge: OpenEdge, data: Action['data']): Promise<void> {
	refused = null;
	await actions?.put({ id: crypto.randomUUID(), item: item.id, rev: item.rev, edge: edge.name, data, at: Date.now() });
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
	unknownDevice = false;
	certificate = '';
}

/** Ask for a code again; what waits stays and is sent under the new name. */
export async function forgetDevice(): Promise<void> {
	if (memory) await forget(memory);
	device = null;
	unknownDevice = false;
}

type Measured = Pick<GeolocationPosition, 'timestamp' | 'coords'>;
let lastFix = 0;

/** Keep a position for the server. Off duty nothing is kept: where a person is then is nobody's business. */
async function keepFix(make: (seq: number) => Fix, at: number) {
	if (!device || !memory || (view?.status ?? 'off_duty') === 'off_duty' || at - lastFix < FIX_EVERY) return;
	lastFix = at;
	try {
		await storeFix(memory, make);
		await count();
	} catch {
		placeTrouble = true;
	}
}

/**
 * Follow the place. A browser tells of changes only, so silence of a watch that has not failed means: still here, and
 * that is said again, for a car that stands still is not a silent one. Not for ever: a receiver may hang.
 */
async function measure(): Promise<() => void> {
	const charge = (navigator as unknown as { getBattery?: () => Promise<{ level: number }> }).getBattery;
	const level = (charge ? await charge.call(navigator).catch(() => null) : null)?.level ?? null;
	let measured = 0;
	const heard = (position: Measured) => {
		measured = Date.now();
		placeTrouble = false;
		place = fixFrom(0, position, level);
		void keepFix((seq) => fixFrom(seq, position, level), position.timestamp);
	};
	const lost = () => {
		measured = 0;
		placeTrouble = true;
	};
	const watch = navigator.geolocation.watchPosition(heard, lost, { enableHighAccuracy: true, maximumAge: 1_000 });
	const still = setInterval(() => {
		const at = Date.now();
		const here = place;
		if (!here || at - measured > STILL_LONGEST || at - lastFix < STILL) return;
		void keepFix((seq) => ({ ...here, seq, at, speed: null }), at);
	}, FIX_EVERY);
	return () => {
		navigator.geolocation.clearWatch(watch);
		clearInterval(still);
	};
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
