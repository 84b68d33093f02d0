// A fact of an item in words: figures with their units, codes as words, places by name.
import { t, word } from '../i18n/index.svelte';
import { dated } from '../live/age';
import { callSign, room } from '../live/room.svelte';
import type { Facts, Json } from '../types';
import { plateText } from './plate';

const KMH = new Set(['speed', 'limit', 'tolerance']);
const EPOCH = 1e12; // a figure above this is an instant
/** For machines, or said by a neighbour: the name of a camera stands where its code would. */
const SILENT = new Set(['id', 'read', 'reads', 'recommendation', 'candidates', 'band', 'title', 'lat', 'lon', 'camera_name', 'other_camera_name', 'wanted_by', 'freed', 'late', 'holder', 'priority']);
/** Facts that name a unit. */
const UNITS = new Set(['accepted_by', 'released_by', 'had']);
/** What speaks for itself (a ground, a place, a time) needs no label. */
const PLAIN = new Set(['ground', 'camera', 'at', 'speed', 'trust', 'unit', 'answer', 'reason']);

/** A code of the data in words; free text and identifiers as they stand. */
export function saidValue(value: string): string {
	return /^[a-z][a-z_]*$/.test(value) ? word(`value.${value}`, `gap.${value}`, `verdict.${value}`, `room.${value}`) : value;
}

function place(key: string, id: string, beside: Facts): string {
	const beside_it = beside[key === 'other_camera' ? 'other_camera_name' : 'camera_name'];
	return room.cameras.find((camera) => camera.id === id)?.name ?? (typeof beside_it === 'string' && key !== 'since' ? beside_it : id);
}

/** One fact; empty when there is nothing to say. `beside`: the facts it stands among. */
export function said(key: string, value: Json | undefined, beside: Facts): string {
	switch (typeof value) {
		case 'boolean':
			return value ? t('yes') : t('no');
		case 'number':
			if (value > EPOCH) return dated(value, room.now);
			if (KMH.has(key)) return t('speed', { speed: Math.round(value) });
			return Number.isInteger(value) ? String(value) : value.toFixed(1);
		case 'string':
			if (key.includes('plate') || key === 'read_as') return plateText(value);
			if (key.endsWith('camera') || key === 'since') return place(key, value, beside);
			if (key === 'unit' || key.endsWith('_unit') || UNITS.has(key)) return callSign(value);
			return key === 'by' || key === 'officer' || key.endsWith('_by') ? value : saidValue(value); // a person's account is no word
		default:
			if (Array.isArray(value)) return value.map((one) => said(key, one, beside)).filter(Boolean).join(', ');
			return value ? phrase(value) : '';
	}
}

/** Facts on one line. */
export function phrase(facts: Facts): string {
	return Object.entries(facts)
		.filter(([key]) => !SILENT.has(key))
		.map(([key, value]) => [key, said(key, value, facts)] as const)
		.filter(([, words]) => words)
		.map(([key, words]) => (PLAIN.has(key) ? words : `${word(`fact.${key}`, key).toLocaleLowerCase()} ${words}`))
		.join(' · ');
}
