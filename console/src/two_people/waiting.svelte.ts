// How many wishes wait for my yes: the figure in the menu.
import { readWaiting } from './ask';

const EVERY = 30_000;
let count = $state(0);
export const waiting = { get count() { return count; } };

export async function countWaiting(): Promise<void> {
	try {
		count = await readWaiting();
	} catch {
		// the figure of before stands; the page itself says what does not answer
	}
}
/** Keep counting. Returns the way to stop. */
export function keepCounting(): () => void {
	void countWaiting();
	const beat = setInterval(countWaiting, EVERY);
	return () => {
		clearInterval(beat);
		count = 0;
	};
}
