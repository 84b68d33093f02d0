// What the server sends: docs/design/plan-of-the-first-system.md, section HTTP. Instants are Unix milliseconds.

export type Instant = number;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Facts = { [key: string]: Json };

export interface Me {
	user: string;
	name: string;
	roles: string[];
	regions: number[];
	unit: string | null;
	csrf: string;
	language: string | null;
	/** IANA name; absent in what a tablet kept before there was one. */
	zone?: string;
	/** How the person proved himself. */
	methods?: string[];
	/** The session serves only to set up a second factor. */
	limited?: boolean;
}

export interface StateSpec {
	owner: string | null;
	within: string | null;
	end?: boolean;
}

export type Schema = { [key: string]: unknown };

export interface EdgeSpec {
	name: string;
	from: string;
	to: string;
	by: string;
	form: Schema | null;
}

/** A way in by hand, with its form. */
export interface Opening {
	name: string;
	to: string;
	by: string[];
	form: Schema | null;
}

export interface DeskSpec {
	name: string;
	states: Record<string, StateSpec>;
	edges: EdgeSpec[];
	openings: Opening[];
	purposes: string[];
}

export interface ItemLine {
	id: string;
	desk: string;
	state: string;
	rev: number;
	region: number;
	priority: number;
	opened: Instant;
	due: Instant | null;
	owner: string | null;
	unit: string | null;
	title: Facts;
	lon: number | null;
	lat: number | null;
	parent: string | null;
}

export interface LogEntry {
	rev: number;
	at: Instant;
	edge: string;
	start: string | null;
	to: string | null;
	actor: string;
	role: string;
	purpose: string | null;
	data: Facts;
	warnings: string[];
}

export interface Link {
	kind: string;
	item: string;
}

/** An edge that the caller may take from here, with its form. */
export interface OpenEdge {
	name: string;
	to: string;
	form: Schema | null;
}

export interface Item extends ItemLine {
	data: Facts;
	log: LogEntry[];
	children: ItemLine[];
	links: Link[];
	edges: OpenEdge[];
	pictures: string[];
}

export interface Unit {
	id: string;
	callSign: string;
	lon: number | null;
	lat: number | null;
	heading: number | null;
	letter: string;
	at: Instant | null;
	flags: string[];
	item: string | null;
}

export interface Camera {
	id: string;
	name: string;
	lon: number;
	lat: number;
	heading: number | null;
	limit: number | null;
}

export interface Overview {
	now: Instant;
	feed: number;
	units: Unit[];
	cameras: Camera[];
	items: ItemLine[];
	map: { bounds: [number, number, number, number] | null; tiles: string | null };
	/** Whether pictures and the past are open now; dispatch is in any case. */
	onShift: boolean;
}

export interface Candidate {
	unit: string;
	probability: number;
	seconds: number;
	stale: number;
}

export interface Recommendation {
	at: Instant;
	camera: string;
	candidates: Candidate[];
	passed_over: Record<string, string>;
	shortfalls: string[];
}

export interface PlateReadRow {
	at: Instant;
	camera: string;
	plate: string;
	speed: number | null;
}

export interface TabletView {
	unit: string;
	status: string;
	alert: Item | null;
	position: { at: Instant; lat: number; lon: number } | null;
}
