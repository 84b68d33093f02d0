// Has anything been missed? Pure. Each stored message carries its FEED sequence; a beat says how far the feed is.

export interface Sequence {
	/** Last sequence that was shown here. */
	last: number;
	/** How far the last beat said the feed is, when that was further than `last`. */
	owed: number | null;
}

export type Verdict = 'go on' | 'gap';

export const from = (feed: number): Sequence => ({ last: feed, owed: null });

/** News with a sequence came. A sequence below the last one means that the feed began anew: what is shown is of another feed. */
export function onNews(seen: Sequence, seq: number): [Sequence, Verdict] {
	if (seq < seen.last) return [from(seq), 'gap'];
	return [{ last: seq, owed: seen.owed !== null && seq < seen.owed ? seen.owed : null }, 'go on'];
}

/**
 * A beat came. What it promises may still be under way, so only a promise that the next beat finds unkept is a gap.
 */
export function onBeat(seen: Sequence, feed: number): [Sequence, Verdict] {
	if (feed < seen.last) return [from(feed), 'gap'];
	if (seen.owed !== null && seen.last < seen.owed) return [from(feed), 'gap'];
	return [{ last: seen.last, owed: feed > seen.last ? feed : null }, 'go on'];
}
