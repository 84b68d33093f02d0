import { expect, test } from 'vitest';
import type { ExportLine, PolicyLine } from '../src/two_people/ask';
import { apart, inForceUntil, mayApproveExport, mayApprovePolicy, mayFetch, mayTakeBack, seesPage } from '../src/two_people/may';

const line = (given: Partial<ExportLine>): ExportLine => ({
	id: 'e', item: 'i', region: 2, sensitive: [], asked_by: 'inspector', asked_role: 'inspector', asked_at: 0, case: 'c', recipient: 'r', reason: 'r',
	standing: 'requested', closed_by: null, closed_why: null, signatures: [], fetchable: false, ...given
});
const duty = { user: 'duty', roles: ['duty_officer'] };
const asked = { user: 'inspector', roles: ['inspector', 'duty_officer'] };
const prosecutor = { user: 'p', roles: ['prosecutor'] };
const signed = [{ by: 'duty', role: 'duty_officer', at: 1, entry: 'l#1' }];

test('nobody is offered to approve his own wish, whatever his roles are', () => {
	expect(mayApproveExport(line({}), asked)).toBe(false);
	expect(mayApproveExport(line({}), duty)).toBe(true);
	expect(mayTakeBack(line({}), asked)).toBe(true);
	expect(mayTakeBack(line({ standing: 'approved' }), asked)).toBe(false);
});
test('the prosecutor is asked after the officer, and nobody twice', () => {
	const half = line({ standing: 'awaits_prosecutor', signatures: signed });
	expect(mayApproveExport(half, prosecutor)).toBe(true);
	expect(mayApproveExport(half, duty)).toBe(false);
	expect(mayApproveExport(line({}), prosecutor)).toBe(false);
	expect(mayApproveExport(half, { user: 'duty', roles: ['prosecutor'] })).toBe(false);
});
test('only who asked is offered the package', () => {
	const ready = line({ standing: 'approved', fetchable: true });
	expect(mayFetch(ready, asked)).toBe(true);
	expect(mayFetch(ready, duty)).toBe(false);
	expect(mayFetch(line({ standing: 'approved' }), asked)).toBe(false);
});
test('a proposal is decided by a prosecutor who did not make it', () => {
	const set = { standing: 'requested', asked_by: 'admin' } as PolicyLine;
	expect(mayApprovePolicy(set, prosecutor)).toBe(true);
	expect(mayApprovePolicy({ ...set, asked_by: 'p' }, prosecutor)).toBe(false);
	expect(mayApprovePolicy({ ...set, standing: 'approved' }, prosecutor)).toBe(false);
	expect(mayApprovePolicy(set, duty)).toBe(false);
});
test('a patrol has no door to this page', () => {
	expect(seesPage(['patrol'])).toBe(false);
	for (const role of ['operator', 'duty_officer', 'inspector', 'prosecutor', 'auditor', 'administrator']) expect(seesPage([role])).toBe(true);
});
test('what waits for me stands apart from the rest, in its order', () => {
	const lines = [line({ id: 'a', standing: 'approved' }), line({ id: 'b' }), line({ id: 'c', asked_by: 'duty' })];
	const parted = apart(lines, (one) => mayApproveExport(one, duty));
	expect(parted.mine.map((one) => one.id)).toEqual(['b']);
	expect(parted.rest.map((one) => one.id)).toEqual(['a', 'c']);
});
test('policies were in force until the next ones were', () => {
	const sets = [{ since: 30 }, { since: 10 }, { since: 20 }, { since: null }] as PolicyLine[];
	expect(sets.map((one) => inForceUntil(one, sets))).toEqual([null, 20, 30, null]);
});
