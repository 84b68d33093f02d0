import { describe, expect, test } from 'vitest';
import { Broken, LARGEST, Splitter, type Fragment, type Init, type Piece } from '../src/video/boxes';

const bytes = (...parts: (number | string | Uint8Array)[]): Uint8Array<ArrayBuffer> => {
	const all = parts.flatMap((part) => (typeof part === 'number' ? [part] : typeof part === 'string' ? [...part].map((letter) => letter.charCodeAt(0)) : [...part]));
	return new Uint8Array(all);
};
const u32 = (value: number) => bytes(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
const u64 = (value: number) => bytes(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32));
const zeros = (count: number) => new Uint8Array(count);
const box = (kind: string, ...parts: (number | string | Uint8Array)[]) => {
	const body = bytes(...parts);
	return bytes(u32(body.length + 8), kind, body);
};
const join = (...parts: Uint8Array[]) => bytes(...parts);

const AVCC = box('avcC', 1, 0x4d, 0x40, 0x1f, 0xff, 0xe1, zeros(2), 1, zeros(2));
const HVCC = box('hvcC', 1, 0x01, u32(0x60000000), 0x90, zeros(5), 93, zeros(10));
const entry = (kind: string, config: Uint8Array) => box(kind, zeros(6), 0, 1, zeros(16), 1280 >> 8, 1280 & 255, 720 >> 8, 720 & 255, zeros(50), config);
const sound = (kind: string) => box(kind, zeros(28));
const track = (id: number, sample: Uint8Array) => box('trak', box('tkhd', 0, 0, 0, 3, zeros(8), u32(id), zeros(68)), box('mdia', box('minf', box('stbl', box('stsd', zeros(4), u32(1), sample)))));
const trex = (id: number) => box('trex', zeros(4), u32(id), zeros(16));
const init = (...samples: Uint8Array[]) =>
	join(box('ftyp', 'iso6', u32(1)), box('moov', box('mvhd', zeros(100)), ...samples.map((one, at) => track(at + 1, one)), box('mvex', ...samples.map((_, at) => trex(at + 1)))));

const AT = Date.UTC(2026, 10, 24, 9, 3, 7, 250);
const ntp = (at: number) => join(u32(Math.floor(at / 1000) + 2_208_988_800), u32(Math.round(((at % 1000) / 1000) * 2 ** 32)));
const prft = (at: number) => box('prft', 1, 0, 0, 0, u32(1), ntp(at), u64(0));
const traf = (id: number, start: number, durations: number[], key: boolean) =>
	box('traf', box('tfhd', 0, 2, 0, 0, u32(id)), box('tfdt', 1, 0, 0, 0, u64(start)), box('trun', 0, 0, 7, 1, u32(durations.length), u32(0), ...durations.map((one, at) => join(u32(one), u32(1), u32(key && at === 0 ? 0x02000000 : 0x01010000)))));
const fragment = (start: number, { key = false, at = AT, second = false, sound = false } = {}) =>
	join(prft(at), ...(sound ? [box('moof', box('mfhd', zeros(8)), traf(2, start, [1600], true)), box('mdat', zeros(12))] : []), box('moof', box('mfhd', zeros(8)), traf(1, start, [3600, 3600, 3600, 3600, 3600], key), ...(second ? [traf(2, start, [8000], true)] : [])), box('mdat', zeros(40)));

const pieces = (all: Uint8Array<ArrayBuffer>, size: number, sound = true): Piece[] => {
	const splitter = new Splitter(sound);
	const found: Piece[] = [];
	for (let at = 0; at < all.length; at += size) found.push(...splitter.take(all.slice(at, at + size)));
	return found;
};

