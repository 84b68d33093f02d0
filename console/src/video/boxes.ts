// ISO boxes of the recorder's stream: init segments and fragments, cut out of whatever chunks the network brings. Pure.
// Source: ISO/IEC 14496-12 (prft, moof, tfdt, trun), 14496-15 (avcC, hvcC), RFC 6381 (codecs).
import type { Instant } from '../types';

/** A fragment is 200 ms, some hundred kilobytes; what claims to be more than this is no fragment. */
export const LARGEST = 32 * 1024 * 1024;
const SCALE = 90_000; // track 1 ticks in this, by contract
const NTP_TO_UNIX = 2_208_988_800; // s between 1900 and 1970

export interface Init {
	kind: 'init';
	data: Uint8Array<ArrayBuffer>;
	/** As MediaSource wants it: `avc1.4d401f,mp4a.40.2`; only tracks that a browser can be asked to play. */
	codecs: string;
	width: number;
	height: number;
}
export interface Fragment {
	kind: 'fragment';
	data: Uint8Array<ArrayBuffer>;
	/** UTC of its first picture; null when the stream does not tell. */
	at: Instant | null;
	/** Media time of its first picture, s. */
	start: number;
	/** s */
	length: number;
	key: boolean;
}
export type Piece = Init | Fragment;

export class Broken extends Error {}

type View = DataView<ArrayBuffer>;
interface Box { kind: string; start: number; body: number; end: number }

const viewOf = (bytes: Uint8Array<ArrayBuffer>): View => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const fourcc = (view: View, at: number): string => String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));

/** The box at `at`; null when its head is not all there. */
function boxAt(view: View, at: number, limit: number): Box | null {
	if (limit - at < 8) return null;
	let size = view.getUint32(at);
	let head = 8;
	if (size === 1) {
		if (limit - at < 16) return null;
		size = view.getUint32(at + 8) * 2 ** 32 + view.getUint32(at + 12);
		head = 16;
	}
	if (size < head || size > LARGEST) throw new Broken(`box ${fourcc(view, at)} of ${size} bytes`);
	return { kind: fourcc(view, at + 4), start: at, body: at + head, end: at + size };
}

/** Boxes within `[from, to)`, which is whole. */
function* children(view: View, from: number, to: number): Generator<Box> {
	for (let at = from; at < to; ) {
		const box = boxAt(view, at, to);
		if (!box || box.end > to) throw new Broken('a box is longer than the one it lies in');
		yield box;
		at = box.end;
	}
}

function* deep(view: View, from: number, to: number, path: readonly string[]): Generator<Box> {
	for (const box of children(view, from, to)) {
		if (box.kind !== path[0]) continue;
		if (path.length === 1) yield box;
		else yield* deep(view, box.body, box.end, path.slice(1));
	}
}

const hex = (value: number, digits = 2): string => value.toString(16).padStart(digits, '0');

/** `hvc1.1.6.L93.B0` out of an hvcC. */
function hevc(view: View, at: number): string {
	const first = view.getUint8(at + 1);
	const space = ['', 'A', 'B', 'C'][first >> 6];
	let reversed = 0;
	for (let bit = 0; bit < 32; bit++) if (view.getUint32(at + 2) & (1 << bit)) reversed |= 1 << (31 - bit);
	const constraints: string[] = [];
	for (let byte = 0; byte < 6; byte++) constraints.push(view.getUint8(at + 6 + byte).toString(16).toUpperCase());
	while (constraints.length && constraints.at(-1) === '0') constraints.pop();
	const tier = first & 0x20 ? 'H' : 'L';
	return [`${space}${first & 0x1f}`, (reversed >>> 0).toString(16).toUpperCase(), `${tier}${view.getUint8(at + 12)}`, ...constraints].join('.');
}

/** What one sample entry is called; null: nothing a browser plays (G.711). */
function entryCodec(view: View, entry: Box): string | null {
	if (entry.kind === 'mp4a') return 'mp4a.40.2';
	if (!['avc1', 'avc3', 'hvc1', 'hev1'].includes(entry.kind)) return null;
	for (const box of children(view, entry.body + 78, entry.end)) {
		if (box.kind === 'avcC') return `${entry.kind}.${[1, 2, 3].map((at) => hex(view.getUint8(box.body + at))).join('')}`;
		if (box.kind === 'hvcC') return `${entry.kind}.${hevc(view, box.body)}`;
	}
	return null;
}

