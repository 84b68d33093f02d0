// Exports of recordings, asked of the server. Every step is an entry of the ledger.
import { call } from '../api';
import type { Instant } from '../types';
import type { Signature, Standing } from './ask';

/** Where the subject of a redacted copy is: shares of the picture. */
export interface Keep { at: Instant; left: number; top: number; right: number; bottom: number }
export interface RecordingLine {
	id: string;
	camera: string;
	name: string;
	place: string;
	region: number;
	began: Instant;
	ended: Instant;
	redacted: boolean;
	/** The SHA-256 of the redacted copy, once it is made. */
	draft: string | null;
	sensitive: string[];
	asked_by: string;
	asked_role: string;
	asked_at: Instant;
	case: string;
	recipient: string;
	reason: string;
	standing: Standing;
	closed_by: string | null;
	closed_why: string | null;
	signatures: Signature[];
	fetchable: boolean;
}
export interface RecordingWish { camera: string; from: Instant; to: Instant; case: string; recipient: string; reason: string; keep: Keep[] | null }

export const LONGEST = 24 * 3_600_000;
export const LONGEST_REDACTED = 10 * 60_000;

const PATH = '/api/recording-exports';
const at = (id: string, what: string): string => `${PATH}/${encodeURIComponent(id)}/${what}`;
const change = async (path: string, body: unknown = {}): Promise<RecordingLine> => (await call(path, 'POST', body)).json() as Promise<RecordingLine>;

export const readRecordings = async (): Promise<RecordingLine[]> => ((await (await call(PATH)).json()) as { exports: RecordingLine[] }).exports;
export const askRecording = (wish: RecordingWish): Promise<RecordingLine> => change(PATH, wish);
export const approveRecording = (id: string): Promise<RecordingLine> => change(at(id, 'approve'));
export const refuseRecording = (id: string, why: string): Promise<RecordingLine> => change(at(id, 'refuse'), { why });
export const redactRecording = (id: string): Promise<RecordingLine> => change(at(id, 'redact'));
/** It leaves while it is read, straight to the disk of whoever fetches it. */
export const packageUrl = (id: string): string => at(id, 'package');
/** The whole redacted copy: whoever agrees to it has had all of it. */
export const readDraft = async (id: string): Promise<Blob> => (await call(at(id, 'draft'))).blob();

/** Why a wish of this length is none; empty when it is one. Pure. */
export function spanTrouble(from: Instant | null, to: Instant | null, redacted: boolean, now: Instant): '' | 'order' | 'too_long' | 'long_redacted' | 'future' {
	if (from === null || to === null || to <= from) return 'order';
	if (to > now) return 'future';
	if (to - from > LONGEST) return 'too_long';
	return redacted && to - from > LONGEST_REDACTED ? 'long_redacted' : '';
}
/** Where a redacted copy is marked: at its beginning, in its middle and at its end. Pure. */
export const markedAt = (from: Instant, to: Instant): Instant[] => [from, Math.round((from + to) / 2), to - 1];
