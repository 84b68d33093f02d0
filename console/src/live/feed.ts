// The live stream: opens it, notices gaps, re-opens it. What it hears goes to the listener; it keeps nothing but the sequence.
import { decodeLine, type UnitRow } from '../decode';
import type { Instant, ItemLine } from '../types';
import { from, onBeat, onNews, type Sequence, type Verdict } from './sequence';

export interface StatusNews {
	unit: string;
	status: string;
	item: string | null;
	rev?: number;
}

export interface Listener {
	items(lines: ItemLine[]): void;
	units(rows: UnitRow[]): void;
	status(news: StatusNews[]): void;
	beat(now: Instant): void;
	/** Something was missed: everything has to be read again. Answers the feed sequence that is then shown. */
	refill(): Promise<number>;
	connected(yes: boolean): void;
}

/** A stream that is open and says nothing for this long is dead, whatever the network thinks: beats come every 2 s. */
const DEAD = 10_000;
const PAUSES = [500, 1_000, 2_000, 5_000, 10_000];

/** Follow the feed after `feed`. Returns the way to stop. */
export function follow(feed: number, listener: Listener): () => void {
	let seen: Sequence = from(feed);
	let source: EventSource | null = null;
	let retry: ReturnType<typeof setTimeout> | undefined;
	let failures = 0;
	let filling = false;
	let stopped = false;
	let heard = Date.now();

	async function refill(): Promise<void> {
		if (filling) return;
		filling = true;
		try {
			seen = from(await listener.refill());
			failures = 0;
			open();
		} catch {
			again();
		} finally {
			filling = false;
		}
	}

	function again(): void {
		source?.close();
		listener.connected(false);
		clearTimeout(retry);
		const pause = PAUSES[Math.min(failures++, PAUSES.length - 1)];
		if (!stopped) retry = setTimeout(() => void refill(), pause);
	}

	function judge([next, verdict]: [Sequence, Verdict]): void {
		seen = next;
		if (verdict === 'gap') void refill();
	}

	function open(): void {
		if (stopped) return;
		source?.close();
		const opened = new EventSource(`/api/live?after=${seen.last}`);
		source = opened;
		const hear = <T>(kind: string, then: (data: T) => void) =>
			opened.addEventListener(kind, (event: MessageEvent<string>) => {
				if (source !== opened) return;
				heard = Date.now();
				then(JSON.parse(event.data) as T);
				if (event.lastEventId && kind !== 'beat' && kind !== 'units') judge(onNews(seen, Number(event.lastEventId)));
			});
		hear<unknown[]>('items', (lines) => listener.items(lines.map(decodeLine)));
		hear<UnitRow[]>('units', listener.units);
		hear<StatusNews[]>('status', listener.status);
		hear<{ now: Instant; feed: number }>('beat', ({ now, feed: known }) => {
			listener.beat(now);
			judge(onBeat(seen, known));
		});
		hear('reload', () => void refill());
		opened.onopen = () => {
			failures = 0;
			listener.connected(true);
		};
		opened.onerror = () => {
			if (source !== opened) return;
			// A browser opens a broken stream again by itself and says where it stood; a refused one it gives up.
			if (opened.readyState === EventSource.CLOSED) again();
			else listener.connected(false);
		};
	}

	open();
	const watch = setInterval(() => {
		if (Date.now() - heard < DEAD || filling) return;
		heard = Date.now();
		again();
	}, 2_000);
	return () => {
		stopped = true;
		clearInterval(watch);
		clearTimeout(retry);
		source?.close();
	};
}
