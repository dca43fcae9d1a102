/** Writes the types of the page's client from `openapi.yaml`: npm run openapi-client */
import { readFileSync, writeFileSync } from 'node:fs';
import { emitClientTypes } from './openapi-client/emit.ts';

writeFileSync('src/web/api/schema.ts', emitClientTypes(readFileSync('openapi.yaml', 'utf8')));
