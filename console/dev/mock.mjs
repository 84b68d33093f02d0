// For development only: `npm run mock` serves the pages against an invented city, with the calls of the plan note.
// What it does not do: check rights, keep anything, sign anything. /dev/offline?on=1 drops every call, as a dead network would.
import { readFileSync } from 'node:fs';

const CENTRE = [76.93, 43.245];
const UNITS = Number(process.env.MOCK_UNITS ?? 120);
const TILES = process.env.MOCK_TILES; // path of a .pmtiles file
const now = () => Date.now();
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const around = (spread) => CENTRE.map((at) => at + (Math.random() - 0.5) * spread);

const form = (required, properties) => ({ title: 'Form', type: 'object', required, properties });
const NOTE = { type: 'string', maxLength: 200, default: '' };
const ASSIGN = form(['unit', 'reason'], { unit: { type: 'string', pattern: '\\A[A-Za-z0-9._-]{1,32}\\Z', maxLength: 32 }, reason: { enum: ['agreed_by_radio', 'better_placed', 'closer', 'other', 'skill'] } });
const CANCEL = form(['reason'], { reason: { enum: ['already_stopped', 'misread', 'other', 'too_dangerous'] }, note: NOTE });
const REJECT = form(['reason'], { reason: { enum: ['not_a_plate', 'other_plate', 'unreadable'] }, note: NOTE });
const REFUSE = form(['reason'], { reason: { enum: ['not_safe', 'other', 'other_work', 'too_far', 'vehicle_trouble'] }, note: NOTE });
const WRONG = form(['reason'], { reason: { enum: ['cloned', 'list_out_of_date', 'misread'] }, plate_seen: { anyOf: [{ type: 'string', maxLength: 12 }, { type: 'null' }], default: null }, note: NOTE });
const EXPLAIN = form(['reason'], { reason: { enum: ['fault', 'no_coverage', 'off_duty', 'unknown'] }, note: NOTE });
const edge = (name, from, to, by, form = null) => ({ name, from, to, by, form });
const END = { owner: null, within: null, end: true };
const state = (owner, within) => ({ owner, within, end: false });
const DESKS = [
	{
		name: 'dangerous_drivers', purposes: ['incident'],
		states: { to_confirm: state('operator', 'PT2M'), seeking: state('operator', 'PT5M'), accepted: state('patrol', 'PT15M'), stopped: END, not_seen: END, wrong_vehicle: END, rejected: END, cancelled: END },
		edges: [edge('confirm', 'to_confirm', 'seeking', 'operator'), edge('reject', 'to_confirm', 'rejected', 'operator', REJECT), edge('assign', 'seeking', 'seeking', 'operator', ASSIGN), edge('cancel', 'seeking', 'cancelled', 'operator', CANCEL), edge('stopped', 'accepted', 'stopped', 'patrol', form([], { note: NOTE })), edge('not_seen', 'accepted', 'not_seen', 'patrol'), edge('wrong_vehicle', 'accepted', 'wrong_vehicle', 'patrol', WRONG)]
	},
	{
		name: 'dispatch', purposes: ['incident'],
		states: { offered: state('patrol', 'PT15S'), accepted: state('patrol', 'PT10M'), withdrawn: END, done: END },
		edges: [edge('accept', 'offered', 'accepted', 'patrol'), edge('refuse', 'offered', 'withdrawn', 'patrol', REFUSE), edge('arrive', 'accepted', 'accepted', 'patrol'), edge('finish', 'accepted', 'done', 'patrol')]
	},
	{ name: 'location_dark', purposes: ['incident'], states: { silent: state('duty_officer', 'PT5M'), explained: END }, edges: [edge('explain', 'silent', 'explained', 'duty_officer', EXPLAIN)] }
];
const STREETS = ['Абай – Төле би', 'әл-Фараби – Достық', 'Райымбек – Сейфуллин', 'Сәтпаев – Мәсанчи', 'Жандосов – Розыбакиев'];
const cameras = STREETS.map((name, at) => {
	const [lon, lat] = around(0.08);
	return { id: `CAM-${at + 1}`, site: 'S1', name, region: 2, lon, lat, heading: at * 70, limit: 60, certificate: null };
});
const units = Array.from({ length: UNITS }, (_, at) => {
	const [lon, lat] = around(0.14);
	return { id: `P-${at + 1}`, call_sign: `Барыс-${at + 1}`, region: 2, lon, lat, heading: Math.random() * 360, status: pick(['available', 'available', 'available', 'en_route', 'busy', 'off_duty']), at: now(), flags: [], item: null };
});
let feed = 100;
let count = 0;
const items = new Map();
const listeners = new Set();
const openAt = (state) => ({ within: { to_confirm: 120e3, seeking: 300e3, accepted: 600e3, offered: 15e3, silent: 300e3 }[state] ?? null });

