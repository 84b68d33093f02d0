// All live pictures of a page over one socket: a browser opens sockets to one house one after the other, and sixteen are slow before anything is asked. Does I/O.
import { Refusal, type Kind } from '../api';
import type { Facts, Instant } from '../types';
import type { Look } from './ask';

export interface News { init?: { codec: string; at: Instant }; skipped?: number; dark?: string; since?: Instant; still?: Instant; beat?: Instant }
export interface Hearer {
	word(news: News): void;
	bytes(data: Uint8Array<ArrayBuffer>): void;
	/** refusal: it was said no for good; null: it may be tried again. */
	ended(refusal: Refusal | null): void;
}

const IDLE = 20_000; // ms that a socket without pictures is kept: the next camera opens at once
const FINAL = new Set([4400, 4401, 4403, 4404, 4429]);
const KINDS: Record<number, Kind> = { 4400: 'invalid', 4401: 'unauthenticated', 4403: 'denied', 4404: 'not_found', 4429: 'too_many' };

/** What a code and its words refuse; null when it may be tried again. */
export function refusalOf(code: number, said: { kind?: Kind; fields?: Facts } = {}): Refusal | null {
	return FINAL.has(code) ? new Refusal(said.kind ?? KINDS[code]!, said.fields ?? {}) : null;
}

/** One message with bytes: the number of its view, and what it brings. */
export function parted(data: ArrayBuffer): { view: number; bytes: Uint8Array<ArrayBuffer> } | null {
	return data.byteLength < 4 ? null : { view: new DataView(data).getUint32(0), bytes: new Uint8Array(data, 4) };
}

const open = new Map<number, Hearer>();
let socket: WebSocket | null = null;
let last = 0;
let idle: ReturnType<typeof setTimeout> | undefined;

function hear({ data }: MessageEvent<string | ArrayBuffer>): void {
	if (typeof data !== 'string') {
		const part = parted(data);
		if (part) open.get(part.view)?.bytes(part.bytes);
		return;
	}
	const { view, closed, ...news } = JSON.parse(data) as News & { view: number; closed?: number; kind?: Kind; fields?: Facts };
	const hearer = open.get(view);
	if (!hearer) return; // it was left meanwhile
	if (closed === undefined) return hearer.word(news);
	open.delete(view);
	hearer.ended(refusalOf(closed, news));
}

function connect(): WebSocket {
	const mine = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live-pictures`);
	mine.binaryType = 'arraybuffer';
	mine.onmessage = (event: MessageEvent<string | ArrayBuffer>) => socket === mine && hear(event);
	mine.onclose = ({ code, reason }) => {
		if (socket !== mine) return;
		socket = null;
		let said: { kind?: Kind; fields?: Facts } = {};
		try {
			said = JSON.parse(reason || '{}') as typeof said;
		} catch {
			// a reason in plain words says no more than its number
		}
		const ended = [...open.values()];
		open.clear();
		for (const hearer of ended) hearer.ended(refusalOf(code, said));
	};
	return mine;
}

/** Open the socket before it is needed: the page is there, its cameras are still being read. */
export function warm(): void {
	socket ??= connect();
	rest();
}

function rest(): void {
	clearTimeout(idle);
	idle = setTimeout(() => {
		if (open.size) return;
		socket?.close();
		socket = null;
	}, IDLE);
}

/** Ask for a picture until the returned function is called. stills: key pictures as JPEG, for a browser that plays no such stream. */
export function openView(camera: string, look: Look, stills: boolean, hearer: Hearer): () => void {
	const view = ++last;
	const mine = (socket ??= connect());
	open.set(view, hearer);
	const ask = () => open.has(view) && mine.send(JSON.stringify({ view, camera, purpose: look.purpose, case: look.case, stills }));
	if (mine.readyState === WebSocket.OPEN) ask();
	else mine.addEventListener('open', ask, { once: true });
	return () => {
		if (!open.delete(view)) return;
		if (socket === mine && mine.readyState === WebSocket.OPEN) mine.send(JSON.stringify({ view, leave: true }));
		rest();
	};
}
