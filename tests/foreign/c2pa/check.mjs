// Whether a C2PA reader that nobody here wrote accepts a film: {"valid", "codes"} as JSON.
import * as fs from 'node:fs/promises';
import { BMFF } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { ManifestStore } from '@trustnxt/c2pa-ts/manifest';

BMFF.canReadBrands.add('isom'); // it knows the boxes of MP4, and asks for the brand of a photograph
const asset = new BMFF(await fs.readFile(process.argv[2]));
const found = asset.getManifestJUMBF();
if (!found) throw new Error('no manifest');
const store = ManifestStore.read(SuperBox.fromBuffer(found));
const result = await store.validate(asset);
console.log(JSON.stringify({ valid: result.isValid, codes: result.statusEntries.map((one) => one.code) }));
