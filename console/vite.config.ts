import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The service worker, with the list of what the tablet page needs written into it. The map is not needed there. */
function serviceWorker(): Plugin {
	return {
		name: 'saqtau-service-worker',
		apply: 'build',
		generateBundle(_, bundle) {
			const wanted = new Set<string>();
			const take = (name: string) => {
				const part = bundle[name];
				if (!part || wanted.has(name)) return;
				wanted.add(name);
				if (part.type !== 'chunk') return;
				[...part.imports, ...part.dynamicImports, ...(part.viteMetadata?.importedCss ?? [])].forEach(take);
				(part.viteMetadata?.importedAssets ?? new Set()).forEach(take);
			};
			for (const part of Object.values(bundle))
				if (part.type === 'chunk' && part.isEntry && part.name === 'tablet') take(part.fileName);
			for (const name of Object.keys(bundle)) if (name.endsWith('.woff2')) wanted.add(name);
			const shell = ['/tablet', '/manifest.webmanifest', '/icon.svg', ...[...wanted].sort().map((name) => `/${name}`)];
			const source = readFileSync(here('./src/tablet/sw.js'), 'utf8')
				.replace('[/* shell */]', JSON.stringify(shell))
				.replace('/* version */', stamp(shell.join()));
			this.emitFile({ type: 'asset', fileName: 'sw.js', source });
		}
	};
}

/** A short name for this set of files: they carry their own hashes, so equal lists are equal shells. */
function stamp(text: string): string {
	let hash = 0;
	for (const letter of text) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
	return (hash >>> 0).toString(36);
}

export default defineConfig(async ({ mode }) => {
	const mock = mode === 'mock' ? [(await import('./dev/mock.mjs')).default()] : [];
	const server = process.env.SAQTAU_WEB ?? 'http://127.0.0.1:8470';
	return {
		plugins: [svelte(), serviceWorker(), ...mock],
		worker: { format: 'es' },
		server: { fs: { allow: ['..'] }, proxy: mode === 'mock' ? {} : { '/api': server, '/tiles': server } },
		build: {
			target: 'es2022',
			assetsInlineLimit: 0, // nothing as data: URL, so the page needs no exception in its security policy
			chunkSizeWarningLimit: 1400, // the map is one lazy chunk
			rolldownOptions: { input: { index: here('./index.html'), tablet: here('./tablet.html') } }
		},
		test: { include: ['tests/**/*.test.ts'] }
	};
});
