import { beforeAll, expect, test } from 'vitest';
import { Refusal } from '../src/api';
import { setLanguage } from '../src/i18n/index.svelte';
import { refusalText } from '../src/shell/say.svelte';

beforeAll(async () => {
	const kept = new Map<string, string>();
	Object.assign(globalThis, {
		localStorage: { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) },
		document: { documentElement: {} }
	});
	await setLanguage('en');
});
const denied = (fields: Record<string, string>) => refusalText(new Refusal('denied', fields));

test('a rule that says no is told in words, and nothing beside it that is not so', () => {
	expect(denied({ policy: 'case-exists' })).toBe('Not allowed: no such open case stands in the register.');
	expect(denied({ policy: 'own-region,evidence-on-shift' })).toBe('Not allowed: outside your regions; on shift only.');
	expect(denied({ review: 'own_glass' })).toBe('Not allowed: nobody reviews himself.');
});
test('a rule that this console has no words for is named', () => {
	expect(denied({ policy: 'made-up-rule' })).toContain('Made-up-rule');
});
test('who may read an item anyway is told so instead of breaking the glass', () => {
	expect(refusalText(new Refusal('conflict', { glass: 'ordinary_way' }))).toBe('This incident is open to you anyway: open it the ordinary way.');
});
test('a closed room is refused with the law, in the language of the reader', async () => {
	const refused = new Refusal('invalid', { room: 'not_recorded', kk: 'Дәрігерлік құпия', ru: 'Врачебная тайна', en: 'Medical secret (article 273)' });
	expect(refusalText(refused)).toMatch(/Room: is not recorded anywhere; Medical secret \(article 273\)\.$/);
	await setLanguage('ru');
	expect(refusalText(refused)).toMatch(/Врачебная тайна\.$/);
	await setLanguage('en');
});
test('a number that is taken is the camera\'s', () => expect(refusalText(new Refusal('conflict', { id: 'taken' }))).toContain('Camera: is taken already'));
