// The tablet's identity: a key that never leaves it. Whoever copies the page's memory cannot take the key along.
import { enrol, renewCertificate, type Certified } from '../api';
import { keep, kept } from './store';
import { base64, canonical, type Batch, type Fix } from './positions';

const KIND = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGN = { name: 'ECDSA', hash: 'SHA-256' } as const;

export interface Device {
	id: string;
	key: CryptoKey;
}

export async function knownDevice(memory: IDBDatabase): Promise<Device | null> {
	const [id, pair] = await Promise.all([kept<string>(memory, 'device'), kept<CryptoKeyPair>(memory, 'key')]);
	return id && pair ? { id, key: pair.privateKey } : null;
}

/** Make a key, hand its public half (SPKI, base64) in with the one-time code, and remember what the server calls this device. */
export async function enrolDevice(memory: IDBDatabase, code: string): Promise<Device> {
	// A new key each time: when an answer is lost, its device is left without a holder and the next enrolment revokes it.
	const pair = await crypto.subtle.generateKey(KIND, false, ['sign', 'verify']);
	const given = await enrol(code, base64(await crypto.subtle.exportKey('spki', pair.publicKey)));
	await keep(memory, 'key', pair);
	await keep(memory, 'device', given.device);
	await keepCertificate(memory, given);
	return { id: given.device, key: pair.privateKey };
}

const keepCertificate = (memory: IDBDatabase, given: Certified) =>
	keep(memory, 'certificate', { certificate: given.certificate, ends: given.ends, renew: given.renew });

/** Fetch the next certificate when it is time; the device asks by its own signature. Throws the refusal. */
export async function renewed(memory: IDBDatabase, device: Device, now: number): Promise<void> {
	const known = await kept<{ renew: number }>(memory, 'certificate');
	if (known && now < known.renew) return;
	const words = new TextEncoder().encode(`saqtau-renewal-v1\n${device.id}\n${now}`);
	const signature = base64(await crypto.subtle.sign(SIGN, device.key, words));
	await keepCertificate(memory, await renewCertificate(device.id, now, signature));
}

/** The server does not know this device any more: a new enrolment makes a new key. */
export async function forget(memory: IDBDatabase): Promise<void> {
	await keep(memory, 'device', undefined);
	await keep(memory, 'key', undefined);
	await keep(memory, 'certificate', undefined);
}

export async function signed(device: Device, fixes: Fix[]): Promise<Batch> {
	const words = new TextEncoder().encode(canonical(device.id, fixes));
	return { device: device.id, fixes, signature: base64(await crypto.subtle.sign(SIGN, device.key, words)) };
}
