// How a camera, its state and a gap are said. Pure but for the language.
import { t, word } from '../i18n/index.svelte';
import { span } from '../live/age';
import type { Instant } from '../types';
import type { CameraHealth, CardLine, GapLine, Lack, VideoCamera } from './ask';

export const placeName = (place: string): string => word(`place.${place}`);
export const kindName = (kind: string): string => word(`gap.${kind}`, `verdict.${kind}`, `health.word.${kind}`);

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

/** What came of asking the camera's own memory for a gap. */
export function cardText(card: CardLine): string {
	const long = t('card.found', { long: span(card.found_ms) });
	return [word(card.state === 'fetched' ? 'card.state.fetched' : `card.${card.state}`), card.found_ms ? long : '', card.why && card.state !== 'fetched' ? word(`card.why.${card.why}`, 'card.why.broken') : ''].filter(Boolean).join(' · ');
}

/** What a camera lacks, with its figure. */
export function lackText(lack: Lack, health: CameraHealth): string {
	if (lack === 'clock') return t('lack.clock', { s: Math.abs((health.drift_ms ?? 0) / 1000).toFixed(0) });
	if (lack === 'archive') return t('lack.archive', { n: health.short_days, of: health.keep_days });
	return t(lack === 'learning' ? 'lack.learning' : 'lack.unlooked');
}