function open(desk, state, priority, data, extra = {}) {
	const camera = cameras.find(({ id }) => id === data.camera) ?? cameras[0];
	const id = `0193-${String(++count).padStart(4, '0')}`;
	const term = openAt(state).within;
	const spec = DESKS.find(({ name }) => name === desk);
	const { plate: _p, band: _b, recommendation: _r, causes: _c, title = {}, ...rest } = data;
	const { plate: _t, ...told } = title;
	const shown = { ...rest, ...told }; // a line of the queue has no plate
	const item = { id, desk, state, rev: 1, region: 2, priority, opened: now(), due: term && now() + term, owner: spec.states[state].owner, unit: null, title: shown, lon: camera.lon + 0.004, lat: camera.lat + 0.003, parent: null, data, log: [{ item: id, rev: 1, at: now(), edge: 'open', start: null, to: state, actor: 'rule', role: 'rule', purpose: null, data: {}, warnings: [] }], children: [], links: [], pictures: data.plate || data.title ? ['crop'] : [], ...extra };
	items.set(id, item);
	tell(item);
	return item;
}
const line = ({ data: _d, log: _l, children: _c, links: _k, pictures: _p, edges: _e, ...rest }) => rest;
const whole = (item, role) => ({ ...item, children: [...items.values()].filter(({ parent }) => parent === item.id).map(line), edges: DESKS.find(({ name }) => name === item.desk).edges.filter((one) => one.from === item.state && (one.by === role || (role === 'duty_officer' && one.by === 'operator'))).map(({ name, to, form }) => ({ name, to, form })) });
const tell = (item) => send('items', [line(item)], ++feed);
function send(kind, data, id) {
	for (const out of listeners) out.write(`${id ? `id: ${id}\n` : ''}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
}
function band([lon, lat]) {
	const at = (p, ...way) => ({ type: 'Feature', properties: { probability: p, seconds: 180 * (1 - p) }, geometry: { type: 'LineString', coordinates: way.map(([x, y]) => [lon + x, lat + y]) } });
	return { type: 'FeatureCollection', features: [at(0.9, [0, 0], [0.006, 0.001]), at(0.6, [0.006, 0.001], [0.013, 0.0015]), at(0.35, [0.013, 0.0015], [0.02, 0.006]), at(0.2, [0.013, 0.0015], [0.019, -0.005])] };
}
function driver(ground, priority, state = 'seeking') {
	const camera = pick(cameras);
	const data = { plate: `${100 + Math.floor(Math.random() * 899)}${pick(['ABC', 'KZA', 'BEK', 'OMR'])}02`, ground, speed: 80 + Math.random() * 50, limit: 60, camera: camera.id, camera_name: camera.name, at: now(), causes: [{ ground, authority: 'Алматы ҚПД', basis: '№ 2026-118/5', expires: now() + 9e9 }, { ground: 'speed', speed: 104, limit: 60, tolerance: 10, certificates: ['KZ-77-1'] }], reads: [{ id: 'r', camera: camera.id, at: now(), speed: 104, trust: 'sure' }], overrides: [], band: band([camera.lon + 0.004, camera.lat + 0.003]), recommendation: { at: now(), camera: camera.id, candidates: [{ unit: 'P-3', probability: 0.71, seconds: 64, stale: 2 }, { unit: 'P-8', probability: 0.42, seconds: 90, stale: 41 }, { unit: 'P-11', probability: 0.22, seconds: 120, stale: 3 }], passed_over: { 'P-5': 'off_duty', 'P-6': 'stale_position' }, shortfalls: [] } };
	if (state === 'to_confirm') data.doubts = ['doubtful_read', 'near_urgent'];
	const item = open('dangerous_drivers', state, priority, data);
	if (state === 'seeking') {
		const { plate, speed, limit, camera_name, at } = data;
		open('dispatch', 'offered', priority, { title: { plate, ground, camera: camera.id, camera_name, speed, limit, at }, recommendation: data.recommendation, tried: [], holder: 'P-3' }, { parent: item.id, unit: 'P-3', lon: item.lon, lat: item.lat });
	}
}
if (process.env.MOCK_EMPTY === undefined) {
	driver('stolen', 1);
	driver('persistent_violator', 4, 'to_confirm');
	driver('speed', 2);
	open('location_dark', 'silent', 3, { silent_unit: 'P-9', last: now() - 95e3, gap: null, reason: null });
}
let hold = false;
setInterval(() => {
	const moved = [];
	for (const unit of units) {
		if (unit.status === 'off_duty') continue;
		unit.lon += Math.sin((unit.heading * Math.PI) / 180) * 2e-5;
		unit.lat += Math.cos((unit.heading * Math.PI) / 180) * 1.5e-5;
		if (Math.random() < 0.01) unit.heading = Math.random() * 360;
		unit.at = now();
		const letter = { available: 'A', en_route: 'E', busy: 'B', off_duty: 'O', reserved: 'R', at_scene: 'S' }[unit.status];
		moved.push([unit.id, +unit.lon.toFixed(6), +unit.lat.toFixed(6), Math.round(unit.heading), letter, unit.at, []]);
	}
	if (!hold) send('units', moved);
}, 200).unref();
setInterval(() => !hold && send('beat', { now: now(), feed }), 2000).unref();

const CROP = `<svg xmlns="http://www.w3.org/2000/svg" width="360" height="120"><rect width="360" height="120" fill="#39424a"/><rect x="60" y="34" width="240" height="54" rx="5" fill="#e9e9e2"/><text x="84" y="74" font-family="sans-serif" font-size="38" fill="#151515">777 ABC 02</text></svg>`;
const LEDGER = JSON.parse(readFileSync(new URL('../tests/ledger.json', import.meta.url), 'utf8'));
const refused = (out, status, kind, fields = {}) => out.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ kind, fields, message: '' }));
const said = (out, body) => out.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
const bodyOf = async (asked) => {
	let body = '';
	for await (const part of asked) body += part;
	return body ? JSON.parse(body) : {};
};
let down = false;
let onDuty = false;
const me = (name) => ({ user: name, name: { operator: 'Айгүл Сәрсенова', patrol: 'Ерлан Қасымов' }[name] ?? name, roles: [name], regions: [2], unit: name === 'patrol' ? 'P-3' : null, csrf: 'x', language: 'kk' });

async function answer(asked, out, next) {
	const url = new URL(asked.url, 'http://mock');
	const path = url.pathname;
	if (path === '/dev/offline') return (down = url.searchParams.get('on') === '1'), said(out, down);
	if (path === '/dev/hold') return (hold = url.searchParams.get('on') === '1'), said(out, hold);
	if (path === '/dev/skip') return (feed += 1), said(out, feed); // a message that nobody was told of
	if (path === '/dev/driver') return driver(url.searchParams.get('ground') ?? 'wanted', Number(url.searchParams.get('priority') ?? 0)), said(out, feed);
	if (path === '/tablet') return (asked.url = '/tablet.html'), next();
	if (down && (path.startsWith('/api') || path.startsWith('/tablet/'))) return asked.socket.destroy();
	if (path === '/tiles/city.pmtiles') return tiles(asked, out);
	if (path === '/tablet/positions') return said(out, { accepted_to: (await bodyOf(asked)).fixes.at(-1).seq });
	if (path.startsWith('/ledger/')) return out.end(Buffer.from(LEDGER.tiles[path.slice(`/ledger/${LEDGER.origin}/`.length)] ?? '', 'hex'));
	if (!path.startsWith('/api/')) return next();
	const [, , first, id, what, name] = path.split('/');
	if (first === 'login') {
		const { name: who, password } = await bodyOf(asked);
		if (!password) return refused(out, 401, 'unauthenticated');
		out.setHeader('Set-Cookie', `mock=${who}; Path=/; HttpOnly; SameSite=Strict`);
		return said(out, me(who));
	}
	const who = /mock=(\w+)/.exec(asked.headers.cookie ?? '')?.[1];
	const signedIn = who && me(who);
	if (!signedIn) return refused(out, 401, 'unauthenticated');
	const role = signedIn.roles[0];
	switch (first) {
		case 'logout': return out.setHeader('Set-Cookie', 'mock=; Path=/; Max-Age=0'), said(out, null);
		case 'me': return said(out, signedIn);
		case 'desks': return said(out, DESKS);
		case 'overview': return said(out, { now: now(), feed, units, cameras, items: [...items.values()].filter(({ owner }) => owner).map(line), map: { bounds: [76.86, 43.2, 77.0, 43.29], tiles: '/tiles/city.pmtiles' } });
		case 'live':
			out.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
			out.write(`event: beat\ndata: ${JSON.stringify({ now: now(), feed })}\n\n`);
			listeners.add(out);
			asked.on('close', () => listeners.delete(out));
			return;
		case 'oversight': return said(out, oversight(id));
		case 'registers': return said(out, { cameras, units, officers: [{ id: 'O-1', name: 'Ерлан Қасымов', region: 2, unit: 'P-3' }], vehicles: [{ plate: '777ABC02', ground: 'stolen', authority: 'Алматы ҚПД', basis: '№ 118', expires: now() + 1e9, region: null, note: '' }] }[id] ?? []);
		case 'plates': return said(out, Array.from({ length: 4 }, (_, at) => ({ at: now() - at * 9e5, camera: pick(cameras).id, plate: id, speed: 61.4 })));
		case 'units': return said(out, units.slice(0, 3).map((unit, at) => ({ unit: unit.id, seconds: 60 + at * 20, metres: 700 })));
		case 'tablet':
			if (id === 'enrol') return said(out, { device: 'T-0007' });
			if (id === 'duty') return (onDuty = (await bodyOf(asked)).on), said(out, { status: onDuty ? 'available' : 'off_duty' });
			return said(out, { unit: 'P-3', status: onDuty ? 'available' : 'off_duty', position: null, alert: onDuty ? ([...items.values()].filter((one) => one.unit === 'P-3' && one.owner === 'patrol').map((one) => whole(one, 'patrol'))[0] ?? null) : null });
	}
	const item = items.get(id);
	if (!item) return refused(out, 404, 'not_found');
	if (what === 'pictures') return out.writeHead(200, { 'Content-Type': 'image/svg+xml' }).end(CROP);
	if (what !== 'edges') return said(out, whole(item, role));
	const { rev, data } = await bodyOf(asked);
	if (rev !== item.rev) return refused(out, 409, 'stale', { rev: 'stale', item: whole(item, role) });
	const desk = DESKS.find((one) => one.name === item.desk);
	const taken = desk.edges.find((one) => one.name === name && one.from === item.state);
	if (!taken) return refused(out, 409, 'conflict');
	const term = openAt(taken.to).within;
	const accepted = item.desk === 'dispatch' && name === 'accept';
	Object.assign(item, { rev: rev + 1, state: taken.to, owner: desk.states[taken.to].owner, due: term && now() + term });
	item.log.push({ item: id, rev: item.rev, at: now(), edge: name, start: taken.from, to: taken.to, actor: signedIn.user, role, purpose: 'incident', data, warnings: [] });
	const parent = items.get(item.parent);
	if (accepted && parent) Object.assign(parent, { state: 'accepted', owner: 'patrol', unit: item.unit, rev: parent.rev + 1 }), tell(parent);
	if (item.desk === 'dangerous_drivers' && !item.owner)
		for (const child of items.values()) if (child.parent === id) Object.assign(child, { state: 'done', owner: null, rev: child.rev + 1 }), tell(child);
	tell(item);
	said(out, whole(item, role));
}

/** What the overseer's page asks: the log of the tests' vectors, so that its entries hold. */
function oversight(what) {
	const witnesses = LEDGER.witnesses.map((vkey) => ({ name: vkey.split('+')[0], vkey, size: 300, seen: now() - 900, away: null, trouble: null, against: null, demonstration: true }));
	const log = { origin: LEDGER.origin, kind: 'access', region: 2, year: 2026, vkey: LEDGER.log, size: 300, at: now() - 1500, witnessed: 300, since: null, contradicted: false, witnesses };
	const late = { ...log, origin: 'saqtau.example/02/evidence/2026', kind: 'evidence', size: 90, witnessed: 71, since: now() - 260_000, witnesses: [{ ...witnesses[0], away: now() - 270_000, trouble: 'does not answer: ConnectError' }] };
	const count = (kind, purpose, role, today) => ({ kind, purpose, role, today, week: today * 6, month: today * 25 });
	const look = (index, at) => ({ entry: `${LEDGER.origin}#${index}`, klass: 'view', at: now() - at, viewer: 'operator', role: 'operator', action: 'picture.read', purpose: 'incident', object: 'I-1', case: 'I-1', region: 2, decision: 'allow', policies: ['incident-by-duty'], policy_set: 'ab'.repeat(32), delivered: 20480, closed: now() - at, late: index === 1, told: { picture: 'crop' } });
	switch (what) {
		case 'entry': return JSON.parse(LEDGER.files['137']);
		case 'entries': return { entries: Object.keys(LEDGER.files).map((index, at) => look(Number(index), at * 60_000)), unreadable: 2, next: null };
		default: return { now: now(), today: now() - (now() % 86_400_000), logs: [log, late], gaps: [{ kind: 'unwitnessed', origin: late.origin, begin: late.since, end: null, entries: 19 }], counts: [count('live', 'duty', 'operator', 41), count('view', 'incident', 'operator', 17), count('search', 'case', 'inspector', 3), count('denied', 'case', 'operator', 1)] };
	}
}

async function tiles(asked, out) {
	if (!TILES) return refused(out, 404, 'not_found');
	const { open: openFile } = await import('node:fs/promises');
	const file = await openFile(TILES);
	try {
		const { size } = await file.stat();
		const [, from, to] = /bytes=(\d+)-(\d*)/.exec(asked.headers.range ?? 'bytes=0-') ?? [];
		const end = Math.min(to ? Number(to) : size - 1, size - 1);
		const length = end - Number(from) + 1;
		const { buffer } = await file.read(Buffer.alloc(length), 0, length, Number(from));
		out.writeHead(206, { 'Content-Type': 'application/octet-stream', 'Content-Range': `bytes ${from}-${end}/${size}`, 'Accept-Ranges': 'bytes', ETag: '"mock"' }).end(buffer);
	} finally {
		await file.close();
	}
}

const use = (server) => void server.middlewares.use((asked, out, next) => void answer(asked, out, next).catch((error) => (console.error(error), refused(out, 500, 'unavailable'))));
export default () => ({ name: 'saqtau-mock', configureServer: use, configurePreviewServer: use });