/** A track that no browser plays is taken out by its name alone: the bytes keep their places. */
function hide(data: Uint8Array<ArrayBuffer>, at: number): void {
	data.set([0x66, 0x72, 0x65, 0x65], at + 4); // free
}

interface Shape { init: Init; hidden: ReadonlySet<number> }

/** sound: whether it is wanted at all. */
function readInit(data: Uint8Array<ArrayBuffer>, sound: boolean): Shape {
	const view = viewOf(data);
	const codecs: string[] = [];
	const hidden = new Set<number>();
	let width = 0;
	let height = 0;
	for (const track of deep(view, 0, data.length, ['moov', 'trak'])) {
		const head = [...deep(view, track.body, track.end, ['tkhd'])][0];
		const table = [...deep(view, track.body, track.end, ['mdia', 'minf', 'stbl', 'stsd'])][0];
		if (!head || !table) throw new Broken('a track without head or sample table');
		const id = view.getUint32(head.body + (view.getUint8(head.body) ? 20 : 12));
		const entry = [...children(view, table.body + 8, table.end)][0];
		const codec = entry ? entryCodec(view, entry) : null;
		if (codec && entry && (sound || !codec.startsWith('mp4a'))) {
			codecs.push(codec);
			if (codec.startsWith('mp4a')) continue;
			width = view.getUint16(entry.body + 24);
			height = view.getUint16(entry.body + 26);
		} else {
			hidden.add(id);
			hide(data, track.start);
		}
	}
	if (hidden.size)
		for (const extends_ of deep(view, 0, data.length, ['moov', 'mvex', 'trex'])) if (hidden.has(view.getUint32(extends_.body + 4))) hide(data, extends_.start);
	return { init: { kind: 'init', data, codecs: codecs.join(','), width, height }, hidden };
}

const wide = (view: View, at: number): number => view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
const SYNC = 0x0001_0000; // sample_is_non_sync_sample

function readRun(view: View, run: Box, ticks: number, flags: number): { length: number; key: boolean } {
	const told = view.getUint32(run.body) & 0xff_ffff;
	const count = view.getUint32(run.body + 4);
	let at = run.body + 8 + (told & 0x1 ? 4 : 0);
	let first = told & 0x4 ? view.getUint32(at) : null;
	if (told & 0x4) at += 4;
	let length = 0;
	for (let sample = 0; sample < count; sample++) {
		if (at > run.end) throw new Broken('a run is longer than its box');
		if (told & 0x100) length += view.getUint32(at);
		else length += ticks;
		if (told & 0x100) at += 4;
		if (told & 0x200) at += 4;
		if (told & 0x400) {
			if (sample === 0 && first === null) first = view.getUint32(at);
			at += 4;
		}
		if (told & 0x800) at += 4;
	}
	if (at > run.end) throw new Broken('a run is longer than its box');
	return { length, key: count > 0 && !((first ?? flags) & SYNC) };
}

/** The tracks that a `moof` brings. */
function tracksOf(view: View, moof: Box): number[] {
	return [...deep(view, moof.body, moof.end, ['traf', 'tfhd'])].map((head) => view.getUint32(head.body + 4));
}

