// Places of custody and the ways in of desks, asked of the server.
import { call } from '../api';
import { decodeItem } from '../decode';
import type { Facts, Instant, Item } from '../types';

export interface SiteOfCustody { id: string; name: string; region: number; place: string; lat: number; lon: number; cameras: number; rooms: Record<string, number> }
export interface Custody { now: Instant; sites: SiteOfCustody[]; not_recorded: Record<string, Record<string, string>> }
export interface MinutesOfCamera { id: string; name: string; room: string | null; minutes: string }
export interface DayOfSite { site: string; began: Instant; cameras: MinutesOfCamera[]; sums: Record<string, number> }
export interface Figures { since: Instant; states: Record<string, number>; complaints: Record<string, number> }

const json = async <T>(path: string): Promise<T> => (await call(path)).json() as Promise<T>;
const query = (given: Record<string, string | number>): string => `?${new URLSearchParams(Object.entries(given).map(([key, value]) => [key, String(value)]))}`;

export const readCustody = (): Promise<Custody> => json('/api/custody');
export const readMinutes = (site: string, from: Instant): Promise<DayOfSite> => json(`/api/custody/minutes${query({ site, from })}`);
export const readFigures = (site: string): Promise<Figures> => json(`/api/custody/figures${query({ site })}`);

/** Open an item by a desk's form; the answer is the item. */
export async function openItem(desk: string, name: string, data: Facts): Promise<Item> {
	const path = `/api/desks/${encodeURIComponent(desk)}/openings/${encodeURIComponent(name)}`;
	return decodeItem((await (await call(path, 'POST', { data })).json()) as Facts);
}
