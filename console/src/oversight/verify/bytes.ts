// Bytes and the three operations that the checks are made of, by the browser's own WebCrypto. No library, nothing of the server's.

export type Bytes = Uint8Array<ArrayBuffer>;

/** What stands in the evidence cannot be read as what it should be. */
export class Malformed extends Error {}

const encoder = new TextEncoder();
export const utf8 = (text: string): Bytes => encoder.encode(text);

/** Text of bytes. Throws Malformed for what is not UTF-8; a byte-order mark stays, so that nothing is hidden. */
export function text(bytes: Bytes): string {
	try {
		return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
	} catch {
		throw new Malformed('not UTF-8');
	}
}

export function concat(...parts: Bytes[]): Bytes {
	const all = new Uint8Array(parts.reduce((size, one) => size + one.length, 0));
	let at = 0;
	for (const one of parts) {
		all.set(one, at);
		at += one.length;
	}
	return all;
}

export const same = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);
export const toHex = (bytes: Bytes): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export function fromHex(given: string): Bytes {
	if (given.length % 2 || !/^[0-9a-f]*$/.test(given)) throw new Malformed('not hex');
	return Uint8Array.from({ length: given.length / 2 }, (_, at) => parseInt(given.slice(2 * at, 2 * at + 2), 16));
}

export const toBase64 = (bytes: Bytes): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

/** Standard base64 with padding, and only the one spelling that encodes these bytes. */
export function fromBase64(given: string): Bytes {
	let raw: string;
	try {
		raw = atob(given);
	} catch {
		throw new Malformed('not base64');
	}
	const bytes = Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
	if (toBase64(bytes) !== given) throw new Malformed('not base64 as it is written');
	return bytes;
}

/** Whether this browser can check at all: WebCrypto is there only on https and on this very machine. */
export const canCheck = (): boolean => typeof crypto !== 'undefined' && crypto.subtle !== undefined;

export const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

export async function hmac(key: Bytes, message: Bytes): Promise<Bytes> {
	const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
	return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message));
}

/** Whether the signature is this key's over this message. Throws what the browser throws when it does not know Ed25519. */
export async function ed25519(key: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
	const imported = await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
	return crypto.subtle.verify('Ed25519', imported, signature, message);
}
