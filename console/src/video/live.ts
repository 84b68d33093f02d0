// One live picture: the recorder's own fragments, asked for again when they break off; key pictures where the browser plays no such stream. Does I/O.
import type { Refusal } from '../api';
import type { Instant } from '../types';
import { cameras } from './cameras.svelte';
import type { Look } from './ask';
import { Broken, Splitter } from './boxes';
import { canPlayFragments, Sink } from './sink';
import { openView, type News } from './wire';

export type Phase =
	| 'opening' // asked for, no picture yet
	| 'playing'
	| 'stills' // this browser cannot decode it: key pictures, one or so a second
	| 'stalled' // connected, and no new picture
	| 'dark' // the camera has no picture, and the recorder says why
	| 'again' // not connected
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
	/** Of a still: its address within this page. */
	still: string | null;
}

const PAUSES = [300, 1_000, 2_000, 5_000];
const STALLED_STILLS = 15_000; // ms: cameras send a key picture every second to every ten
const STALLED = 2_500; // ms without a new picture: a tile that stands still must not look alive
/** Cameras whose stream this browser was found not to play. */
const unplayed = new Set<string>();

/** Show a camera until the returned function is called. `tell` hears each change, and the time shown twice a second. */
export function watch(video: HTMLVideoElement, camera: string, look: Look, tell: (shown: Shown) => void): () => void {
	let shown: Shown = { phase: 'opening', kind: null, since: null, at: null, skipped: 0, refusal: null, first: null, behind: null, still: null };
	let leave: (() => void) | null = null;
	let sink: Sink | null = null;
	let retry: ReturnType<typeof setTimeout> | undefined;
	let failures = 0;
	let stopped = false;
	let stills = unplayed.has(camera) || !canPlayFragments();
	let stillAt: Instant | null = null; // of the picture whose bytes come next
	let frame = 0; // when the last picture was drawn, performance.now()
	let opened = performance.now();
	let dark: Instant | null = null; // since when, until a fragment of later comes: what lies ready, or is sent for a beginning, is the past

	const say = (next: Partial<Shown>) => tell((shown = { ...shown, ...next }));

	function drawn(): void {
		frame = performance.now();
		if (shown.phase !== 'playing' && dark === null) say({ phase: 'playing', kind: null, since: null, first: shown.first ?? frame - opened });
		if (!stopped) video.requestVideoFrameCallback(drawn);
	}

	function drop(): void {
		leave?.();
		leave = null;
		sink?.close();
		sink = null;
		if (shown.still) URL.revokeObjectURL(shown.still);
	}

	function end(next: Partial<Shown>): void {
		drop();
		say({ ...next, still: null });
	}

	function again(): void {
		if (stopped) return;
		const pause = PAUSES[Math.min(failures++, PAUSES.length - 1)]! * (0.75 + Math.random() / 2);
		end({ phase: shown.phase === 'dark' ? 'dark' : 'again', since: shown.since ?? Date.now() });
		clearTimeout(retry);
		retry = setTimeout(open, pause);
	}

	/** This browser plays no such stream: what it can draw is asked for instead. */
	function unplayable(): void {
		unplayed.add(camera);
		stills = true;
		end({ phase: 'opening' });
		open();
	}

	function told(news: News): void {
		if (typeof news.still === 'number') stillAt = news.still;
		if (typeof news.skipped === 'number') say({ skipped: shown.skipped + news.skipped });
		if (typeof news.dark !== 'string') return;
		dark = news.since ?? cameras.exact();
		say({ phase: 'dark', kind: news.dark, since: news.since ?? Date.now() });
	}

	function still(data: Uint8Array<ArrayBuffer>): void {
		const at = stillAt;
		if (at === null || (dark !== null && at < dark)) return;
		failures = 0;
		dark = null;
		frame = performance.now();
		const before = shown.still;
		say({ phase: 'stills', kind: null, since: null, at, first: shown.first ?? frame - opened, still: URL.createObjectURL(new Blob([data], { type: 'image/jpeg' })) });
		if (before) URL.revokeObjectURL(before);
	}

	function open(): void {
		if (stopped) return;
		const splitter = new Splitter();
		const mine = openView(camera, look, stills, {
			word: (news) => leave === mine && told(news),
			bytes(data) {
				if (leave !== mine) return;
				if (stills) return still(data);
				try {
					for (const piece of splitter.take(data)) {
						if (piece.kind === 'fragment') {
							failures = 0;
							if (dark !== null && (piece.at ?? Infinity) >= dark) dark = null;
						}
						(sink ??= new Sink(video, true, (what) => (what === 'unplayable' ? unplayable() : again()))).put(piece);
						if (leave !== mine) return; // it cannot be played
					}
				} catch (error) {
					if (!(error instanceof Broken)) throw error;
					again();
				}
			},
			ended(refusal) {
				if (leave !== mine) return;
				leave = null;
				if (refusal) end({ phase: 'refused', refusal });
				else again();
			}
		});
		leave = mine;
	}

	const beat = setInterval(() => {
		const at = sink?.shown ?? null;
		const silent = performance.now() - Math.max(frame, opened);
		if (shown.phase === 'stills') {
			if (silent > STALLED_STILLS) say({ phase: 'stalled', since: shown.at ?? Date.now() });
			return;
		}
		if (silent > STALLED && (shown.phase === 'playing' || shown.phase === 'opening')) say({ phase: shown.phase === 'playing' ? 'stalled' : 'opening', since: shown.at ?? Date.now(), at });
		else if (!stills && at !== shown.at) say({ at, behind: at === null ? null : cameras.exact() - at });
	}, 500);
	opened = performance.now();
	video.defaultMuted = true; // the attribute too: what is read of the page says that it makes no sound
	video.requestVideoFrameCallback(drawn);
	open();
	return () => {
		stopped = true;
		clearInterval(beat);
		clearTimeout(retry);
		end({});
	};
}
