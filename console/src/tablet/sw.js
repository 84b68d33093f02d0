// Keeps the tablet's page on the tablet, so that it opens without a network. Never keeps an answer of the server: what
// is protected is not left behind on a device. The build writes the list and its version.

const SHELL = [/* shell */];
const NAME = 'saqtau-/* version */';

self.addEventListener('install', (event) => {
	event.waitUntil(
		(async () => {
			const cache = await caches.open(NAME);
			await cache.addAll(SHELL.map((path) => new Request(path, { cache: 'reload' })));
			await self.skipWaiting();
		})()
	);
});

self.addEventListener('activate', (event) => {
	event.waitUntil(
		(async () => {
			for (const name of await caches.keys()) if (name.startsWith('saqtau-') && name !== NAME) await caches.delete(name);
			await self.clients.claim();
		})()
	);
});

/** The page: the network for two seconds, then what is kept; a newer page is better than a quick one. */
async function page(request) {
	const kept = await caches.match('/tablet', { cacheName: NAME });
	try {
		const answer = await fetch(request, { signal: AbortSignal.timeout(kept ? 2_000 : 30_000) });
		if (answer.ok || !kept) return answer;
	} catch (error) {
		if (!kept) throw error;
	}
	return kept;
}

self.addEventListener('fetch', (event) => {
	const { request } = event;
	const url = new URL(request.url);
	if (request.method !== 'GET' || url.origin !== location.origin) return;
	if (request.mode === 'navigate' && url.pathname === '/tablet') event.respondWith(page(request));
	else if (SHELL.includes(url.pathname) && !url.search)
		event.respondWith(caches.match(url.pathname, { cacheName: NAME }).then((kept) => kept ?? fetch(request)));
	// everything else, above all /api/, goes to the network untouched
});
