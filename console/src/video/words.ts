// How a camera, its state and a gap are said. Pure but for the language.
import { t, word } from '../i18n/index.svelte';
import { span } from '../live/age';
import type { Instant } from '../types';
import type { GapLine, VideoCamera } from './ask';

export const placeName = (place: string): string => word(`place.${place}`);
export const kindName = (kind: string): string => word(`gap.${kind}`, `verdict.${kind}`);

/** Where it is: the kind of place, the room, the site. */
export const whereOf = (camera: VideoCamera): string => [placeName(camera.place), camera.room ? word(`room.${camera.room}`) : '', camera.site].filter(Boolean).join(' · ');

/** `Dark for 4:10: source silent`. */
export function stateOf(camera: Pick<VideoCamera, 'state' | 'since' | 'kind'>, now: Instant): string {
	const state = t(`camera.state.${camera.state}`);
	if (camera.state === 'well') return state;
	const why = camera.kind ? kindName(camera.kind) : '';
	return [camera.since === null ? state : t('camera.state.for', { state, long: span(now - camera.since) }), why].filter(Boolean).join(': ');
}

/** What a gap was, in words. */
export function gapText(gap: GapLine): string {
	return [kindName(gap.kind), gap.packets === null ? '' : t('gap.packets', { n: gap.packets }), gap.by ? t('gap.by', { who: gap.by }) : '', gap.why ?? ''].filter(Boolean).join(' · ');
}
