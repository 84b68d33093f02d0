// What the overseer's page asks the server. Each answer is itself an entry of the ledger.
import { call } from '../api';
import type { Looks, Overview, Place } from './state';
import type { Bytes } from './verify/bytes';

export interface Wish {
	from: number;
	to: number;
	klass?: string;
	viewer?: string;
	/** Not what this person did. */
	without?: string;
	object?: string;
	purpose?: string;
}

const query = (given: object): string =>
	`?${new URLSearchParams(Object.entries(given).filter(([, value]) => value !== undefined && value !== '').map(([key, value]) => [key === 'klass' ? 'class' : key, String(value)]))}`;

export const readOverview = async (): Promise<Overview> => (await call('/api/oversight')).json();
export const readLooks = async (wish: Wish): Promise<Looks> => (await call(`/api/oversight/entries${query(wish)}`)).json();
/** The file of an entry, letter by letter as it can be downloaded. */
export const readEntryFile = async (entry: string): Promise<string> => (await call(`/api/oversight/entry${query({ entry })}`)).text();
export const readTile =
	({ origin }: Pick<Place, 'origin'>) =>
	async (path: string): Promise<Bytes> =>
		new Uint8Array(await (await call(`/ledger/${origin}/${path}`)).arrayBuffer());
