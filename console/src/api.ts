// The one place that talks to the server. Every refusal is a kind with fields, to be said in the reader's language.
import { decodeItem, decodeLine, decodeOverview, decodeReads, decodeTablet } from './decode';
import type { DeskSpec, Facts, Item, ItemLine, Me, Overview, PlateReadRow, TabletView } from './types';

export type Kind =
	| 'invalid'
	| 'denied'
	| 'stale'
	| 'not_found'
	| 'conflict'
	| 'too_large'
	| 'too_many'
	| 'unavailable'
	| 'unauthenticated'
	| 'offline'; // ours: no answer came at all

const KINDS: Record<number, Kind> = {
	400: 'invalid', 401: 'unauthenticated', 403: 'denied', 404: 'not_found', 409: 'conflict', 413: 'too_large', 429: 'too_many'
};

export class Refusal extends Error {
	constructor(
		readonly kind: Kind,
		readonly fields: Facts = {},
		message = ''
	) {
		super(message || kind);
	}
}

let csrf = '';
/** Whether changes can be asked for: the token comes with the first sign of who we are. */
export const hasToken = (): boolean => csrf !== '';
let onSignedOut: () => void = () => {};
let prove: () => Promise<boolean> = () => Promise.resolve(false);

/** Who asks the person to prove himself again, before an act that needs it; true when he did. */
export function whenProofIsAsked(ask: () => Promise<boolean>): void {
	prove = ask;
}

/** What to do when a session has ended on the server's side. */
export function whenSignedOut(then: () => void): void {
	onSignedOut = then;
}

async function refusalOf(answer: Response): Promise<Refusal> {
	const fallback = KINDS[answer.status] ?? 'unavailable';
	const body = (await answer.json().catch(() => null)) as { kind?: Kind; fields?: Facts; message?: string } | null;
	return new Refusal(body?.kind ?? fallback, body?.fields ?? {}, body?.message);
}

export async function call(path: string, method = 'GET', body?: unknown, again = true, signal?: AbortSignal): Promise<Response> {
	const headers: Record<string, string> = { Accept: 'application/json' };
	const token = csrf;
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	if (method !== 'GET') headers['X-CSRF-Token'] = token;
	let answer: Response;
	try {
		answer = await fetch(path, { method, headers, credentials: 'same-origin', body: body === undefined ? null : JSON.stringify(body), signal: signal ?? null });
	} catch {
		throw new Refusal('offline');
	}
	if (answer.ok) return answer;
	const refusal = await refusalOf(answer);
	if (again && csrf !== token && (refusal.kind === 'unauthenticated' || refusal.fields.csrf)) return call(path, method, body, false, signal); // asked under the token before
	if (again && refusal.kind === 'denied' && refusal.fields.fresh && (await prove())) return call(path, method, body, false, signal);
	if (refusal.kind === 'unauthenticated' && refusal.fields.session === 'none') onSignedOut();
	throw refusal;
}

const get = async (path: string): Promise<unknown> => (await call(path)).json();
const post = async (path: string, body: unknown = {}): Promise<unknown> => {
	const answer = await call(path, 'POST', body);
	return answer.status === 204 ? null : answer.json().catch(() => null);
};
const query = (given: Record<string, string | number | null | undefined>): string => {
	const filled = Object.entries(given).filter(([, value]) => value !== null && value !== undefined && value !== '');
	return filled.length ? `?${new URLSearchParams(filled.map(([key, value]) => [key, String(value)]))}` : '';
};
const path = (...parts: string[]): string => `/api/${parts.map(encodeURIComponent).join('/')}`;

/** Changes are asked for under this session's token from now on. */
export function signed(me: Me): Me {
	csrf = me.csrf;
	return me;
}

/** Who it is, or a ticket for the second proof. */
export async function login(name: string, password: string): Promise<Me | { ticket: string; ways: string[] }> {
	const told = (await post('/api/login', { name, password })) as Me | { ticket: string; ways: string[] };
	return 'ticket' in told ? told : signed(told);
}
export const logout = (): Promise<unknown> => post('/api/logout');
export const whoAmI = async (): Promise<Me> => signed((await get('/api/me')) as Me);
export const readDesks = async (): Promise<DeskSpec[]> => (await get('/api/desks')) as DeskSpec[];
export const readOverview = async (): Promise<Overview> => decodeOverview(await get('/api/overview'));
export const readItem = async (id: string, purpose: string): Promise<Item> => decodeItem(await get(path('items', id) + query({ purpose })));
export const readItems = async (given: { state?: string; desk?: string }): Promise<ItemLine[]> =>
	((await get('/api/items' + query(given))) as Facts[]).map(decodeLine);
export const pictureUrl = (id: string, name: string, purpose: string): string => path('items', id, 'pictures', name) + query({ purpose });
export const readRegister = async (name: string): Promise<Facts[]> => (await get(path('registers', name))) as Facts[];
export const readPlate = async (plate: string, given: { from: number; to: number; purpose: string; case: string }): Promise<PlateReadRow[]> =>
	decodeReads(await get(path('plates', plate, 'reads') + query(given)));

/** Take an edge. A stale answer carries the fresh item in the refusal's `fields.item`. */
export const takeEdge = async (id: string, edge: string, rev: number, data: Facts): Promise<Item> =>
	decodeItem(await post(path('items', id, 'edges', edge), { rev, data }));

/** The fresh item of a stale refusal, if it carries one. */
export function freshOf(refusal: unknown): Item | null {
	if (!(refusal instanceof Refusal) || refusal.kind !== 'stale') return null;
	const given = refusal.fields.item;
	const item = typeof given === 'string' ? (JSON.parse(given) as Facts) : given;
	return item && typeof item === 'object' ? decodeItem(item) : null;
}

/** A device as the server knows it. `renew`: when to ask for the next certificate, ms. */
export interface Certified {
	device: string;
	certificate: string;
	ends: number;
	renew: number;
}
export const enrol = async (code: string, public_key: string): Promise<Certified> =>
	(await post('/api/tablet/enrol', { code, public_key })) as Certified;
export const renewCertificate = async (device: string, at: number, signature: string): Promise<Certified> =>
	(await post('/api/tablet/certificate', { device, at, signature })) as Certified;
export const makeCode = async (unit: string, officer: string): Promise<{ code: string; ends: number }> =>
	(await post('/api/tablet/codes', { unit, officer })) as { code: string; ends: number };
export const readNearest = async (lat: number, lon: number, k: number): Promise<{ unit: string; seconds: number; metres: number }[]> =>
	(await get('/api/units/nearest' + query({ lat, lon, k }))) as { unit: string; seconds: number; metres: number }[];
export const setDuty = (on: boolean): Promise<unknown> => post('/api/tablet/duty', { on });
export const readTablet = async (): Promise<TabletView> => decodeTablet(await get('/api/tablet'));
export const postPositions = async (batch: unknown): Promise<number> => ((await post('/tablet/positions', batch)) as { accepted_to: number }).accepted_to;
