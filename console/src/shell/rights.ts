// Which pages a role sees. The server decides what may be read; this only keeps doors that would not open out of sight.
import { historyPurposes } from '../item/purpose';
import { seesPage } from '../two_people/may';
import { seesCameras, seesWall } from '../video/may';

export type Page = 'room' | 'schools' | 'custody' | 'wall' | 'cameras' | 'registers' | 'plates' | 'oversight' | 'two_people';
export type Register = 'cameras' | 'units' | 'officers' | 'vehicles';

const ROOM = ['operator', 'duty_officer', 'inspector', 'prosecutor', 'auditor'];
const LIST = ['duty_officer', 'inspector', 'prosecutor', 'auditor']; // may see vehicles on the list
const CUSTODY = ['custody_supervisor', 'prosecutor', 'auditor', 'duty_officer', 'inspector'];
const one = (roles: readonly string[], of: readonly string[]): boolean => roles.some((role) => of.includes(role));

export function pagesOf(roles: readonly string[]): Page[] {
	const pages: Page[] = [];
	if (one(roles, ROOM)) pages.push('room');
	if (one(roles, ['school_officer']) && !one(roles, ROOM)) pages.push('schools');
	if (one(roles, CUSTODY)) pages.push('custody');
	if (seesWall(roles)) pages.push('wall');
	if (seesCameras(roles)) pages.push('cameras');
	if (one(roles, [...ROOM, 'administrator'])) pages.push('registers');
	if (historyPurposes(roles).length) pages.push('plates');
	if (one(roles, ['prosecutor', 'auditor'])) pages.push('oversight');
	if (seesPage(roles)) pages.push('two_people');
	return pages;
}

/** Who may watch the units: only he is told how many there are. */
export const watchesUnits = (roles: readonly string[]): boolean => one(roles, ['operator', 'duty_officer', 'prosecutor', 'auditor']);

/** Who hands out the one-time codes that enrol a tablet. */
export const makesCodes = (roles: readonly string[]): boolean => one(roles, ['duty_officer', 'administrator']);

export function registersOf(roles: readonly string[]): Register[] {
	return one(roles, LIST) ? ['cameras', 'units', 'officers', 'vehicles'] : ['cameras', 'units', 'officers'];
}
