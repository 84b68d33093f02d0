import { describe, expect, test } from 'vitest';
import { answer, fields, missing, start } from '../src/item/schema';

// As msgspec writes it: the struct behind a reference, enums behind another one, optional fields as anyOf with null.
const schema = {
	$ref: '#/$defs/Outcome',
	$defs: {
		Outcome: {
			title: 'Outcome',
			type: 'object',
			required: ['result', 'speed', 'unit'],
			properties: {
				result: { $ref: '#/$defs/Result' },
				speed: { type: 'number', minimum: 0, maximum: 300 },
				unit: { type: 'string', pattern: '\\A[A-Z]{1,8}\\Z', maxLength: 8 },
				count: { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }], default: null },
				note: { type: 'string', maxLength: 300, default: '' },
				told: { type: 'boolean', default: true },
				grounds: { type: 'array', items: { $ref: '#/$defs/Result' }, default: [] }
			}
		},
		Result: { title: 'Result', enum: ['not_seen', 'stopped'] }
	}
};

describe('a form from the schema of its edge', () => {
	const form = fields(schema);
	test('has the fields of the struct in their order, each of its kind', () => {
		expect(form.map(({ name, kind }) => [name, kind])).toEqual([
			['result', 'choice'], ['speed', 'number'], ['unit', 'text'], ['count', 'integer'], ['note', 'long'], ['told', 'flag'], ['grounds', 'many']
		]);
	});
	test('knows limits, choices and what may be left out', () => {
		expect(form[0]).toMatchObject({ required: true, choices: ['not_seen', 'stopped'] });
		expect(form[1]).toMatchObject({ min: 0, max: 300 });
		expect(form[2]).toMatchObject({ pattern: '[A-Z]{1,8}', maxLength: 8 });
		expect(form[3]).toMatchObject({ required: false, nullable: true, min: 1 });
	});
	test('starts with what the incident already knows, then with the default', () => {
		expect(start(form, { unit: 'P', other: 1 })).toEqual({ result: '', speed: '', unit: 'P', count: '', note: '', told: true, grounds: [] });
	});
	test('names what is missing and does not miss what is optional', () => {
		expect(missing(form, start(form, {}))).toEqual(['result', 'speed', 'unit']);
		expect(missing(form, { result: 'stopped', speed: 0, unit: 'P' })).toEqual([]);
	});
	test('sends numbers as numbers and leaves empty optional answers out', () => {
		expect(answer(form, { result: 'stopped', speed: '61.5', unit: 'P', count: '', note: '', told: false, grounds: [] })).toEqual({
			result: 'stopped', speed: 61.5, unit: 'P', told: false, grounds: []
		});
	});
	test('an edge without a form has no fields', () => {
		expect(fields(null)).toEqual([]);
		expect(fields({ type: 'object', properties: {}, required: [] })).toEqual([]);
	});
});
