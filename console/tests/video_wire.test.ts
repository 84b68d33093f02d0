import { expect, test } from 'vitest';
import { parted, refusalOf } from '../src/video/wire';

test('bytes of the wall come behind the number of their view, and what is too short for one is nothing', () => {
	const data = new Uint8Array([0, 0, 1, 2, 9, 8]).buffer;
	expect(parted(data)).toEqual({ view: 258, bytes: new Uint8Array([9, 8]) });
	expect(parted(new Uint8Array([255, 255, 255, 255]).buffer)).toEqual({ view: 2 ** 32 - 1, bytes: new Uint8Array() });
	expect(parted(new ArrayBuffer(3))).toBeNull();
});

test('a refusal stays one; a server that restarts, or a net that is away, is tried again', () => {
	expect(refusalOf(4403, { kind: 'denied', fields: { case: 'elsewhere' } })).toMatchObject({ kind: 'denied', fields: { case: 'elsewhere' } });
	expect(refusalOf(4404)).toMatchObject({ kind: 'not_found', fields: {} });
	for (const code of [1000, 1001, 1006, 1012, 4503]) expect(refusalOf(code)).toBeNull();
});
