// The cameras of this person, read again every few seconds while somebody looks at the page. Does I/O.
import type { Instant } from '../types';
import { readCameras, type VideoCamera } from './ask';

const EVERY = 5_000; // ms; of a long list, longer: a country's cameras are not read every five seconds
const LONGEST = 60_000;

let list = $state.raw<VideoCamera[]>([]);
let loaded = $state(false);
let error = $state.raw<unknown>(null);
let heard = $state(0);
let skew = 0;
let now = $state(Date.now());
let readers = 0;
let turn = 0; // of keeping: an answer that comes late begins no second round
let pause = EVERY;
let timer: ReturnType<typeof setTimeout> | undefined;
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
	get old(): Instant | null { return loaded && now - heard > 4 * pause ? heard + skew : null; },
	one: (id: string): VideoCamera | undefined => list.find((camera) => camera.id === id)
};

/** Read them now. */
export async function look(): Promise<void> {
	const began = Date.now();
	try {
		const found = await readCameras();
		skew = found.now - Date.now();
		heard = Date.now();
		pause = Math.min(LONGEST, Math.max(EVERY, 10 * (heard - began), 10 * found.cameras.length));
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
		const mine = ++turn;
		const again = async (): Promise<void> => {
			if (!document.hidden) await look();
			if (readers && mine === turn) timer = setTimeout(() => void again(), pause);
		};
		void again();
		ticker = setInterval(() => (now = Date.now()), 1_000);
	}
	return () => {
		if (--readers) return;
		clearTimeout(timer);
		clearInterval(ticker);
	};
}
