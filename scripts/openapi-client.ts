/** Generates the types of the page's API client from `openapi.yaml`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { emitClientTypes } from './openapi-client/emit.ts';

writeFileSync('src/web/api/schema.ts', emitClientTypes(readFileSync('openapi.yaml', 'utf8')));
