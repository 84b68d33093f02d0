// Cameras, their states, pictures and gaps, asked of the server. Every picture is asked for with a reason.
import { call } from '../api';
import type { Facts, Instant } from '../types';

export const PLACES = ['street', 'school', 'police_office', 'penal_colony'] as const;
export type PlaceKind = (typeof PLACES)[number];
export const ROOMS = ['hall', 'corridor', 'cell', 'interview', 'duty_desk', 'yard', 'lawyer', 'medical', 'toilet'] as const;
export type Standing = 'well' | 'waiting' | 'dark' | 'tampered' | 'disabled';

export interface VideoCamera {
	id: string;
	site: string;
	name: string;
	region: number;
	place: PlaceKind;
	room: string | null;
	lat: number;
	lon: number;
	heading: number | null;
	field_of_view: number;
	reach: number;
	audio: boolean;
	keep_days: number;
	state: Standing;
	since: Instant | null;
	/** Of the gap that is open, or the verdict about the picture. */
	kind: string | null;
	/** The oldest picture that is still there. */
	oldest: Instant | null;
	watchers: number | null;
	item: string | null;
}
export interface Cameras { now: Instant; cameras: VideoCamera[] }
/** Whether the camera's own memory was asked for a gap, and what came of it. */
export interface CardLine { state: 'wanted' | 'fetching' | 'fetched' | 'nothing' | 'refused' | 'given_up'; at: Instant; found_ms: number; why: string | null }
export interface GapLine { id: string; began: Instant; ended: Instant | null; kind: string; packets: number | null; by: string | null; why: string | null; item: string | null; card?: CardLine | null }
/** Time of which pictures were fetched from the camera's own memory, later. */
export interface FetchedLine { began: Instant; ended: Instant; fetched: Instant }
export interface HoldLine { id: string; began: Instant; ended: Instant; case: string; acknowledged: Instant | null }
export interface Timeline { now: Instant; recorded: [Instant, Instant][]; gaps: GapLine[]; holds: HoldLine[]; oldest: Instant | null; fetched?: FetchedLine[] }
export interface Watcher { viewer: string; role: string; purpose: string; since: Instant }
export type Lack = 'learning' | 'clock' | 'archive' | 'unlooked';
/** How a camera is besides its state. */
export interface CameraHealth {
	id: string; lacks: Lack[]; verdict: string | null; since: Instant | null; looked: Instant | null; day: Instant | null; infra_red: Instant | null;
	drift_ms: number | null; oldest: Instant | null; keep_days: number; short_days: number;
}
export interface HealthSeen {
	now: Instant; health: CameraHealth;
	changes: { at: Instant; word: string; before: string | null; entry: string | null }[];
	told: { word: string; source: string; began: Instant; ended: Instant | null }[];
}
/** Why somebody looks. */
export interface Look { purpose: string; case: string }

export interface NewCamera {
	id: string;
	site: string;
	name: string;
	region: number;
	place: PlaceKind;
	room: string | null;
	lat: number;
	lon: number;
	heading: number | null;
	address: string;
	credentials: string | null;
	audio: boolean;
	keep_days: number;
}

const at = (camera: string, ...rest: string[]): string => ['/api/cameras', camera, ...rest].map((part, place) => (place ? encodeURIComponent(part) : part)).join('/');
const query = (given: Record<string, string | number>): string => `?${new URLSearchParams(Object.entries(given).filter(([, value]) => value !== '').map(([key, value]) => [key, String(value)]))}`;
const json = async <T>(path: string, method = 'GET', body?: unknown): Promise<T> => (await call(path, method, body)).json() as Promise<T>;

export const readCameras = (): Promise<Cameras> => json('/api/cameras');
export const readTimeline = (camera: string, from: Instant, to: Instant): Promise<Timeline> => json(at(camera, 'timeline') + query({ from, to }));
export const readWatchers = (camera: string): Promise<Watcher[]> => json(at(camera, 'watchers'));
export const readHealth = (camera: string): Promise<HealthSeen> => json(at(camera, 'health'));
export const readLacks = (): Promise<{ now: Instant; cameras: CameraHealth[] }> => json('/api/camera-health');
export const addCamera = (camera: NewCamera, reason: string): Promise<Facts> => json('/api/cameras', 'POST', { ...camera, reason });
export async function switchCamera(camera: string, on: boolean, reason: string): Promise<void> {
	await call(at(camera, on ? 'enable' : 'disable'), 'POST', { reason });
}

export const recordingUrl = (camera: string, look: Look, from: Instant, to: Instant, card = false): string => at(camera, 'recording') + query({ from, to, ...look, source: card ? 'card' : '' });
export const thumbnailUrl = (camera: string, look: Look, instant: Instant): string => at(camera, 'thumbnail') + query({ at: instant, ...look });
/** For browsers without MediaSource: the same range as a playlist. */
export const playlistUrl = (camera: string, look: Look, from: Instant, to: Instant): string => at(camera, 'recording.m3u8') + query({ from, to, ...look });
