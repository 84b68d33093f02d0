// Three languages from the tables Python reads too. Plurals follow Intl.PluralRules: `key_one`, `key_few`, `key_many`, `key_other`.
import type en from '../../../src/saqtau/locales/en.json';

type Raw = keyof typeof en;
type Plural<K> = K extends `${infer Stem}_other` ? Stem : never;
export type Key = Raw | Plural<Raw>;
export const languages = ['kk', 'ru', 'en'] as const;
export type Language = (typeof languages)[number];
export type Values = Record<string, string | number>;
export type Table = Record<string, string>;

const load: Record<Language, () => Promise<{ default: Table }>> = {
	kk: () => import('../../../src/saqtau/locales/kk.json'),
	ru: () => import('../../../src/saqtau/locales/ru.json'),
	en: () => import('../../../src/saqtau/locales/en.json')
};

let current = $state.raw<{ language: Language; table: Table }>({ language: 'kk', table: {} });

export const isLanguage = (text: unknown): text is Language => languages.includes(text as Language);

/** What the page starts with: what was chosen on this device, else what the account says, else the browser's. */
export function preferred(account?: string | null): Language {
	const kept = localStorage.getItem('saqtau.language');
	return isLanguage(kept) ? kept : isLanguage(account) ? account : spoken(navigator.languages);
}

/** The first of these (BCP 47, as a browser lists them) that we have; English for who reads none; Kazakh when nothing is known. */
export function spoken(wanted: readonly string[]): Language {
	const known = wanted.map((one) => one.toLowerCase().split('-')[0]).find(isLanguage);
	return known ?? (wanted.length ? 'en' : 'kk');
}

export async function setLanguage(language: Language, keep = false): Promise<void> {
	current = { language, table: (await load[language]()).default };
	document.documentElement.lang = language;
	if (keep) localStorage.setItem('saqtau.language', language);
}

export const language = (): Language => current.language;

/** Fill a message of a table. Undefined when the table has no such key. */
export function fill(table: Table, language: string, key: string, values: Values): string | undefined {
	const form = typeof values.n === 'number' ? new Intl.PluralRules(language).select(values.n) : '';
	const text = (form && table[`${key}_${form}`]) || table[key];
	return text?.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}

export function t(key: Key, values: Values = {}): string {
	return fill(current.table, current.language, key, values) ?? key;
}

/** Whether the table has words for a key that comes from data. */
export const known = (key: string): boolean => key in current.table;

/** A word that comes from data (a desk, a state, a field): the first key that the table knows, else the word itself made readable. */
export function word(...keys: string[]): string {
	for (const key of keys) {
		const text = fill(current.table, current.language, key, {});
		if (text !== undefined) return text;
	}
	const last = (keys.at(-1) ?? '').split('.').at(-1) ?? '';
	const plain = last.replaceAll('_', ' ');
	return plain.charAt(0).toUpperCase() + plain.slice(1);
}
