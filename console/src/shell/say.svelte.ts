// What is said to the person: refusals in words, and short news for a reader of screens.
import { Refusal } from '../api';
import { known, language, languages, t, word, type Key } from '../i18n/index.svelte';

let line = $state('');
let urgent = $state('');
export const said = { get line() { return line; }, get urgent() { return urgent; } };

export function say(text: string): void {
	line = text;
}
export function sayNow(text: string): void {
	urgent = text;
}

/** Which rule said no, in words; empty when it is not told, or is none that this console has words for. */
function becauseOf({ kind, fields }: Refusal): string {
	if (kind !== 'denied') return '';
	if (fields.review === 'own_glass') return word('cause.own_glass');
	const rules = typeof fields.policy === 'string' ? fields.policy.split(',') : [];
	return rules.length && rules.every((one) => known(`cause.${one}`)) ? [...new Set(rules.map((one) => word(`cause.${one}`)))].join('; ') : '';
}

/** What happened, what was kept, what to do; then the fields concerned. */
export function refusalText(error: unknown): string {
	if (!(error instanceof Refusal)) return t('error.unexpected');
	if (error.fields.fresh) return t('error.fresh');
	if (error.fields.code === 'wrong') return t('error.code');
	if (error.fields.glass === 'ordinary_way') return t('glass.ordinary');
	const why = becauseOf(error);
	if (why) return t('error.denied.because', { why });
	const told = t(`error.${error.kind}` as Key);
	const fields = Object.entries(error.fields)
		.filter(([name]) => name !== 'item' && name !== 'retry_after' && !(languages as readonly string[]).includes(name))
		.map(([name, why]) => `${word(`field.${name === 'id' && why === 'taken' ? 'camera_id' : name}`)}: ${word(`cause.${String(why)}`)}`);
	const reason = error.fields[language()]; // the law's own words, where the refusal carries them
	if (typeof reason === 'string') fields.push(reason);
	return fields.length ? `${told} ${fields.join('; ')}.` : told;
}
