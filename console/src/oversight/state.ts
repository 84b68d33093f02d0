// What the overseer's page makes of what the server says. Pure.
import type { Instant } from '../types';

export interface Witness {
	name: string;
	vkey: string;
	size: number;
	seen: Instant | null;
	away: Instant | null;
	trouble: string | null;
	/** What it holds against the log: `fork` or `seen_more`. */
	against: string | null;
	/** Kept by the machine that is checked: it proves nothing. */
	demonstration: boolean;
}

export interface LogState {
	origin: string;
	kind: string;
	region: number;
	year: number;
	vkey: string;
	size: number;
	at: Instant;
	/** Entries that a witness has cosigned. */
	witnessed: number;
	/** Since when the oldest entry that nobody cosigned waits; null: nothing waits. */
	since: Instant | null;
	/** A witness cosigned another past than the one that is here. */
	contradicted: boolean;
	witnesses: Witness[];
}

export interface Count {
	kind: string;
	purpose: string;
	role: string;
	today: number;
	week: number;
	month: number;
}

export interface Gap {
	kind: string;
	origin: string;
	begin: Instant;
	end: Instant | null;
	entries: number;
}

export interface Overview {
	now: Instant;
	/** When the days of the counts began: their days are UTC's. */
	today: Instant;
	logs: LogState[];
	counts: Count[];
	gaps: Gap[];
}

export interface Look {
	entry: string;
	klass: string;
	at: Instant;
	viewer: string;
	role: string;
	action: string;
	purpose: string;
	object: string;
	case: string | null;
	decision: string;
	policies: string[];
	policy_set: string;
	delivered: number | null;
	closed: Instant | null;
	late: boolean;
	/** What else it says in a word: the picture, the account that was changed, from where. */
	told: Record<string, string>;
}

export interface Looks {
	entries: Look[];
	/** Entries of this time whose key is gone or whose record does not open. */
	unreadable: number;
	/** More lies before this instant; null: this is all. */
	next: Instant | null;
}

/** An entry may wait so long for a witness before the page calls it unwitnessed: the goal is a second, this is sixty. */
export const PATIENCE = 60_000;

export type Witnessed = 'witnessed' | 'unwitnessed' | 'alone' | 'contradicted';
/** Shapes that differ without colour. */
export const SHAPES: Record<Witnessed, string> = { witnessed: '●', unwitnessed: '◆', alone: '■', contradicted: '✖' };

/** How a log stands. alone: no witness knows it. What waits for less than a minute is on its way: reading this page makes an entry too. */
export function standing(log: LogState, now: Instant): Witnessed {
	if (log.contradicted) return 'contradicted';
	if (!log.witnesses.length) return 'alone';
	return log.since !== null && now - log.since > PATIENCE ? 'unwitnessed' : 'witnessed';
}

/** What was delivered is counted in bytes where something leaves as a file, else in lines. */
export const unitOf = (action: string): 'bytes' | 'lines' => (action === 'picture.read' || action === 'export.receive' ? 'bytes' : 'lines');

/** Items are called by a UUID: what is called so can be opened. */
export const isItem = (object: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(object);

/** Who did it: the account, or the person at the machine, for whom no account stands. */
export const whoOf = (look: Pick<Look, 'viewer' | 'told'>): string => look.viewer || look.told.by || '';

/** What it was about, where no object stands: the account, unit, witness or document that it names. */
export const aboutOf = (look: Pick<Look, 'object' | 'told'>): string =>
	look.object || ['account', 'concerns', 'unit', 'device', 'witness', 'register', 'file', 'log', 'hash'].map((name) => look.told[name]).find(Boolean) || '';

/** The longest wait of all logs, when it is one that must be told first. */
export function worst(logs: readonly LogState[], now: Instant): LogState | null {
	const late = logs.filter((log) => !log.contradicted && log.since !== null && (!log.witnesses.length || now - log.since > PATIENCE));
	return late.sort((a, b) => a.since! - b.since!)[0] ?? null;
}

export const KINDS = ['live', 'view', 'search', 'export', 'other', 'denied', 'breakglass'] as const;
export type Kind = (typeof KINDS)[number];
export type Sums = { today: number; week: number; month: number };

/** Sums by kind, each kind there even when nothing happened. */
export function byKind(counts: readonly Count[]): Record<Kind, Sums> {
	const sums = Object.fromEntries(KINDS.map((kind) => [kind, { today: 0, week: 0, month: 0 }])) as Record<Kind, Sums>;
	for (const one of counts) {
		const sum = sums[one.kind as Kind];
		if (!sum) continue;
		sum.today += one.today;
		sum.week += one.week;
		sum.month += one.month;
	}
	return sums;
}

/** The lines under one kind, the busiest first. */
export const linesOf = (counts: readonly Count[], kind: Kind): Count[] =>
	counts.filter((one) => one.kind === kind).sort((a, b) => b.month - a.month || b.today - a.today || a.purpose.localeCompare(b.purpose) || a.role.localeCompare(b.role));

export const classOf: Record<Kind, string> = { live: 'view', view: 'view', other: 'view', search: 'search', export: 'export', denied: 'deny', breakglass: 'breakglass' };

export interface Place {
	origin: string;
	index: number;
}

/** `origin#index`, as an entry is called everywhere; null when it is none. */
export function placeOf(entry: string): Place | null {
	const found = /^([^#\s]+)#(0|[1-9]\d{0,15})$/.exec(entry);
	return found ? { origin: found[1]!, index: Number(found[2]) } : null;
}

/** A name for the file of an entry that says which it is. */
export const fileName = ({ origin, index }: Place): string => `${origin.replace(/[^A-Za-z0-9.-]/g, '-')}-${index}.json`;

/** Word for a quoted shell argument. */
export const quoted = (text: string): string => (/^[A-Za-z0-9_./:+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The keys of all logs and witnesses as a C2SP tlog-policy: an export has entries of more than one log. One witness is enough. */
export function policyOf(logs: readonly Pick<LogState, 'vkey' | 'witnesses'>[]): string {
	const keys = [...new Set(logs.flatMap((log) => log.witnesses.map((one) => one.vkey)))];
	const names = keys.map((_, at) => `w${at + 1}`);
	return [
		...new Set(logs.map((log) => `log ${log.vkey}`)),
		...keys.map((vkey, at) => `witness ${names[at]} ${vkey}`),
		...(names.length > 1 ? [`group witnesses 1 ${names.join(' ')}`] : []),
		`quorum ${names.length > 1 ? 'witnesses' : (names[0] ?? 'none')}`,
		''
	].join('\n');
}