function readFragment(data: Uint8Array<ArrayBuffer>, hidden: ReadonlySet<number>): Fragment {
	const view = viewOf(data);
	const found: Fragment = { kind: 'fragment', data, at: null, start: 0, length: 0, key: false };
	let seen = false;
	let unheard = false; // what this `moof` brings is not played
	for (const box of children(view, 0, data.length)) {
		if (box.kind === 'prft') {
			const ntp = view.getUint32(box.body + 8) - NTP_TO_UNIX + view.getUint32(box.body + 12) / 2 ** 32;
			found.at = Math.round(ntp * 1000);
		}
		if (box.kind === 'mdat' && unheard) hide(data, box.start);
		if (box.kind !== 'moof') continue;
		const tracks = tracksOf(view, box);
		unheard = tracks.length > 0 && tracks.every((id) => hidden.has(id));
		if (unheard) {
			hide(data, box.start);
			continue;
		}
		for (const track of deep(view, box.body, box.end, ['traf'])) {
			let id = 0;
			let ticks = 0;
			let flags = 0;
			for (const part of children(view, track.body, track.end)) {
				if (part.kind === 'tfhd') {
					const told = view.getUint32(part.body) & 0xff_ffff;
					id = view.getUint32(part.body + 4);
					let at = part.body + 8 + (told & 0x1 ? 8 : 0) + (told & 0x2 ? 4 : 0);
					if (told & 0x8) {
						ticks = view.getUint32(at);
						at += 4;
					}
					if (told & 0x10) at += 4;
					if (told & 0x20) flags = view.getUint32(at);
				}
				if (id !== 1) continue;
				if (part.kind === 'tfdt') {
					seen = true;
					found.start = (view.getUint8(part.body) ? wide(view, part.body + 4) : view.getUint32(part.body + 4)) / SCALE;
				}
				if (part.kind === 'trun') {
					const run = readRun(view, part, ticks, flags);
					if (found.length === 0) found.key = run.key;
					found.length += run.length / SCALE;
				}
			}
			if (hidden.has(id)) hide(data, track.start);
		}
	}
	if (!seen) throw new Broken('a fragment without picture');
	return found;
}

const LEADS = new Set(['ftyp', 'styp', 'prft', 'sidx', 'emsg']); // stand before what they speak of
const SKIPPED = new Set(['uuid', 'free', 'skip', 'mfra']);

/** Cuts a stream into init segments and fragments, in whatever chunks it comes. Throws `Broken`, and is of no use after it. */
export class Splitter {
	#sound: boolean;
	#rest: Uint8Array<ArrayBuffer> = new Uint8Array(0);
	#hidden: ReadonlySet<number> = new Set();

	/** sound: whether tracks of sound are left in; without it, or where no browser plays it, they are hidden. */
	constructor(sound = false) {
		this.#sound = sound;
	}

	take(chunk: Uint8Array<ArrayBuffer>): Piece[] {
		let bytes = chunk;
		if (this.#rest.length) {
			bytes = new Uint8Array(this.#rest.length + chunk.length);
			bytes.set(this.#rest);
			bytes.set(chunk, this.#rest.length);
		}
		if (bytes.length > 2 * LARGEST) throw new Broken('no end of a fragment comes');
		const view = viewOf(bytes);
		const pieces: Piece[] = [];
		let from = 0; // of the piece that grows
		let at = 0;
		let moof = false;
		let pictures = false; // of the piece that grows: sound may stand before them, with a head of its own
		for (;;) {
			const box = boxAt(view, at, bytes.length);
			if (!box || box.end > bytes.length) break;
			if (SKIPPED.has(box.kind)) {
				if (at !== from) throw new Broken(`${box.kind} within a fragment`);
				from = box.end;
			} else if (box.kind === 'moov') {
				const shape = readInit(bytes.slice(from, box.end), this.#sound);
				this.#hidden = shape.hidden;
				pieces.push(shape.init);
				from = box.end;
			} else if (box.kind === 'moof') {
				moof = true;
				const tracks = tracksOf(view, box);
				if (!tracks.length) throw new Broken('a head of no track');
				pictures = tracks.includes(1);
			}
			else if (box.kind === 'mdat') {
				if (!moof) throw new Broken('pictures without their head');
				moof = false;
				if (pictures) {
					pieces.push(readFragment(bytes.slice(from, box.end), this.#hidden));
					from = box.end;
				}
			} else if (!LEADS.has(box.kind)) throw new Broken(`unknown box ${box.kind}`);
			at = box.end;
		}
		this.#rest = bytes.slice(from);
		return pieces;
	}

	/** Whether a piece has begun and not ended. */
	get open(): boolean {
		return this.#rest.length > 0;
	}
}
