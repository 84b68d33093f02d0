// The cameras of this person, read again every few seconds while somebody looks at the page. Does I/O.
import type { Instant } from '../types';
import { readCameras, type VideoCamera } from './ask';

const EVERY = 5_000;
export const PROMISE = 20_000; // ms after which the list is old

let list = $state.raw<VideoCamera[]>([]);
let loaded = $state(false);
let error = $state.raw<unknown>(null);
let heard = $state(0);
let skew = 0;
let now = $state(Date.now());
let readers = 0;
let timer: ReturnType<typeof setInterval> | undefined;
let ticker: ReturnType<typeof setInterval> | undefined;

export const cameras = {
	get list() { return list; },
	get loaded() { return loaded; },
	/** Why they could not be read the last time. */
	get error() { return error; },
	/** Server time now, ticking once a second. */
	get now(): Instant { return now + skew; },
	/** Server time to the millisecond, for what is measured. */
	exact: (): Instant => Date.now() + skew,
	/** Server time when they were last heard of, when that is too long ago. */
	get old(): Instant | null { return loaded && now - heard > PROMISE ? heard + skew : null; },
	one: (id: string): VideoCamera | undefined => list.find((camera) => camera.id === id)
};

/** Read them now. */
export async function look(): Promise<void> {
	try {
		const found = await readCameras();
		skew = found.now - Date.now();
		heard = Date.now();
		list = found.cameras;
		loaded = true;
		error = null;
	} catch (trouble) {
		error = trouble;
	}
}

/** Keep the list fresh until the returned function is called. */
export function keep(): () => void {
	if (!readers++) {
		void look();
		timer = setInterval(() => document.hidden || void look(), EVERY);
		ticker = setInterval(() => (now = Date.now()), 1_000);
	}
	return () => {
		if (--readers) return;
		clearInterval(timer);
		clearInterval(ticker);
	};
}
