// One short distinct tone a class. It repeats until somebody has acknowledged, and is checked at shift start.
import type { Severity } from '../queue/order';

const TONES: Record<Severity, { notes: number[]; every: number }> = {
	danger: { notes: [880, 1175, 880], every: 4_000 },
	deadline: { notes: [660, 660], every: 10_000 },
	urgent: { notes: [784, 988], every: 6_000 },
	routine: { notes: [440], every: 15_000 }
};
const NOTE = 0.14; // s

let context: AudioContext | null = null;
const last: Partial<Record<Severity, number>> = {};

/** Browsers let a page sound only after the user has touched it: call this from a click or a key. */
export async function wake(): Promise<boolean> {
	context ??= new AudioContext();
	if (context.state === 'suspended') await context.resume();
	return context.state === 'running';
}

export const canSound = (): boolean => context?.state === 'running';

export function play(kind: Severity, volume = 0.25): void {
	if (!context || context.state !== 'running') return;
	TONES[kind].notes.forEach((pitch, place) => {
		const from = context!.currentTime + place * (NOTE + 0.04);
		const tone = context!.createOscillator();
		const loud = context!.createGain();
		tone.frequency.value = pitch;
		tone.type = kind === 'danger' ? 'square' : 'sine';
		loud.gain.setValueAtTime(0, from);
		loud.gain.linearRampToValueAtTime(kind === 'danger' ? volume * 0.5 : volume, from + 0.01);
		loud.gain.linearRampToValueAtTime(0, from + NOTE);
		tone.connect(loud).connect(context!.destination);
		tone.start(from);
		tone.stop(from + NOTE);
	});
}

/** Sound for the most urgent thing that nobody has acknowledged; call as often as you like. */
export function remind(waiting: readonly Severity[], now: number): void {
	const kind = (['danger', 'deadline', 'urgent', 'routine'] as const).find((one) => waiting.includes(one));
	if (!kind || now - (last[kind] ?? 0) < TONES[kind].every) return;
	last[kind] = now;
	play(kind);
}
