// A recording from any instant on: fetched piece by piece, as far ahead as it is needed, so that what is delivered is what is looked at. Does I/O.
import { call, Refusal } from '../api';
import type { Instant } from '../types';
import { recordingUrl, type FetchedLine, type Look } from './ask';
import { Broken, Splitter } from './boxes';
import { Sink } from './sink';
import { nextPiece } from './timeline';

const PIECE = 5 * 60_000; // ms asked for at once
const JUMP = 1_000; // ms that may be missing without a word
const TRIES = 3;
const PAUSE = 1_000; // ms before it is asked for again

export interface Replayed {
	phase: 'opening' | 'playing' | 'ended' | 'unplayable' | 'failed';
	at: Instant | null;
	/** The last stretch without pictures that was jumped over. */
	jumped: { from: Instant; to: Instant } | null;
	error: unknown;
}

export interface Replay {
	speed(times: number): void;
	close(): void;
}

/** Play from `from` to `to` at most. One of these plays once; a jump of the reader is another one. sound: whether it is wanted. cards: what was fetched from the camera's own memory; it is played where nothing was recorded. */
export function play(video: HTMLVideoElement, camera: string, look: Look, from: Instant, to: Instant, sound: boolean, tell: (said: Replayed) => void, cards: () => readonly FetchedLine[] = () => []): Replay {
	let said: Replayed = { phase: 'opening', at: null, jumped: null, error: null };
	const stop = new AbortController();
	const say = (next: Partial<Replayed>) => {
		if (!stop.signal.aborted) tell((said = { ...said, ...next }));
	};
	const sink = new Sink(video, false, (what) => fail(what === 'unplayable' ? { phase: 'unplayable' } : { phase: 'failed', error: new Broken(what) }));

	function fail(next: Partial<Replayed>): void {
		say(next);
		stop.abort();
	}

	const jumps: { from: Instant; to: Instant }[] = []; // stretches without pictures, told when they are passed
	let all = false; // everything has come
	let edge = from; // up to here it is there, or is known not to be
	let pictured = from; // the end of the last picture: a gap may be longer than a piece, and is one all the same

	/** Everything up to `end`, as it comes. Ends early when the network does. */
	async function piece(end: Instant, card: boolean): Promise<void> {
		const answer = await call(recordingUrl(camera, look, edge, end, card), 'GET', undefined, true, stop.signal);
		const splitter = new Splitter(sound);
		const reader = answer.body!.getReader();
		try {
			for (;;) {
				await sink.room();
				const { done, value } = await reader.read();
				if (done) break;
				for (const one of splitter.take(value as Uint8Array<ArrayBuffer>)) {
					if (one.kind === 'fragment' && one.at !== null) {
						if (one.at - pictured > JUMP) jumps.push({ from: pictured, to: one.at });
						pictured = Math.max(pictured, one.at + Math.round(one.length * 1000));
						edge = Math.max(edge, pictured);
					}
					sink.put(one);
				}
			}
		} finally {
			await reader.cancel().catch(() => undefined); // what was not read was not delivered
		}
		edge = Math.max(edge, end);
	}

	async function run(): Promise<void> {
		let failures = 0;
		while (edge < to && !stop.signal.aborted) {
			const before = edge;
			const { card, end } = nextPiece(cards(), edge, to, PIECE);
			try {
				await piece(end, card);
				failures = 0;
			} catch (error) {
				if (error instanceof Broken) throw error;
				const told = error instanceof Refusal ? error : null;
				const resumes = told?.kind === 'conflict' ? Number(told.fields.next ?? NaN) : NaN; // nothing there: the server says where pictures go on
				const known = cards().find(({ began }) => began > edge)?.began ?? NaN; // or what a card held comes first
				const next = Math.min(...[resumes, known].filter((one) => one > edge));
				if (told?.kind === 'conflict' && card) edge = end; // it went meanwhile
				else if (told?.kind === 'conflict' && next < to) edge = next;
				else if (told?.kind === 'conflict') return;
				else if (told && told.kind !== 'offline' && told.kind !== 'unavailable' && told.kind !== 'too_many') throw told;
				else {
					// broken off: the network, or a grant whose time was over while somebody paused; it goes on where it was
					failures = edge > before ? 1 : failures + 1;
					if (failures > TRIES) throw told ?? new Refusal('offline');
					await new Promise((go) => setTimeout(go, PAUSE * failures));
				}
			}
		}
	}

	const beat = setInterval(() => {
		const at = sink.shown;
		const end = sink.places.edge;
		if (all && (end === null || (at !== null && end - at < 300))) say({ phase: 'ended', at: at ?? said.at });
		else if (at !== null && at !== said.at) say({ at, phase: 'playing', jumped: jumps.findLast(({ to: resumed }) => resumed <= at) ?? null });
	}, 200);
	void video.play().catch(() => undefined);
	run().then(
		() => (all = true),
		(error: unknown) => say({ phase: 'failed', error })
	);
	return {
		speed(times) {
			sink.speed = times;
			video.playbackRate = times;
		},
		close() {
			stop.abort();
			clearInterval(beat);
			sink.close();
		}
	};
}
