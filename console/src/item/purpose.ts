// Why somebody looks. Asked once per incident, prefilled from it, kept with it for this sitting. The server's policy decides.

const ITEM: Record<string, string> = { operator: 'incident', duty_officer: 'incident', inspector: 'incident', patrol: 'incident', school_officer: 'incident', custody_supervisor: 'incident', prosecutor: 'oversight', auditor: 'oversight' };
const HISTORY: Record<string, string[]> = { duty_officer: ['incident'], inspector: ['case', 'incident'], prosecutor: ['oversight'], auditor: ['oversight'] };

const kept = new Map<string, string>();

/** Purposes for which these roles may read an item, the usual one first. */
export const itemPurposes = (roles: readonly string[]): string[] => [...new Set(roles.flatMap((role) => ITEM[role] ?? []))];
/** Purposes for which these roles may read where a plate was seen. */
export const historyPurposes = (roles: readonly string[]): string[] => [...new Set(roles.flatMap((role) => HISTORY[role] ?? []))];

export const keptPurpose = (item: string, prefilled: readonly string[]): string => kept.get(item) ?? prefilled[0] ?? '';

export function keepPurpose(item: string, purpose: string): void {
	kept.set(item, purpose);
}
