// One live picture: a WebSocket that brings the recorder's own fragments, opened again when it breaks. Does I/O.
import { Refusal, type Kind } from '../api';
import type { Facts, Instant } from '../types';
import { cameras } from './cameras.svelte';
import { liveUrl, type Look } from './ask';
import { Broken, Splitter } from './boxes';
import { Sink } from './sink';

export type Phase =
	| 'opening' // asked for, no picture yet
	| 'playing'
	| 'stalled' // connected, and no new picture
	| 'dark' // the camera has no picture, and the recorder says why
	| 'again' // not connected
	| 'unplayable' // this browser cannot decode it
	| 'refused';

export interface Shown {
	phase: Phase;
	/** Of the gap, when dark. */
	kind: string | null;
	/** Since when it is so. */
	since: Instant | null;
	/** The instant that is on the screen. */
	at: Instant | null;
	/** Length of picture that was left out because this screen is too slow, ms. */
	skipped: number;
	refusal: Refusal | null;
	/** From asking to the first picture, ms. */
	first: number | null;
	/** How old the picture on the screen is, ms. */
	behind: number | null;
}

const PAUSES = [300, 1_000, 2_000, 5_000];
const STALLED = 2_500; // ms without a new picture: a tile that stands still must not look alive
const FINAL = new Set([4400, 4401, 4403, 4404, 4429]);
const KINDS: Record<number, Kind> = { 4400: 'invalid', 4401: 'unauthenticated', 4403: 'denied', 4404: 'not_found', 4429: 'too_many' };

function refusalOf(event: CloseEvent): Refusal {
	let body: { kind?: Kind; fields?: Facts; message?: string } = {};
	try {
		body = JSON.parse(event.reason || '{}') as typeof body;
	} catch {
		// a reason in plain words says no more than its number
	}
	return new Refusal(body.kind ?? KINDS[event.code] ?? 'unavailable', body.fields ?? {}, body.message);
}

/** Show a camera until the returned function is called. `tell` hears each change, and the time shown twice a second. */
export function watch(video: HTMLVideoElement, camera: string, look: Look, tell: (shown: Shown) => void): () => void {
	let shown: Shown = { phase: 'opening', kind: null, since: null, at: null, skipped: 0, refusal: null, first: null, behind: null };
	let socket: WebSocket | null = null;
	let sink: Sink | null = null;
	let retry: ReturnType<typeof setTimeout> | undefined;
	let failures = 0;
	let stopped = false;
	let frame = 0; // when the last picture was drawn, performance.now()
	let opened = performance.now();
	let dark: Instant | null = null; // since when, until a fragment of later comes: what lies ready, or is sent for a beginning, is the past

	const say = (next: Partial<Shown>) => tell((shown = { ...shown, ...next }));

	function drawn(): void {
		frame = performance.now();
		if (shown.phase !== 'playing' && dark === null) say({ phase: 'playing', kind: null, since: null, first: shown.first ?? frame - opened });
		if (!stopped) video.requestVideoFrameCallback(drawn);
	}

	function end(next: Partial<Shown>): void {
		socket?.close();
		socket = null;
		sink?.close();
		sink = null;
		say(next);
	}

	function again(): void {
		if (stopped) return;
		const pause = PAUSES[Math.min(failures++, PAUSES.length - 1)]! * (0.75 + Math.random() / 2);
		end({ phase: shown.phase === 'dark' ? 'dark' : 'again', since: shown.since ?? Date.now() });
		clearTimeout(retry);
		retry = setTimeout(open, pause);
	}

	function told(text: string): void {
		const news = JSON.parse(text) as { skipped?: number; dark?: string; since?: Instant };
		if (typeof news.skipped === 'number') say({ skipped: shown.skipped + news.skipped });
		if (typeof news.dark !== 'string') return;
		dark = news.since ?? cameras.exact();
		say({ phase: 'dark', kind: news.dark, since: news.since ?? Date.now() });
	}

	function open(): void {
		if (stopped) return;
		const splitter = new Splitter();
		const mine = new WebSocket(liveUrl(camera, look));
		mine.binaryType = 'arraybuffer';
		socket = mine;
		mine.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
			if (socket !== mine) return;
			if (typeof data === 'string') return told(data);
			try {
				for (const piece of splitter.take(new Uint8Array(data))) {
					if (piece.kind === 'fragment') {
						failures = 0;
						if (dark !== null && (piece.at ?? Infinity) >= dark) dark = null;
					}
					(sink ??= new Sink(video, true, (what) => (what === 'unplayable' ? end({ phase: 'unplayable' }) : again()))).put(piece);
				}
			} catch (error) {
				if (!(error instanceof Broken)) throw error;
				again();
			}
		};
		mine.onclose = (event) => {
			if (socket !== mine) return;
			socket = null;
			if (FINAL.has(event.code)) end({ phase: 'refused', refusal: refusalOf(event) });
			else again();
		};
	}

	const beat = setInterval(() => {
		const at = sink?.shown ?? null;
		const still = performance.now() - Math.max(frame, opened) > STALLED;
		if (still && (shown.phase === 'playing' || shown.phase === 'opening')) say({ phase: shown.phase === 'playing' ? 'stalled' : 'opening', since: shown.at ?? Date.now(), at });
		else if (at !== shown.at) say({ at, behind: at === null ? null : cameras.exact() - at });
	}, 500);
	opened = performance.now();
	video.requestVideoFrameCallback(drawn);
	open();
	return () => {
		stopped = true;
		clearInterval(beat);
		clearTimeout(retry);
		end({});
	};
}
