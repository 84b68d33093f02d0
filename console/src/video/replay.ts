// A recording from any instant on: fetched piece by piece, as far ahead as it is needed, so that what is delivered is what is looked at. Does I/O.
import { call, Refusal } from '../api';
import type { Instant } from '../types';
import { recordingUrl, type Look } from './ask';
import { Broken, Splitter } from './boxes';
import { Sink } from './sink';

const PIECE = 5 * 60_000; // ms asked for at once
const JUMP = 1_000; // ms that may be missing without a word

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

/** Play from `from` to `to` at most. One of these plays once; a jump of the reader is another one. */
export function play(video: HTMLVideoElement, camera: string, look: Look, from: Instant, to: Instant, tell: (said: Replayed) => void): Replay {
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

	async function piece(began: Instant, end: Instant): Promise<Instant> {
		const answer = await call(recordingUrl(camera, look, began, end), 'GET', undefined, true, stop.signal);
		const splitter = new Splitter();
		const reader = answer.body!.getReader();
		let edge = began;
		try {
			for (;;) {
				await sink.room();
				const { done, value } = await reader.read();
				if (done) return edge;
				for (const one of splitter.take(value as Uint8Array<ArrayBuffer>)) {
					if (one.kind === 'fragment' && one.at !== null) {
						if (one.at - edge > JUMP && edge > from) say({ jumped: { from: edge, to: one.at } });
						edge = Math.max(edge, one.at + Math.round(one.length * 1000));
					}
					sink.put(one);
				}
			}
		} finally {
			await reader.cancel().catch(() => undefined); // what was not read was not delivered
		}
	}

	async function run(): Promise<void> {
		let next = from;
		while (next < to && !stop.signal.aborted) {
			const end = Math.min(to, next + PIECE);
			try {
				await piece(next, end);
				next = end;
			} catch (error) {
				const resumes = error instanceof Refusal && error.kind === 'conflict' ? Number(error.fields.next ?? NaN) : NaN; // nothing there: the server says where pictures go on
				if (!(resumes > next && resumes < to)) throw error;
				if (said.at !== null || next > from) say({ jumped: { from: next, to: resumes } });
				next = resumes;
			}
		}
	}

	const beat = setInterval(() => {
		const at = sink.shown;
		if (at !== null && at !== said.at) say({ at, phase: said.phase === 'opening' ? 'playing' : said.phase });
	}, 200);
	void video.play().catch(() => undefined);
	run().then(
		() => say({ phase: 'ended' }),
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
