// What opens my account: asking the server, and asking this device's authenticator.
import { call, Refusal, signed } from '../api';
import type { Me } from '../types';

export interface Ways {
	second_factor: 'required' | 'offered';
	passkeys_at: string;
	issuer: string | null;
}
export interface Second {
	ticket: string;
	ways: string[];
}
export interface Passkey {
	id: string;
	name: string;
	made: number;
	used: number | null;
	backed_up: boolean;
}
export interface SessionLine {
	id: string;
	opened: number;
	seen: number;
	ends: number;
	address: string | null;
	methods: string[];
	current: boolean;
}
export interface Account {
	password: boolean;
	passkeys: Passkey[];
	codes: number | null;
	recovery: number;
	identities: string[];
	sessions: SessionLine[];
	second_factor: 'required' | 'offered';
}
export interface Maker {
	secret: string;
	uri: string;
	picture: string;
}

const ask = async <T>(path: string, body: unknown = {}): Promise<T> => (await (await call(path, 'POST', body)).json()) as T;
/** A call without a body. */
const tell = async <T>(path: string): Promise<T> => (await (await call(path, 'POST')).json()) as T;

export const readWays = async (): Promise<Ways> => (await (await call('/api/login/ways')).json()) as Ways;
export const readAccount = async (): Promise<Account> => (await (await call('/api/account')).json()) as Account;
export const endSessions = (session?: string): Promise<{ ended: number }> => ask('/api/account/sessions/end', session ? { session } : {});
export const changePassword = (password: string): Promise<unknown> => ask('/api/account/password', { password });
export const removePasskey = (id: string): Promise<unknown> => ask('/api/passkeys/remove', { id });
export const beginCodes = (): Promise<Maker> => tell('/api/codes/begin');
export const removeCodes = (): Promise<unknown> => tell('/api/codes/remove');
export const printCodes = async (): Promise<string[]> => (await tell<{ codes: string[] }>('/api/codes/recovery')).codes;
export async function confirmCodes(code: string): Promise<{ codes: string[]; me: Me }> {
	const done = await ask<{ codes: string[]; me: Me }>('/api/codes/confirm', { code });
	return { codes: done.codes, me: signed(done.me) };
}
export const proveByWord = async (password: string, code: string): Promise<Me> => signed(await ask<Me>('/api/account/prove', { password, code }));
export const logInByCode = async (ticket: string, code: string): Promise<Me> => signed(await ask<Me>('/api/login/code', { ticket, code }));
export const beginIdentity = async (to: 'console' | 'tablet' | 'proof'): Promise<string> => (await ask<{ address: string }>('/api/oidc/begin', { to })).address;

const bytes = (text: string): ArrayBuffer => {
	const raw = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
	return Uint8Array.from(raw, (letter) => letter.charCodeAt(0)).buffer;
};
const spelled = (buffer: ArrayBuffer): string =>
	btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('')).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

interface Known {
	id: string;
	type: 'public-key';
	transports?: AuthenticatorTransport[];
}
interface MakeOptions extends Omit<PublicKeyCredentialCreationOptions, 'challenge' | 'user' | 'excludeCredentials'> {
	challenge: string;
	user: { id: string; name: string; displayName: string };
	excludeCredentials?: Known[];
}
interface ShowOptions extends Omit<PublicKeyCredentialRequestOptions, 'challenge' | 'allowCredentials'> {
	challenge: string;
	allowCredentials?: Known[];
}
const known = (list: Known[] = []): PublicKeyCredentialDescriptor[] => list.map((one) => ({ ...one, id: bytes(one.id) }));

/** The person closed the authenticator's window, or it has no such key. */
export class NotShown extends Error {}

/** Whether this page can use passkeys: at the address they are bound to, in a browser that knows them. */
export const canUsePasskeys = (at: string): boolean => location.origin === at && 'PublicKeyCredential' in window;

async function show(options: ShowOptions): Promise<object> {
	const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: known(options.allowCredentials) };
	const found = (await navigator.credentials.get({ publicKey }).catch(() => null)) as PublicKeyCredential | null;
	if (!found) throw new NotShown();
	const answer = found.response as AuthenticatorAssertionResponse;
	return {
		id: found.id,
		client_data: spelled(answer.clientDataJSON),
		authenticator_data: spelled(answer.authenticatorData),
		signature: spelled(answer.signature),
		user_handle: answer.userHandle ? spelled(answer.userHandle) : null
	};
}

export async function logInByPasskey(): Promise<Me> {
	const shown = await show(await tell<ShowOptions>('/api/login/passkey/question'));
	return signed(await ask<Me>('/api/login/passkey', shown));
}

export async function proveByPasskey(): Promise<Me> {
	const shown = await show(await tell<ShowOptions>('/api/account/prove/question'));
	return signed(await ask<Me>('/api/account/prove/passkey', shown));
}

export async function addPasskey(name: string): Promise<Me> {
	const options = await tell<MakeOptions>('/api/passkeys/question');
	const publicKey = {
		...options,
		challenge: bytes(options.challenge),
		user: { ...options.user, id: bytes(options.user.id) },
		excludeCredentials: known(options.excludeCredentials)
	};
	const made = (await navigator.credentials.create({ publicKey }).catch(() => null)) as PublicKeyCredential | null;
	if (!made) throw new NotShown();
	const answer = made.response as AuthenticatorAttestationResponse;
	const body = {
		id: made.id,
		client_data: spelled(answer.clientDataJSON),
		attestation: spelled(answer.attestationObject),
		transports: answer.getTransports?.() ?? []
	};
	return signed(await ask<Me>('/api/passkeys', { name, made: body }));
}

/** Which sentence says what went wrong with a key. */
export function keyTrouble(error: unknown): 'key.not_shown' | 'key.wrong_code' | 'key.blocked' | 'key.wrong_word' | 'key.wrong_passkey' | 'key.again' | 'key.the_last' | null {
	if (error instanceof NotShown) return 'key.not_shown';
	if (!(error instanceof Refusal)) return null;
	const { fields } = error;
	if (fields.code === 'blocked') return 'key.blocked';
	if (fields.code === 'wrong') return 'key.wrong_code';
	if (fields.password === 'wrong') return 'key.wrong_word';
	if (fields.passkey) return 'key.wrong_passkey';
	if (fields.challenge) return 'key.again';
	if (fields.second_factor === 'the_last') return 'key.the_last';
	return null;
}
