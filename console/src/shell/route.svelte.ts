// The address after #: /, /item/ID, /registers/NAME.

const read = (): string[] => location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);
let parts = $state.raw<string[]>(read());
addEventListener('hashchange', () => (parts = read()));

export const route = {
	get page(): string { return parts[0] ?? ''; },
	get rest(): string | null { return parts[1] ?? null; },
	/** All after the page. */
	get more(): readonly string[] { return parts.slice(1); }
};

export function go(...to: string[]): void {
	const next = `#/${to.map(encodeURIComponent).join('/')}`;
	if (location.hash !== next) location.hash = next;
	parts = read();
}
