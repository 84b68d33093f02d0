// Which key of a log this browser saw first. A page that comes from the one who is checked must at least not change its word unseen.
import type { Instant } from '../types';

export interface Known {
	vkey: string;
	since: Instant;
}

export type Kept = Pick<Storage, 'getItem' | 'setItem'>;
const NAME = 'saqtau.ledger-keys';

function all(kept: Kept): Record<string, Known> {
	try {
		const found: unknown = JSON.parse(kept.getItem(NAME) ?? '{}');
		return found && typeof found === 'object' ? (found as Record<string, Known>) : {};
	} catch {
		return {};
	}
}

/** What is known of a name (of a log or a witness); remembers the key when it is the first one seen under this name. */
export function remember(kept: Kept, name: string, vkey: string, now: Instant): { known: Known; same: boolean; fresh: boolean } {
	const keys = all(kept);
	const before = Object.hasOwn(keys, name) ? keys[name] : undefined;
	if (before && typeof before.vkey === 'string') return { known: before, same: before.vkey === vkey, fresh: false };
	const known = { vkey, since: now };
	kept.setItem(NAME, JSON.stringify({ ...keys, [name]: known }));
	return { known, same: true, fresh: true };
}
