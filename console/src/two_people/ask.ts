// What takes two people, asked of the server. Every step is an entry of the ledger.
import { call } from '../api';
import type { Instant } from '../types';

export interface Signature { by: string; role: string; at: Instant; entry: string }
export type Standing = 'requested' | 'awaits_prosecutor' | 'approved' | 'refused' | 'lapsed';

export interface ExportLine {
	id: string;
	item: string;
	region: number;
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
export interface GlassLine { id: string; officer: string; object: string; at: Instant; until: Instant; review_due: Instant; review: string }

export interface PolicyLine {
	id: string;
	hash: string;
	base: string | null;
	why: string;
	asked_by: string;
	asked_at: Instant;
	standing: Standing;
	closed_by: string | null;
	closed_why: string | null;
	signatures: Signature[];
	since: Instant | null;
	in_force: boolean;
}
export type Sentences = Partial<Record<string, string>>;
export interface RuleChange { id: string; what: 'added' | 'removed' | 'changed' | 'reworded'; effect: string; before: Sentences; after: Sentences }
export interface Shift { role: string; action: string; purpose: string; allowed: boolean; on_shift: boolean; where: string }
export interface PolicyDiff { before: string; after: string; rules: RuleChange[]; shifts: Shift[]; lines: string[] }
export interface PolicySeen { line: PolicyLine; texts: Record<string, string>; rules: { id: string; effect: string; sentences: Sentences }[]; diff: PolicyDiff | null }

const read = async <T>(path: string): Promise<T> => (await call(path)).json() as Promise<T>;
const change = async <T>(path: string, body?: unknown): Promise<T> => (await call(path, 'POST', body ?? {})).json() as Promise<T>;
const at = (...parts: string[]): string => `/api/${parts.map(encodeURIComponent).join('/')}`;

export const readExports = async (): Promise<ExportLine[]> => (await read<{ exports: ExportLine[] }>('/api/exports')).exports;
export const askExport = (wish: { item: string; case: string; recipient: string; reason: string }): Promise<ExportLine> => change('/api/exports', wish);
export const approveExport = (id: string): Promise<ExportLine> => change(at('exports', id, 'approve'));
export const refuseExport = (id: string, why: string): Promise<ExportLine> => change(at('exports', id, 'refuse'), { why });
/** The package and the name the server gives it: PROVISIONAL stands in it while no witness has signed. */
export async function fetchExport(id: string): Promise<{ name: string; data: Blob }> {
	const answer = await call(at('exports', id, 'package'));
	const name = /filename="([^"]+)"/.exec(answer.headers.get('content-disposition') ?? '')?.[1] ?? `saqtau-export-${id}.zip`;
	return { name, data: await answer.blob() };
}

export const breakGlass = (item: string, reason: string): Promise<GlassLine> => change('/api/break-glass', { item, reason });

/** What the person himself has opened; a review may have ended it. */
export const readOpenGlass = async (): Promise<{ object: string; until: Instant }[]> => (await read<{ open: { object: string; until: Instant }[] }>('/api/break-glass/open')).open;
/** How many wishes wait for this person's yes. */
export const readWaiting = async (): Promise<number> => (await read<{ waiting: number }>('/api/waiting')).waiting;

export const readPolicies = async (): Promise<PolicyLine[]> => (await read<{ sets: PolicyLine[] }>('/api/policies')).sets;
export const readPolicy = (id: string): Promise<PolicySeen> => read(at('policies', id));
export const approvePolicy = (id: string): Promise<PolicyLine> => change(at('policies', id, 'approve'));
export const refusePolicy = (id: string, why: string): Promise<PolicyLine> => change(at('policies', id, 'refuse'), { why });
