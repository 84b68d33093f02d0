// The words a tablet signs. Pure; the tablet's device room checks the same words.

export interface Fix {
	seq: number;
	at: number;
	lat: number;
	lon: number;
	accuracy: number | null;
	speed: number | null; // km/h
	heading: number | null; // degrees
	battery: number | null; // 0..1
	mock: boolean;
}

export interface Batch {
	device: string;
	fixes: Fix[];
	signature: string;
}

const figure = (value: number | null) => (value === null ? '' : value.toFixed(2));

/** "saqtau-positions-v1", the device, then one line a fix. */
export function canonical(device: string, fixes: readonly Fix[]): string {
	const lines = fixes.map((fix) =>
		[
			fix.seq,
			fix.at,
			fix.lat.toFixed(7),
			fix.lon.toFixed(7),
			figure(fix.accuracy),
			figure(fix.speed),
			figure(fix.heading),
			figure(fix.battery),
			fix.mock ? 1 : 0
		].join(',')
	);
	return ['saqtau-positions-v1', device, ...lines].join('\n');
}

/** Round to what is signed, so that the figures sent are the figures signed. */
export function rounded(fix: Fix): Fix {
	const to = (digits: number, value: number) => Number(value.toFixed(digits));
	const small = (value: number | null) => (value === null ? null : to(2, value));
	return {
		...fix,
		at: Math.round(fix.at),
		lat: to(7, fix.lat),
		lon: to(7, fix.lon),
		accuracy: small(fix.accuracy),
		speed: small(fix.speed),
		heading: small(fix.heading),
		battery: small(fix.battery)
	};
}

/** A fix from what the browser measured (metres a second there, km/h here; NaN heading when standing). */
export function fixFrom(seq: number, position: { timestamp: number; coords: GeolocationCoordinates }, battery: number | null): Fix {
	const { coords } = position;
	const known = (value: number | null) => (value === null || !Number.isFinite(value) || value < 0 ? null : value);
	const speed = known(coords.speed);
	return rounded({
		seq,
		at: position.timestamp,
		lat: coords.latitude,
		lon: coords.longitude,
		accuracy: known(coords.accuracy),
		speed: speed === null ? null : speed * 3.6,
		heading: known(coords.heading),
		battery,
		mock: false
	});
}

export function base64(bytes: ArrayBuffer | Uint8Array): string {
	return btoa(String.fromCharCode(...new Uint8Array(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes))));
}
