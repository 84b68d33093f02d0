// From the JSON Schema of an edge to the fields of a form, and back to its answer. Pure.
import type { Facts, Json, Schema } from '../types';

export interface Field {
	name: string;
	kind: 'text' | 'long' | 'integer' | 'number' | 'flag' | 'choice' | 'many' | 'moment';
	required: boolean;
	nullable: boolean;
	choices: string[];
	initial: Json | undefined;
	min?: number;
	max?: number;
	maxLength?: number;
	minLength?: number;
	pattern?: string;
}

const LONG = 120; // characters: longer answers get several lines

function resolved(schema: Schema, root: Schema): Schema {
	const ref = schema.$ref;
	if (typeof ref !== 'string') return schema;
	const found = ref
		.replace(/^#\//, '')
		.split('/')
		.reduce<unknown>((at, step) => (at as Schema | undefined)?.[step.replaceAll('~1', '/')], root);
	return found ? { ...resolved(found as Schema, root), ...(({ $ref: _, ...rest }) => rest)(schema) } : {};
}

/** The part of an optional schema that is not null. */
function unwrapped(schema: Schema, root: Schema): [Schema, boolean] {
	const plain = resolved(schema, root);
	const any = plain.anyOf as Schema[] | undefined;
	if (!any) return [plain, false];
	const rest = any.map((one) => resolved(one, root)).filter((one) => one.type !== 'null');
	return [{ ...(rest[0] ?? {}), default: plain.default }, rest.length < any.length];
}

function choicesOf(schema: Schema): string[] {
	if (Array.isArray(schema.enum)) return schema.enum.map(String);
	return 'const' in schema ? [String(schema.const)] : [];
}

function kindOf(schema: Schema, root: Schema): Field['kind'] {
	if (choicesOf(schema).length) return 'choice';
	if (schema.format === 'unix-ms') return 'moment';
	switch (schema.type) {
		case 'boolean':
			return 'flag';
		case 'integer':
			return 'integer';
		case 'number':
			return 'number';
		case 'array':
			return choicesOf(unwrapped((schema.items ?? {}) as Schema, root)[0]).length ? 'many' : 'long';
		default:
			return typeof schema.maxLength === 'number' && schema.maxLength <= LONG ? 'text' : 'long';
	}
}

/** The pattern as the browser wants it: Python's \A and \Z are its own anchors. */
const pattern = (text: unknown) => (typeof text === 'string' ? text.replace(/^\\A|\\Z$/g, '') : undefined);
const count = (value: unknown) => (typeof value === 'number' ? value : undefined);

/** The fields of an edge's form in the order of its struct; none for an edge without a form. */
export function fields(root: Schema | null): Field[] {
	if (!root) return [];
	const form = resolved(root, root);
	const needed = new Set((form.required as string[] | undefined) ?? []);
	return Object.entries((form.properties ?? {}) as Record<string, Schema>).map(([name, given]) => {
		const [schema, nullable] = unwrapped(given, root);
		const kind = kindOf(schema, root);
		const listed = kind === 'many' ? unwrapped((schema.items ?? {}) as Schema, root)[0] : schema;
		return {
			name,
			kind,
			required: needed.has(name),
			nullable,
			choices: choicesOf(listed),
			initial: schema.default as Json | undefined,
			min: count(schema.minimum) ?? count(schema.exclusiveMinimum),
			max: count(schema.maximum),
			maxLength: count(schema.maxLength),
			minLength: count(schema.minLength),
			pattern: pattern(schema.pattern)
		};
	});
}

/** What a form starts with: what is handed in (from the incident), else the default, else nothing. */
export function start(form: Field[], known: Facts): Facts {
	return Object.fromEntries(
		form.map((field) => {
			const empty = field.kind === 'flag' ? false : field.kind === 'many' ? [] : '';
			return [field.name, known[field.name] ?? field.initial ?? empty];
		})
	);
}

/** The answer to send: numbers as numbers, empty optional answers left out. */
export function answer(form: Field[], values: Facts): Facts {
	const sent: Facts = {};
	for (const field of form) {
		const value = values[field.name];
		const empty = value === '' || value === null || value === undefined;
		if (empty) {
			if (field.required) sent[field.name] = field.nullable ? null : '';
		} else if (field.kind === 'integer' || field.kind === 'number' || field.kind === 'moment') sent[field.name] = Number(value);
		else sent[field.name] = value;
	}
	return sent;
}

/** Names of the fields that still lack their required answer. */
export function missing(form: Field[], values: Facts): string[] {
	return form
		.filter(({ name, required, nullable, kind }) => {
			const value = values[name];
			return required && !nullable && kind !== 'flag' && (value === '' || value === null || value === undefined);
		})
		.map(({ name }) => name);
}