describe('a stream of the recorder', () => {
	const stream = join(init(entry('avc1', AVCC)), box('uuid', zeros(60)), fragment(900_000, { key: true }), fragment(918_000), box('uuid', zeros(40)), fragment(2 ** 33 + 90_000, { at: AT + 400 }));

	test.each([1, 7, 64, 1000, 1e6])('is cut into the same pieces in chunks of %i bytes', (size) => {
		const found = pieces(stream, size);
		expect(found.map(({ kind }) => kind)).toEqual(['init', 'fragment', 'fragment', 'fragment']);
		const [head, first, second, third] = found as [Init, Fragment, Fragment, Fragment];
		expect([head.codecs, head.width, head.height]).toEqual(['avc1.4d401f', 1280, 720]);
		expect([first.start, first.length, first.key, first.at]).toEqual([10, 0.2, true, AT]);
		expect([second.start, second.key]).toEqual([10.2, false]);
		expect([third.start, third.at]).toEqual([(2 ** 33 + 90_000) / 90_000, AT + 400]);
	});
	test('keeps the bytes of init and fragments as they came, and leaves out what browsers do not need', () => {
		const found = pieces(stream, 1e6);
		expect(join(...found.map(({ data }) => data))).toEqual(join(init(entry('avc1', AVCC)), fragment(900_000, { key: true }), fragment(918_000), fragment(2 ** 33 + 90_000, { at: AT + 400 })));
	});
	test('says whether something has begun and not ended', () => {
		const splitter = new Splitter();
		splitter.take(init(entry('avc1', AVCC)));
		expect(splitter.open).toBe(false);
		splitter.take(fragment(0).slice(0, 50));
		expect(splitter.open).toBe(true);
	});
	test('H.265 is called by its profile, tier, level and constraints', () => {
		expect((pieces(init(entry('hvc1', HVCC)), 1e6)[0] as Init).codecs).toBe('hvc1.1.6.L93.90');
	});
});

describe('sound', () => {
	test('that a browser plays is told with the picture', () => {
		expect((pieces(init(entry('avc1', AVCC), sound('mp4a')), 1e6)[0] as Init).codecs).toBe('avc1.4d401f,mp4a.40.2');
	});
	test('that no browser plays is hidden in init and fragments, and no byte moves', () => {
		const stream = join(init(entry('avc1', AVCC), sound('alaw')), fragment(0, { key: true, second: true }));
		const [head, one] = pieces(stream, 1e6) as [Init, Fragment];
		expect(head.codecs).toBe('avc1.4d401f');
		const text = new TextDecoder('latin1').decode(join(head.data, one.data));
		expect(text.length).toBe(stream.length);
		expect([text.match(/trak/g)?.length, text.match(/trex/g)?.length, text.match(/traf/g)?.length, text.match(/free/g)?.length]).toEqual([1, 1, 1, 3]);
		expect(one.length).toBe(0.2);
	});
	test('before the pictures, with a head of its own, belongs to their fragment', () => {
		const stream = join(init(entry('avc1', AVCC), sound('mp4a')), fragment(0, { key: true, sound: true }), fragment(18_000, { sound: true }));
		for (const size of [5, 1e6]) {
			const found = pieces(stream, size);
			expect(found.map(({ kind }) => kind)).toEqual(['init', 'fragment', 'fragment']);
			expect(join(...found.map(({ data }) => data))).toEqual(stream);
			expect((found[2] as Fragment).start).toBe(0.2);
		}
	});
	test('that nobody asked for is hidden, head and bytes', () => {
		const [head, one] = pieces(join(init(entry('avc1', AVCC), sound('mp4a')), fragment(0, { key: true, sound: true })), 1e6, false) as [Init, Fragment];
		expect(head.codecs).toBe('avc1.4d401f');
		const text = new TextDecoder('latin1').decode(one.data);
		expect([text.match(/moof/g)?.length, text.match(/mdat/g)?.length, text.match(/free/g)?.length]).toEqual([1, 1, 2]);
		expect(one.length).toBe(0.2);
	});
});

describe('what is no stream of ours is refused:', () => {
	const refused: Record<string, Uint8Array<ArrayBuffer>> = {
		'a page of text': bytes('<!doctype html><html><body>502 Bad Gateway</body></html>'),
		'a box larger than any fragment': join(u32(LARGEST + 1), bytes('mdat')),
		'a box without length': join(u32(0), bytes('mdat'), zeros(8)),
		'pictures without a head': box('mdat', zeros(8)),
		'a fragment without time': join(box('moof', box('mfhd', zeros(8))), box('mdat', zeros(8))),
		'a box that is longer than its parent': join(box('moof', u32(900), bytes('traf'), zeros(8)), box('mdat', zeros(8))),
		'a run that promises more than it has': join(box('moof', box('traf', box('tfhd', zeros(4), u32(1)), box('tfdt', 1, 0, 0, 0, u64(0)), box('trun', 0, 0, 7, 1, u32(5_000), u32(0)))), box('mdat', zeros(8)))
	};
	test.each(Object.entries(refused))('%s', (_, data) => {
		expect(() => pieces(data, 1e6)).toThrow(/./);
		expect(() => pieces(data, 1e6)).toThrow(Broken);
	});
	test('and a fragment cut anywhere never comes out as a whole one', () => {
		const whole = fragment(900_000, { key: true });
		for (let cut = 0; cut < whole.length; cut++) expect(pieces(whole.slice(0, cut), 1e6)).toEqual([]);
	});
});
