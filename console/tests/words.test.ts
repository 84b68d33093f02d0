import { describe, expect, test } from 'vitest';
import en from '../../src/saqtau/locales/en.json';
import kk from '../../src/saqtau/locales/kk.json';
import ru from '../../src/saqtau/locales/ru.json';
import { fill, spoken, type Table } from '../src/i18n/index.svelte';

const tables: Record<string, Table> = { kk, ru, en };
const FORM = /_(zero|one|two|few|many|other)$/;
const plurals = new Set(Object.keys(en).filter((key) => key.endsWith('_other') && `${key.slice(0, -6)}_one` in en).map((key) => key.slice(0, -6)));
const stem = (key: string) => (FORM.test(key) && plurals.has(key.replace(FORM, '')) ? key.replace(FORM, '') : key);
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

describe.each(Object.keys(tables))('the words of %s', (language) => {
	const table = tables[language]!;
	test('are those of English, no more and no less', () => {
		expect(new Set(Object.keys(table).map(stem))).toEqual(new Set(Object.keys(en).map(stem)));
	});
	test('have every plural form that the language needs, and no other', () => {
		const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
		for (const key of plurals)
			expect(Object.keys(table).filter((one) => stem(one) === key).map((one) => one.slice(key.length + 1)).sort()).toEqual([...needed].sort());
	});
	test('are never empty and leave the same holes to fill', () => {
		for (const [key, text] of Object.entries(table)) {
			expect(text.trim(), key).not.toBe('');
			const told = (en as Table)[key] ?? (en as Table)[`${stem(key)}_other`]!;
			expect(holes(text).filter((name) => name !== 'n'), key).toEqual(holes(told).filter((name) => name !== 'n'));
		}
	});
});

test('Russian counts as Russian does', () => {
	const count = (n: number) => fill(ru, 'ru', 'queue.open', { n });
	expect(count(1)).toBe('1 открытое происшествие');
	expect(count(3)).toBe('3 открытых происшествия');
	expect(count(11)).toBe('11 открытых происшествий');
	expect(count(21)).toBe('21 открытое происшествие');
	expect(count(1.5)).toBe('1.5 открытого происшествия');
});
test('Kazakh does not change the word after a number', () => {
	expect(fill(kk, 'kk', 'queue.open', { n: 1 })).toBe('1 ашық оқиға');
	expect(fill(kk, 'kk', 'queue.open', { n: 40 })).toBe('40 ашық оқиға');
});

test('every word that a page asks for by name is in the table', () => {
	const files = import.meta.glob<string>('../src/**/*.{svelte,ts}', { query: '?raw', import: 'default', eager: true });
	const asked = Object.values(files).flatMap((text) => [...text.matchAll(/\bt\('([\w.]+)'/g)].map(([, key]) => key!));
	expect(asked.length).toBeGreaterThan(100);
	expect(asked.filter((key) => !(key in en) && !plurals.has(key))).toEqual([]);
});

test('before anybody is known the browser says the language', () => {
	expect(spoken(['en-US', 'en'])).toBe('en');
	expect(spoken(['kk-KZ', 'ru'])).toBe('kk');
	expect(spoken(['de-DE', 'ru-RU', 'en'])).toBe('ru');
	expect(spoken(['de'])).toBe('en');
	expect(spoken([])).toBe('kk');
});
