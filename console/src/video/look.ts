// For which reason a person may look at which camera. Pure; the server's policies decide, this only asks what can be answered yes.
import type { Look, PlaceKind } from './ask';

const OWN: Record<string, readonly PlaceKind[]> = {
	operator: ['street'],
	duty_officer: ['street'],
	school_officer: ['school'],
	custody_supervisor: ['police_office', 'penal_colony']
};
const PAST: readonly string[] = ['school_officer', 'custody_supervisor']; // what was recorded belongs to their duty too
const NAMED: Record<string, readonly string[]> = { operator: ['incident'], duty_officer: ['incident'], inspector: ['case', 'incident'] };
const OVERSEERS: readonly string[] = ['prosecutor', 'auditor'];

/** Purposes for which these roles may look at such a place, the usual one first. past: what was recorded, not the live picture. */
export function purposesFor(roles: readonly string[], place: PlaceKind, past: boolean): string[] {
	return [
		...new Set(
			roles.flatMap((role) => [
				...(OWN[role]?.includes(place) && (!past || PAST.includes(role)) ? ['duty'] : []),
				...(NAMED[role] ?? []),
				...(OVERSEERS.includes(role) ? ['oversight'] : [])
			])
		)
	];
}

export const allPurposes = (roles: readonly string[]): string[] => [
	...new Set((['street', 'school', 'police_office'] as const).flatMap((place) => [...purposesFor(roles, place, false), ...purposesFor(roles, place, true)]))
];

/** Purposes that are of no use without an incident or a case number. */
export const needsCase = (purpose: string): boolean => purpose === 'incident' || purpose === 'case';

/** The look under which a camera is shown when this was chosen for the sitting; null: the person has to be asked. */
export function lookFor(roles: readonly string[], place: PlaceKind, past: boolean, chosen: Look | null): Look | null {
	const allowed = purposesFor(roles, place, past);
	if (chosen && allowed.includes(chosen.purpose) && (!needsCase(chosen.purpose) || chosen.case)) return chosen;
	const free = allowed.find((one) => !needsCase(one));
	return free ? { purpose: free, case: '' } : null;
}
