// Pictures of units, cameras and alerts, painted here so that nothing has to be fetched.
import type { Map as MapView } from 'maplibre-gl';
import type { Severity } from '../queue/order';

const SIZE = 80; // pixels, drawn at half
const MIDDLE = SIZE / 2;

/** Colour says the status again; the letter says it first. Blue and red are kept for the selected and for danger to life. */
const FILL: Record<string, string> = { A: '#5fc28a', R: '#f5b041', E: '#c9a2ff', S: '#8fe3e3', B: '#a9b6c2', O: '#5b6873', old: '#39444e' };

type Paint = (pen: CanvasRenderingContext2D) => void;

function painted(paint: Paint): ImageData {
	const canvas = document.createElement('canvas');
	canvas.width = canvas.height = SIZE;
	const pen = canvas.getContext('2d')!;
	paint(pen);
	return pen.getImageData(0, 0, SIZE, SIZE);
}

function shape(pen: CanvasRenderingContext2D, points: readonly [number, number][], fill: string, edge: string): void {
	pen.beginPath();
	points.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
	pen.closePath();
	pen.lineWidth = 3;
	pen.lineJoin = 'round';
	pen.fillStyle = fill;
	pen.strokeStyle = edge;
	pen.fill();
	pen.stroke();
}

function disc(pen: CanvasRenderingContext2D, radius: number, fill: string, edge: string): void {
	pen.beginPath();
	pen.arc(MIDDLE, MIDDLE, radius, 0, 2 * Math.PI);
	pen.lineWidth = 3;
	pen.fillStyle = fill;
	pen.strokeStyle = edge;
	pen.fill();
	pen.stroke();
}

const ALERTS: Record<Severity, Paint> = {
	danger: (pen) => shape(pen, [[40, 12], [67, 62], [13, 62]], '#ff5c5c', '#0f1418'),
	deadline: (pen) => shape(pen, [[40, 12], [68, 40], [40, 68], [12, 40]], '#f5b041', '#0f1418'),
	urgent: (pen) => {
		shape(pen, [[40, 11], [65, 32], [65, 46], [40, 25], [15, 46], [15, 32]], '#f4f8fb', '#0f1418');
		shape(pen, [[40, 34], [65, 55], [65, 67], [15, 67], [15, 55]], '#f4f8fb', '#0f1418');
	},
	routine: (pen) => {
		disc(pen, 18, '#d5dee6', '#0f1418');
		disc(pen, 7, '#0f1418', '#0f1418');
	}
};

/** A recorded camera: the body says how it is by its shape, the colour says it again. */
const VIDEO: Record<string, Paint> = {
	'video-well': (pen) => {
		disc(pen, 17, '#5fc28a', '#0b0f12');
		disc(pen, 6, '#0b0f12', '#0b0f12');
	},
	'video-waiting': (pen) => {
		pen.setLineDash([7, 6]);
		disc(pen, 17, '#171e25', '#e8edf2');
		pen.setLineDash([]);
	},
	'video-dark': (pen) => {
		shape(pen, [[23, 23], [57, 23], [57, 57], [23, 57]], '#f5b041', '#0b0f12');
		shape(pen, [[28, 28], [52, 52]], '#0b0f12', '#0b0f12');
		shape(pen, [[52, 28], [28, 52]], '#0b0f12', '#0b0f12');
	},
	'video-tampered': (pen) => {
		shape(pen, [[40, 58], [20, 22], [60, 22]], '#f5b041', '#0b0f12');
		disc(pen, 4, '#0b0f12', '#0b0f12');
	},
	'video-disabled': (pen) => {
		disc(pen, 16, '#171e25', '#a9b6c2');
		shape(pen, [[28, 52], [52, 28]], '#a9b6c2', '#a9b6c2');
	},
	'video-many': (pen) => {
		pen.beginPath();
		pen.roundRect(10, 20, 60, 40, 10);
		pen.fillStyle = '#171e25';
		pen.strokeStyle = '#a9b6c2';
		pen.lineWidth = 3;
		pen.fill();
		pen.stroke();
	}
};

/** Give the map its pictures. A new style forgets them, so this is called for each. */
export function addIcons(map: MapView): void {
	const add = (name: string, paint: Paint) => map.hasImage(name) || map.addImage(name, painted(paint), { pixelRatio: 2 });
	for (const [letter, fill] of Object.entries(FILL)) {
		const edge = letter === 'old' ? '#8594a1' : '#0b0f12';
		add(`dot-${letter}`, (pen) => disc(pen, 17, fill, edge));
		add(`arrow-${letter}`, (pen) => {
			shape(pen, [[MIDDLE, 3], [MIDDLE + 17, MIDDLE], [MIDDLE - 17, MIDDLE]], fill, edge);
			disc(pen, 17, fill, fill);
		});
	}
	for (const [name, paint] of Object.entries(VIDEO)) add(name, paint);
	for (const [kind, paint] of Object.entries(ALERTS)) add(`alert-${kind}`, paint);
	add('camera', (pen) => {
		shape(pen, [[40, 70], [20, 22], [60, 22]], 'rgba(169,182,194,.45)', '#a9b6c2');
		pen.beginPath();
		pen.arc(40, 68, 8, 0, 2 * Math.PI);
		pen.fillStyle = '#a9b6c2';
		pen.fill();
	});
}
