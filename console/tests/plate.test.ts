import { describe, expect, test } from 'vitest';
import { normalPlate, plateParts, plateText } from '../src/item/plate';

describe('a plate', () => {
	test.each([
		['777ABC02', ['777', 'ABC'], '02'],
		['123AB05', ['123', 'AB'], '05'],
		['A123BCD', ['A', '123', 'BCD'], null],
		['01KG777AAA', ['01KG777AAA'], null]
	])('%s is drawn in its groups', (plate, groups, region) => {
		expect(plateParts(plate)).toEqual({ groups, region });
	});
	test('loses no letter when it is taken apart', () => {
		for (const plate of ['777ABC02', '123AB05', 'A123BCD', 'X', 'D1234']) expect(plateText(plate).replaceAll(' ', '')).toBe(plate);
	});
	test('typed with Cyrillic letters, spaces and dashes it is the same plate', () => {
		expect(normalPlate('777 авс-02')).toBe('777ABC02');
		expect(normalPlate('777 ABC 02')).toBe('777ABC02');
	});
	test('what cannot be a plate is refused', () => {
		expect(normalPlate('Абай Төле би')).toBeNull();
		expect(normalPlate('')).toBeNull();
		expect(normalPlate('1234567890123')).toBeNull();
	});
});
