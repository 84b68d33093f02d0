// What a console offers to whom. Pure; the server's policies decide, this only keeps doors that would not open out of sight.
import type { PolicyLine, Signature, Standing } from './ask';

/** What an export of an item and one of a recording have in common. */
export interface Wish { standing: Standing; asked_by: string; signatures: readonly Signature[]; fetchable: boolean }

const has = (roles: readonly string[], ...of: string[]): boolean => of.some((role) => roles.includes(role));

export const asksExports = (roles: readonly string[]): boolean => has(roles, 'inspector');
export const seesExports = (roles: readonly string[]): boolean => has(roles, 'inspector', 'duty_officer', 'prosecutor', 'auditor');
export const seesPolicies = (roles: readonly string[]): boolean => has(roles, 'administrator', 'prosecutor', 'auditor');
export const breaksGlass = (roles: readonly string[]): boolean => has(roles, 'operator', 'duty_officer', 'inspector');
export const seesPage = (roles: readonly string[]): boolean => seesExports(roles) || seesPolicies(roles) || breaksGlass(roles);

export const waits = (standing: Standing): boolean => standing === 'requested' || standing === 'awaits_prosecutor';

/** Whether this person is the one who is asked now. */
export function mayApproveExport(line: Wish, me: { user: string; roles: readonly string[] }): boolean {
	if (!waits(line.standing) || line.asked_by === me.user || line.signatures.some((one) => one.by === me.user)) return false;
	return line.standing === 'awaits_prosecutor' ? has(me.roles, 'prosecutor') : has(me.roles, 'duty_officer');
}
export const mayTakeBack = (line: { standing: Standing; asked_by: string }, me: { user: string }): boolean => waits(line.standing) && line.asked_by === me.user;
export const mayFetch = (line: Wish, me: { user: string }): boolean => line.fetchable && line.asked_by === me.user;
export const mayApprovePolicy = (line: PolicyLine, me: { user: string; roles: readonly string[] }): boolean =>
	line.standing === 'requested' && line.asked_by !== me.user && has(me.roles, 'prosecutor');

/** What waits for this person's yes, before the rest. */
export function apart<T>(lines: readonly T[], mine: (line: T) => boolean): { mine: T[]; rest: T[] } {
	return { mine: lines.filter(mine), rest: lines.filter((line) => !mine(line)) };
}
/** Who is asked for a yes at all. */
export const decides = (roles: readonly string[]): boolean => has(roles, 'duty_officer', 'prosecutor');
/** Until when a set was in force: since the next one is. Null: it never was, or is now. */
export const inForceUntil = (line: PolicyLine, sets: readonly PolicyLine[]): number | null =>
	line.since === null ? null : sets.reduce<number | null>((least, one) => (one.since !== null && one.since > line.since! && (least === null || one.since < least) ? one.since : least), null);
