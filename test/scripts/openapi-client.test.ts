import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { emitClientTypes } from '../../scripts/openapi-client/emit.ts';

describe("the types of the page's client", () => {
  test('are those of openapi.yaml (if not: npm run openapi-client)', () => {
    expect(readFileSync('src/web/api/schema.ts', 'utf8')).toBe(emitClientTypes(readFileSync('openapi.yaml', 'utf8')));
  });

  test('say what is required, optional, null or one of some', () => {
    const text = emitClientTypes(`
      paths:
        /pets/{id}:
          get:
            operationId: readPet
            parameters:
              - { name: id, in: path, schema: { type: string } }
              - { name: top_k, in: query, schema: { type: integer } }
            responses:
              '200': { content: { application/json: { schema: { $ref: '#/components/schemas/Pet' } } } }
              '404': { content: { application/json: { schema: { type: string } } } }
      components:
        schemas:
          Pet:
            type: object
            required: [name, kind]
            properties:
              name: { type: [string, 'null'] }
              kind: { enum: [cat, dog] }
              legs: { type: array, items: { type: [integer, 'null'] } }
    `);
    expect(text).toContain(
      `export type Pet = {\n  readonly name: string | null;\n  readonly kind: "cat" | "dog";\n  readonly legs?: readonly (number | null)[] | undefined;\n};`,
    );
    expect(text).toContain('readonly path: {\n      readonly id: string;\n    };');
    expect(text).toContain('readonly query: {\n      readonly top_k?: number | undefined;\n    };');
    expect(text).toContain('readonly answer: Pet;');
    expect(text).toContain("readPet: { method: 'GET', path: '/pets/{id}' }");
  });
});
