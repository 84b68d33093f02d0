// The tablet's own memory: its key, its counter, what waits. IndexedDB survives a closed page and a flat battery.
import type { Action, Store } from './outbox';
import type { Fix } from './positions';

const VERSION = 1;

function asked<T>(request: IDBRequest<T>): Promise<T> {
	return new Promise((done, failed) => {
		request.onsuccess = () => done(request.result);
		request.onerror = () => failed(request.error ?? new Error('storage'));
	});
}

export async function openMemory(): Promise<IDBDatabase> {
	const opening = indexedDB.open('saqtau-tablet', VERSION);
	opening.onupgradeneeded = () => {
		opening.result.createObjectStore('kept'); // device, key, next seq
		opening.result.createObjectStore('fixes', { keyPath: 'seq' });
		opening.result.createObjectStore('actions', { keyPath: 'order', autoIncrement: true });
	};
	const memory = await asked(opening);
	await navigator.storage?.persist?.().catch(() => false); // asks the browser not to clear it when space is short
	return memory;
}

const table = (memory: IDBDatabase, name: string, mode: IDBTransactionMode) => memory.transaction(name, mode, { durability: 'strict' }).objectStore(name);

export const kept = <T>(memory: IDBDatabase, key: string): Promise<T | undefined> => asked(table(memory, 'kept', 'readonly').get(key)) as Promise<T | undefined>;
export const keep = async (memory: IDBDatabase, key: string, value: unknown): Promise<void> => void (await asked(table(memory, 'kept', 'readwrite').put(value, key)));

/** The next number of a fix; counts up by one for the life of the device, over restarts, with the fix it is given to. */
export function storeFix(memory: IDBDatabase, make: (seq: number) => Fix): Promise<void> {
	const change = memory.transaction(['kept', 'fixes'], 'readwrite');
	return new Promise((done, failed) => {
		const counter = change.objectStore('kept').get('seq');
		counter.onsuccess = () => {
			const seq = ((counter.result as number | undefined) ?? 0) + 1;
			change.objectStore('kept').put(seq, 'seq');
			change.objectStore('fixes').put(make(seq));
		};
		change.oncomplete = () => done();
		change.onerror = change.onabort = () => failed(change.error ?? new Error('storage'));
	});
}

export function fixStore(memory: IDBDatabase): Store<Fix> {
	return {
		put: async (fix) => void (await asked(table(memory, 'fixes', 'readwrite').put(fix))),
		first: (limit) => asked(table(memory, 'fixes', 'readonly').getAll(null, limit)) as Promise<Fix[]>,
		remove: async (upTo) => void (await asked(table(memory, 'fixes', 'readwrite').delete(IDBKeyRange.upperBound(upTo.seq)))),
		count: () => asked(table(memory, 'fixes', 'readonly').count())
	};
}

export function actionStore(memory: IDBDatabase): Store<Action> {
	type Ordered = Action & { order: number };
	return {
		put: async (action) => void (await asked(table(memory, 'actions', 'readwrite').put({ ...action }))),
		first: (limit) => asked(table(memory, 'actions', 'readonly').getAll(null, limit)) as Promise<Action[]>,
		remove: async (done) => void (await asked(table(memory, 'actions', 'readwrite').delete((done as Ordered).order))),
		count: () => asked(table(memory, 'actions', 'readonly').count())
	};
}
