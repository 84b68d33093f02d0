import { expect, test } from 'vitest';
import { decodeItem, decodeOverview, recommendationOf } from '../src/decode';
import { historyPurposes, itemPurposes } from '../src/item/purpose';
import { makesCodes, pagesOf, registersOf, watchesUnits } from '../src/shell/rights';

test('a role sees the pages that open for it and no other', () => {
	expect(pagesOf(['operator'])).toEqual(['room', 'wall', 'cameras', 'registers', 'two_people']);
	expect(pagesOf(['inspector'])).toEqual(['room', 'custody', 'cameras', 'registers', 'plates', 'two_people']);
	expect(pagesOf(['auditor'])).toEqual(['room', 'custody', 'wall', 'cameras', 'registers', 'plates', 'oversight', 'two_people']);
	expect(pagesOf(['administrator'])).toEqual(['cameras', 'registers', 'two_people']);
	expect(pagesOf(['patrol'])).toEqual([]);
	expect(pagesOf(['custody_supervisor'])).toEqual(['custody', 'wall', 'cameras']);
	expect(pagesOf(['school_officer'])).toEqual(['schools', 'wall', 'cameras']);
	expect(pagesOf(['school_officer', 'operator'])).toEqual(['room', 'wall', 'cameras', 'registers', 'two_people']);
	expect(pagesOf(['patrol', 'operator'])).toEqual(['room', 'wall', 'cameras', 'registers', 'two_people']);
});
test('the list of vehicles is for those who may read it', () => {
	expect(registersOf(['operator'])).not.toContain('vehicles');
	expect(registersOf(['duty_officer'])).toContain('vehicles');
});
test('an inspector is told no figure of units that he may not watch', () => {
	expect(watchesUnits(['inspector'])).toBe(false);
	expect(watchesUnits(['inspector', 'operator'])).toBe(true);
});
test('codes for tablets are made by the duty officer or the administrator', () => {
	expect(makesCodes(['duty_officer'])).toBe(true);
	expect(makesCodes(['operator'])).toBe(false);
});
test('the purpose is prefilled inside an incident and never invented', () => {
	expect(itemPurposes(['operator', 'duty_officer'])).toEqual(['incident']);
	expect(itemPurposes(['prosecutor'])).toEqual(['oversight']);
	expect(itemPurposes(['administrator'])).toEqual([]);
	expect(historyPurposes(['operator'])).toEqual([]);
});
test('of two edges with one name the first is the one that is drawn', () => {
	const edges = [
		{ name: 'accept', to: 'accepted', form: null },
		{ name: 'refuse', to: 'offered', form: null },
		{ name: 'refuse', to: 'with_operator', form: null }
	];
	expect(decodeItem({ id: 'i', desk: 'd', state: 's', edges }).edges).toEqual(edges.slice(0, 2));
});
test('what the server leaves out is empty, not broken', () => {
	expect(decodeOverview({ now: 1, feed: 2 })).toEqual({ now: 1, feed: 2, units: [], onShift: true, cameras: [], items: [], map: { bounds: null, tiles: null } });
	expect(recommendationOf({ recommendation: null })).toBeNull();
	expect(recommendationOf({})).toBeNull();
});
