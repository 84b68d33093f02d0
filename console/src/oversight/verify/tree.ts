// The Merkle tree of RFC 6962 and the tiles it is served in (C2SP tlog-tiles). Sizes are numbers below 2^53, so no bit operations.
import { concat, Malformed, same, sha256, type Bytes } from './bytes';

export const WIDTH = 256;
const HASH = 32;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (leaf: Bytes): Promise<Bytes> => sha256(concat(LEAF, leaf));
export const nodeHash = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(concat(NODE, left, right));

/** Where the log serves a tile: `tile/0/x001/x234/067`, with `.p/W` behind it while it is not full. */
export function tilePath(level: number, index: number, width: number): string {
	let rest = Math.floor(index / 1000);
	let path = String(index % 1000).padStart(3, '0');
	for (; rest > 0; rest = Math.floor(rest / 1000)) path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
	return `tile/${level}/${path}${width === WIDTH ? '' : `.p/${width}`}`;
}

export type ReadTile = (path: string) => Promise<Bytes>;

const largestBelow = (size: number): number => {
	let half = 1;
	while (half * 2 < size) half *= 2;
	return half;
};

/** Proofs of a tree of this size, out of its tiles. Each tile is read once. */
export class Tiles {
	readonly #cache = new Map<string, Promise<Bytes[]>>();
	constructor(
		readonly read: ReadTile,
		readonly size: number
	) {}

	/** How many tiles were asked for. */
	get asked(): number {
		return this.#cache.size;
	}

	#tile(level: number, index: number): Promise<Bytes[]> {
		const under = WIDTH ** level;
		const full = Math.floor(this.size / (under * WIDTH));
		const width = index < full ? WIDTH : Math.floor(this.size / under) % WIDTH;
		const path = tilePath(level, index, width);
		let found = this.#cache.get(path);
		if (!found) {
			found = this.read(path).then((bytes) => {
				if (bytes.length !== width * HASH) throw new Malformed(`${path} has ${bytes.length} bytes`);
				return Array.from({ length: width }, (_, at) => bytes.slice(at * HASH, (at + 1) * HASH));
			});
			this.#cache.set(path, found);
		}
		return found;
	}

	/** Hash of the complete subtree of 2^height leaves, the index-th of that height. */
	async #node(height: number, index: number): Promise<Bytes> {
		const width = 2 ** (height % 8);
		const first = index * width;
		const tile = await this.#tile(Math.floor(height / 8), Math.floor(first / WIDTH));
		let hashes = tile.slice(first % WIDTH, (first % WIDTH) + width);
		if (hashes.length !== width) throw new Malformed('a tile is too short');
		while (hashes.length > 1) hashes = await Promise.all(hashes.flatMap((one, at) => (at % 2 ? [] : [nodeHash(one, hashes[at + 1]!)])));
		return hashes[0]!;
	}

	async #hash(from: number, to: number): Promise<Bytes> {
		const half = largestBelow(to - from);
		if (to - from === 1) return this.#node(0, from);
		if (half * 2 === to - from && from % (half * 2) === 0) return this.#node(Math.log2(half * 2), from / (half * 2));
		return nodeHash(await this.#hash(from, from + half), await this.#hash(from + half, to));
	}

	/** Audit path of a leaf, from the leaf upwards. */
	async inclusion(index: number): Promise<Bytes[]> {
		if (!(Number.isSafeInteger(index) && index >= 0 && index < this.size)) throw new Malformed('no such leaf');
		const beside: [number, number][] = [];
		for (let from = 0, to = this.size; to - from > 1; ) {
			const middle = from + largestBelow(to - from);
			if (index < middle) {
				beside.push([middle, to]);
				to = middle;
			} else {
				beside.push([from, middle]);
				from = middle;
			}
		}
		return Promise.all(beside.reverse().map(([from, to]) => this.#hash(from, to)));
	}
}

/** Whether the path leads from the leaf's hash to the root: RFC 9162, 2.1.3.2. */
export async function verifyInclusion(hash: Bytes, index: number, size: number, proof: readonly Bytes[], root: Bytes): Promise<boolean> {
	if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size)) || index < 0 || index >= size) return false;
	let at = index;
	let last = size - 1;
	let made = hash;
	for (const one of proof) {
		if (last === 0 || one.length !== HASH) return false;
		if (at % 2 === 1 || at === last) {
			made = await nodeHash(one, made);
			while (at % 2 === 0 && at !== 0) {
				at /= 2;
				last = Math.floor(last / 2);
			}
		} else made = await nodeHash(made, one);
		at = Math.floor(at / 2);
		last = Math.floor(last / 2);
	}
	return last === 0 && same(made, root);
}
