// The browser's decoder: takes init segments and fragments, keeps a <video> fed. Does I/O: MediaSource.
import type { Fragment, Init, Piece } from './boxes';
import { live, Places, replay, wantsMore, type Heard } from './steer';

type Source = typeof MediaSource;
/** iPhones have a MediaSource of another name. */
const sourceOf = (): Source | undefined => (globalThis as { ManagedMediaSource?: Source }).ManagedMediaSource ?? globalThis.MediaSource;

export const canPlayFragments = (): boolean => sourceOf() !== undefined;
export const mimeOf = (codecs: string): string => `video/mp4; codecs="${codecs}"`;

export type SinkFault = 'unplayable' | 'broken';

export class Sink {
	readonly places = new Places();
	/** Speed of a recording. */
	speed = 1;
	#video: HTMLVideoElement;
	#live: boolean;
	#fault: (what: SinkFault) => void;
	#source: MediaSource;
	#url: string;
	#buffer: SourceBuffer | null = null;
	#mime = '';
	#queue: Piece[] = [];
	#closed = false;
	#waiting: (() => void)[] = [];

	constructor(video: HTMLVideoElement, isLive: boolean, onfault: (what: SinkFault) => void) {
		this.#video = video;
		this.#live = isLive;
		this.#fault = onfault;
		this.#source = new (sourceOf()!)();
		this.#url = URL.createObjectURL(this.#source);
		video.disableRemotePlayback = true;
		video.src = this.#url;
		this.#source.addEventListener('sourceopen', this.#pump, { once: true });
		video.addEventListener('error', this.#died);
		video.addEventListener('timeupdate', this.#tend);
		video.addEventListener('waiting', this.#tend);
	}

	put(piece: Piece): void {
		this.#queue.push(piece);
		this.#pump();
	}

	/** When there is room for more of a recording. */
	async room(): Promise<void> {
		while (!this.#closed && (this.#queue.length > 25 || !wantsMore(this.places.end, this.#video.currentTime, this.speed))) await new Promise<void>((go) => this.#waiting.push(go));
	}

	/** The instant that is on the screen. */
	get shown(): number | null {
		return this.places.at(this.#video.currentTime);
	}

	/** Forget what lies ready, for a jump. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#queue = [];
		this.#wake();
		for (const [kind, what] of [['error', this.#died], ['timeupdate', this.#tend], ['waiting', this.#tend]] as const) this.#video.removeEventListener(kind, what);
		this.#video.removeAttribute('src');
		this.#video.load();
		URL.revokeObjectURL(this.#url);
	}

	#wake(): void {
		for (const go of this.#waiting.splice(0)) go();
	}

	#died = (): void => {
		if (!this.#closed) this.#fault('broken');
	};

	#pump = (): void => {
		if (this.#closed || this.#source.readyState !== 'open' || this.#buffer?.updating) return;
		const piece = this.#queue.shift();
		if (!piece) return;
		try {
			if (piece.kind === 'init') this.#begin(piece);
			else this.#append(piece);
		} catch (error) {
			if (error instanceof DOMException && error.name === 'QuotaExceededError' && this.#makeRoom()) this.#queue.unshift(piece);
			else this.#fault('broken');
		}
	};

	#begin(init: Init): void {
		const mime = mimeOf(init.codecs);
		if (!init.codecs || !sourceOf()!.isTypeSupported(mime)) {
			this.#fault('unplayable');
			return;
		}
		if (!this.#buffer) {
			this.#buffer = this.#source.addSourceBuffer(mime);
			this.#buffer.mode = 'segments';
			this.#buffer.addEventListener('updateend', this.#done);
		} else if (mime !== this.#mime) this.#buffer.changeType(mime);
		this.#mime = mime;
		this.#buffer.appendBuffer(init.data);
	}

	#append(fragment: Fragment): void {
		if (!this.#buffer) return this.#pump(); // no picture without its parameters
		const { offset, fresh } = this.places.put(fragment.start, fragment.length, fragment.at);
		if (fresh || this.#buffer.timestampOffset !== offset) this.#buffer.timestampOffset = offset;
		this.#buffer.appendBuffer(fragment.data);
	}

	/** The oldest goes, when the browser holds no more. */
	#makeRoom(): boolean {
		const held = this.#buffer?.buffered;
		if (!held?.length || this.#video.currentTime - held.start(0) < 2) return false;
		this.#buffer!.remove(held.start(0), this.#video.currentTime - 1);
		return true;
	}

	#done = (): void => {
		this.#tend();
		this.#pump();
	};

	#heard(): Heard {
		const held = this.#buffer!.buffered;
		return { ranges: Array.from({ length: held.length }, (_, at) => [held.start(at), held.end(at)] as const), current: this.#video.currentTime };
	}

	#tend = (): void => {
		if (this.#closed || !this.#buffer || this.#source.readyState !== 'open') return;
		const heard = this.#heard();
		if (!heard.ranges.length) return;
		let trim: number | null;
		if (this.#live) {
			const step = live(heard);
			if (step.seek !== null && !this.#video.seeking) this.#video.currentTime = step.seek;
			if (this.#video.playbackRate !== step.rate) this.#video.playbackRate = step.rate;
			if (this.#video.paused) void this.#video.play().catch(() => undefined); // a browser may want a touch first; the tile says so
			trim = step.trim;
		} else {
			const step = replay(heard);
			if (step.seek !== null && !this.#video.seeking) this.#video.currentTime = step.seek;
			if (this.#video.playbackRate !== this.speed) this.#video.playbackRate = this.speed;
			trim = step.trim;
		}
		if (trim !== null && !this.#buffer.updating) this.#buffer.remove(0, trim);
		this.#wake();
	};
}
