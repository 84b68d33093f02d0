// How a player follows: where to jump, how fast to run, what to throw away; and which instant a media time is. Pure.
import type { Instant } from '../types';

/** What the player has, s of media time: the ranges that lie ready, in order, and where it stands. */
export interface Heard {
	ranges: readonly (readonly [number, number])[];
	current: number;
}
export interface Step {
	/** Jump here. */
	seek: number | null;
	rate: number;
	/** Throw away what lies before this. */
	trim: number | null;
}

export const EDGE = 0.15; // s kept between the picture and the newest fragment after a jump
const LATE = 1.0; // s behind the edge: jump
const SLOW = 0.45; // s behind: run a little faster
const KEPT = 20; // s of the past kept here; what is older is asked for, and entered, anew
const TRIM_EVERY = 10; // s; removing has its price
const HOLE = 0.05; // s before the end of a range at which a player stands still

const trimOf = ({ ranges, current }: Heard): number | null => (ranges.length && current - ranges[0]![0] > KEPT + TRIM_EVERY ? current - KEPT : null);

/** Live: stay at the edge. */
export function live(heard: Heard): Step {
	const last = heard.ranges.at(-1);
	if (!last) return { seek: null, rate: 1, trim: null };
	const behind = last[1] - heard.current;
	const out = heard.current < last[0] || behind > LATE || behind < -HOLE;
	return { seek: out ? Math.max(last[0], last[1] - EDGE) : null, rate: !out && behind > SLOW ? 1.1 : 1, trim: trimOf(heard) };
}

/** A recording: go on at the chosen speed, over a hole to what comes after it. */
export function replay(heard: Heard): Omit<Step, 'rate'> {
	const { ranges, current } = heard;
	const here = ranges.find(([start, end]) => current >= start - HOLE && current < end - HOLE);
	const next = here ? null : ranges.find(([start]) => start > current);
	const before = ranges.length > 0 && current < ranges[0]![0] - HOLE;
	return { seek: next && (before || ranges.length > 1) ? next[0] + 0.01 : null, trim: trimOf(heard) };
}

const AHEAD = 20; // s of recording that may lie ready, at speed 1
export const wantsMore = (end: number, current: number, speed = 1): boolean => end - current < AHEAD * Math.max(1, speed);

const JOIN = 0.05; // s that may be missing between two fragments that belong together
const OVERLAP = 0.3; // s that two may overlap by the camera's jitter

const SAME = 60; // ms; what shows the same instant at the same place is the same picture

/** Places each fragment after the one before and remembers which instant it shows. A camera's clock may jump; the player's never does. */
export class Places {
	#offset: number | null = null;
	#next = 0; // source time that would go on
	#end = 0; // media time of the end
	#known: { from: number; to: number; at: Instant }[] = [];

	/** What to add to the fragment's own time; `fresh` when it is another than before. The same pictures once more lie where they lay. */
	put(start: number, length: number, at: Instant | null): { offset: number; fresh: boolean } {
		if (this.#offset !== null && at !== null && start < this.#next) {
			const lay = this.at(start + this.#offset);
			if (lay !== null && Math.abs(lay - at) < SAME) return { offset: this.#offset, fresh: false };
		}
		const joined = this.#offset !== null && start - this.#next < JOIN && this.#next - start < OVERLAP;
		if (!joined) this.#offset = this.#end - start;
		const offset = this.#offset!;
		this.#next = start + length;
		this.#end = start + offset + length;
		if (at !== null) this.#known.push({ from: start + offset, to: this.#end, at });
		if (this.#known.length > 4_000) this.#known.splice(0, 1_000);
		return { offset, fresh: !joined };
	}

	/** Media time at which the next fragment would go on. */
	get end(): number {
		return this.#end;
	}

	/** The instant that is shown at this media time; null when nobody knows. */
	at(media: number): Instant | null {
		let low = 0;
		let high = this.#known.length - 1;
		while (low <= high) {
			const middle = (low + high) >> 1;
			const one = this.#known[middle]!;
			if (media < one.from) high = middle - 1;
			else if (media >= one.to) low = middle + 1;
			else return one.at + Math.round((media - one.from) * 1000);
		}
		const before = this.#known[high];
		return before && media - before.to < OVERLAP ? before.at + Math.round((before.to - before.from) * 1000) : null;
	}

	/** The media time of an instant that lies ready; null when it does not. */
	mediaOf(at: Instant): number | null {
		const one = this.#known.find(({ at: began, from, to }) => at >= began && at < began + (to - from) * 1000);
		return one ? one.from + (at - one.at) / 1000 : null;
	}

	/** The newest instant that is here. */
	get edge(): Instant | null {
		const last = this.#known.at(-1);
		return last ? last.at + Math.round((last.to - last.from) * 1000) : null;
	}
}
