// Dark for the room at night, light for the day. What was chosen on this device stays.

export type Theme = 'dark' | 'light';

let theme = $state<Theme>('dark');
export const currentTheme = (): Theme => theme;

/** Apply what was chosen before, else `otherwise`. */
export function applyTheme(otherwise: Theme = 'dark'): void {
	const kept = localStorage.getItem('saqtau.theme');
	show(kept === 'light' || kept === 'dark' ? kept : otherwise);
}

function show(next: Theme): void {
	theme = next;
	document.documentElement.dataset.theme = next;
}

export function switchTheme(): void {
	show(theme === 'dark' ? 'light' : 'dark');
	localStorage.setItem('saqtau.theme', theme);
}

/** A tablet in a car: light by day, dark by night. */
export const byHour = (hour: number): Theme => (hour >= 7 && hour < 19 ? 'light' : 'dark');
