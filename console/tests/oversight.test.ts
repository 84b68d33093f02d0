import { describe, expect, test } from 'vitest';
import { remember } from '../src/oversight/keys';
import { aboutOf, byKind, fileName, isItem, KINDS, linesOf, PATIENCE, placeOf, policyOf, quoted, SHAPES, standing, unitOf, whoOf, worst, type Count, type LogState, type Witness } from '../src/oversight/state';

const NOW = 1_795_000_000_000;
const witness: Witness = { name: 'prosecutor.example/witness', vkey: 'w', size: 10, seen: NOW, away: null, trouble: null, against: null, demonstration: false };
const log = (more: Partial<LogState> = {}): LogState => ({
	origin: 'saqtau.example/02/access/2026', kind: 'access', region: 2, year: 2026, vkey: 'k', size: 10, at: NOW, witnessed: 10, since: null, contradicted: false, witnesses: [witness], ...more
});
const count = (kind: string, purpose: string, role: string, month: number, today = 0): Count => ({ kind, purpose, role, today, week: today, month });

describe('how a log stands', () => {
	test('is witnessed when nothing waits, however long ago that was', () => expect(standing(log({ at: NOW - 3 * 86_400_000 }), NOW)).toBe('witnessed'));
	test('is contradicted before all else, however well it looks otherwise', () => {
		expect(standing(log({ contradicted: true }), NOW)).toBe('contradicted');
		expect(standing(log({ contradicted: true, witnesses: [], since: NOW - 900_000 }), NOW)).toBe('contradicted');
	});
	test('counts as witnessed for a minute, for reading the page makes an entry too; then it is unwitnessed', () => {
		expect(standing(log({ since: NOW - PATIENCE }), NOW)).toBe('witnessed');
		expect(standing(log({ since: NOW - PATIENCE - 1 }), NOW)).toBe('unwitnessed');
	});
	test('is alone without a witness, which is told at once', () => {
		expect(standing(log({ witnesses: [] }), NOW)).toBe('alone');
		expect(worst([log({ witnesses: [], since: NOW })], NOW)).not.toBeNull();
	});
	test('has a shape of its own in every state', () => expect(new Set(Object.values(SHAPES)).size).toBe(4));
	test('the longest wait is told first, and a short one not at all', () => {
		expect(worst([log(), log({ since: NOW - 5_000 })], NOW)).toBeNull();
		expect(worst([log({ since: NOW - 70_000 }), log({ since: NOW - 900_000, origin: 'old' })], NOW)?.origin).toBe('old');
	});
});

describe('the counts', () => {
	const counts = [count('view', 'incident', 'operator', 5, 2), count('view', 'oversight', 'auditor', 9), count('denied', 'case', 'operator', 1), count('login', '', 'operator', 7)];
	test('have a line for every kind, also for what did not happen', () => {
		expect(Object.keys(byKind(counts))).toEqual([...KINDS]);
		expect(byKind(counts).view).toEqual({ today: 2, week: 2, month: 14 });
		expect(byKind(counts).export).toEqual({ today: 0, week: 0, month: 0 });
	});
	test('are told with the busiest first', () => expect(linesOf(counts, 'view').map((one) => one.role)).toEqual(['auditor', 'operator']));
});

describe('an entry', () => {
	test('is called by its log and number', () => {
		expect(placeOf('a/02/access/2026#17')).toEqual({ origin: 'a/02/access/2026', index: 17 });
		for (const bad of ['', '#1', 'a#', 'a#01', 'a#-1', 'a b#1', 'a#1#2', 'a#99999999999999999']) expect(placeOf(bad), bad).toBeNull();
	});
	test('has a file name without folders', () => expect(fileName({ origin: '../a/02', index: 3 })).toBe('..-a-02-3.json'));
	test('is named to a shell in quotes when that is needed', () => {
		expect(quoted('a/b#1')).toBe("'a/b#1'");
		expect(quoted("it's")).toBe("'it'\\''s'");
		expect(quoted('a-1.json')).toBe('a-1.json');
	});
});

describe('the policy that goes with an entry', () => {
	test('asks for the witness, for one of several, or for none where there is none', () => {
		expect(policyOf([log()])).toBe('log k\nwitness w1 w\nquorum w1\n');
		expect(policyOf([log({ witnesses: [witness, { ...witness, vkey: 'v' }] })])).toBe('log k\nwitness w1 w\nwitness w2 v\ngroup witnesses 1 w1 w2\nquorum witnesses\n');
		expect(policyOf([log({ witnesses: [] })])).toBe('log k\nquorum none\n');
	});
	test('has the key of every log, and each witness once: an export has entries of more than one log', () => {
		expect(policyOf([log(), log({ origin: 'saqtau.example/02/evidence/2026', vkey: 'e' })])).toBe('log k\nlog e\nwitness w1 w\nquorum w1\n');
	});
});

describe('what a line of the log says', () => {
	test('who, when no account did it', () => {
		expect(whoOf({ viewer: 'operator', told: {} })).toBe('operator');
		expect(whoOf({ viewer: '', told: { by: 'root' } })).toBe('root');
	});
	test('whom an act of administration concerned', () => {
		expect(aboutOf({ object: '', told: { by: 'root', account: 'operator' } })).toBe('operator');
		expect(aboutOf({ object: 'item', told: { account: 'operator' } })).toBe('item');
		expect(aboutOf({ object: '', told: {} })).toBe('');
	});
	test('a picture left in bytes, a list in lines', () => {
		expect(unitOf('picture.read')).toBe('bytes');
		expect(unitOf('access.read')).toBe('lines');
	});
	test('an item can be opened, a hash of a plate cannot', () => {
		expect(isItem('01a20dba-cd4f-739d-8d09-03e52c2bff58')).toBe(true);
		for (const other of ['', 'operator', 'saqtau.local/03/access/2026#4', 'f'.repeat(64)]) expect(isItem(other), other).toBe(false);
	});
});

describe('the key of a log', () => {
	const kept = (text: string | null = null) => ({ text, getItem() { return this.text; }, setItem(_: string, value: string) { this.text = value; } });
	test('is remembered when it is first seen, and a changed one is noticed for good', () => {
		const store = kept();
		expect(remember(store, 'log', 'A', 1)).toMatchObject({ fresh: true, same: true });
		expect(remember(store, 'log', 'A', 2)).toEqual({ known: { vkey: 'A', since: 1 }, fresh: false, same: true });
		expect(remember(store, 'log', 'B', 3)).toEqual({ known: { vkey: 'A', since: 1 }, fresh: false, same: false });
		expect(remember(store, 'log', 'B', 4).same).toBe(false);
		expect(remember(store, 'other', 'B', 4).fresh).toBe(true);
	});
	test('begins anew over what cannot be read', () => {
		for (const broken of ['', '{', '7', 'null', '{"log":7}']) expect(remember(kept(broken), 'log', 'A', 1).same, broken).toBe(true);
		expect(remember(kept(), '__proto__', 'A', 1).fresh).toBe(true);
	});
});
