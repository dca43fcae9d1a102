import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { ERRORS, type ErrorCode } from '../../src/common/errors.ts';

/** The parts of `openapi.yaml` that tests read; `$ref`s of responses and examples are followed. */
interface MediaType {
  schema?: unknown;
  example?: unknown;
  examples?: Record<string, { value?: unknown; $ref?: string }>;
}
interface ResponseObject {
  $ref?: string;
  content?: Record<string, MediaType>;
}
interface Operation {
  operationId: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; schema?: { enum?: string[] } }[];
  requestBody?: { content: Record<string, MediaType> };
  responses: Record<string, ResponseObject>;
}
interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: { ErrorCode: { enum: string[] } }; responses: Record<string, ResponseObject> };
}

/** Errors that any request may meet, on whatever path: the description's first section names them. */
const ANYWHERE: ReadonlySet<string> = new Set([
  'route_not_found',
  'method_not_allowed',
  'malformed_request',
  'headers_too_large',
  'request_timeout',
  'host_not_allowed',
  'cross_origin',
  'storage_full',
  'storage_unavailable',
]);

/** One documented answer. */
interface Documented {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly type: string | undefined;
  /** Codes of errors that its examples show. */
  readonly codes: readonly string[];
}

/** An example of a JSON body. */
interface RequestExample {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  /** Why it does not fit its schema. */
  readonly fault: string | undefined;
}

/** `openapi.yaml` as something that answers can be held against. */
export interface Contract {
  readonly operations: readonly { method: string; path: string }[];
  readonly documented: readonly Documented[];
  readonly errorCodes: readonly string[];
  /** What an operation says that it needs: a scope for each way to send a key; nothing where it is open. */
  security(method: string, path: string): readonly Readonly<Record<string, readonly string[]>>[] | undefined;
  /** The values that a parameter may have; undefined where they are not listed. */
  choices(method: string, path: string, parameter: string): readonly string[] | undefined;
  /** Fails the test when an answer is not as documented. */
  check(method: string, path: string, answer: { status: number; headers: Headers; body: unknown }): void;
  /** Examples of JSON bodies of the operations whose paths match. */
  requestExamples(paths: RegExp): readonly RequestExample[];
  /** Names of the examples that do not fit their own schema. */
  unfitExamples(): string[];
}

export function readContract(text: string): Contract {
  const document = parse(text) as OpenApi;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(document as object, 'openapi');

  const lookUp = (reference: string): unknown =>
    reference
      .slice(2)
      .split('/')
      .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], document);
  const resolve = <T extends { $ref?: string }>(node: T): T =>
    node.$ref === undefined ? node : (lookUp(node.$ref) as T);
  /** Where a response stands in the document, for a schema to be compiled there. */
  const pointer = (path: string, method: string, status: number): string => {
    const reference = document.paths[path]?.[method]?.responses[status]?.$ref;
    return reference ?? `#/paths/${path.replaceAll('/', '~1')}/${method}/responses/${status}`;
  };
  const validate = (at: string, type: string, value: unknown): string | undefined => {
    const encoded = `${at}/content/${type.replaceAll('/', '~1')}/schema`.replaceAll('{', '%7B').replaceAll('}', '%7D');
    const check = ajv.getSchema(`openapi${encoded}`);
    if (check === undefined) return `no schema at ${encoded}`;
    return check(value) ? undefined : ajv.errorsText(check.errors);
  };

  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method, path })),
  );
  const documented = operations.flatMap(({ method, path }) =>
    Object.entries(document.paths[path]?.[method]?.responses ?? {}).map(([status, response]) => {
      const [type, media] = Object.entries(resolve(response).content ?? {})[0] ?? [];
      const codes = type === 'application/problem+json' ? Object.keys(media?.examples ?? {}) : [];
      return { method, path, status: Number(status), type, codes };
    }),
  );
  // Paths without parameters come first, as OpenAPI has it.
  const paths = Object.keys(document.paths).sort((a, b) => Number(a.includes('{')) - Number(b.includes('{')));
  const templates = paths.map((template) => {
    const pattern = template.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+?');
    return { template, pattern: new RegExp(`^${pattern}$`) };
  });
  const templateOf = (path: string): string | undefined =>
    templates.find(({ pattern }) => pattern.test(path.split('?')[0] ?? ''))?.template;

  return {
    operations,
    documented,
    errorCodes: document.components.schemas.ErrorCode.enum,
    security: (method, path) => document.paths[path]?.[method]?.security,
    choices: (method, path, parameter) =>
      document.paths[path]?.[method]?.parameters?.find(({ name }) => name === parameter)?.schema?.enum,
    requestExamples: (paths) =>
      operations
        .filter(({ path }) => paths.test(path))
        .flatMap(({ method, path }) => {
          const media = document.paths[path]?.[method]?.requestBody?.content['application/json'];
          const bodies = [
            ...(media?.example === undefined ? [] : [media.example]),
            ...Object.values(media?.examples ?? {}).map((example) => resolve(example).value),
          ];
          const at = `#/paths/${path.replaceAll('/', '~1')}/${method}/requestBody`;
          return bodies.map((body) => ({ method, path, body, fault: validate(at, 'application/json', body) }));
        }),
    unfitExamples: () =>
      documented.flatMap(({ method, path, status, type }) => {
        const at = pointer(path, method, status);
        const response = resolve(document.paths[path]?.[method]?.responses[status] ?? {});
        const media = response.content?.[type ?? ''];
        const values = [
          ...(media?.example === undefined ? [] : [['example', media.example] as const]),
          ...Object.entries(media?.examples ?? {}).map(([name, example]) => [name, resolve(example).value] as const),
        ];
        return values.flatMap(([name, value]) => {
          const fault = validate(at, type ?? '', value);
          return fault === undefined ? [] : [`${method} ${path} ${status} ${name}: ${fault}`];
        });
      }),
    check: (method, path, { status, headers, body }) => {
      const code = (body as { code?: string } | undefined)?.code;
      if (status >= 400) {
        expect(headers.get('content-type')).toBe('application/problem+json');
        expect(status, `status of ${code}`).toBe(ERRORS[code as ErrorCode].status);
      }
      expect(headers.get('x-request-id')).toMatch(/^[\w.:-]+$/);
      if (code !== undefined && ANYWHERE.has(code)) {
        expect(ajv.validate({ $ref: 'openapi#/components/schemas/Problem' }, body), ajv.errorsText()).toBe(true);
        return;
      }
      const template = templateOf(path) ?? '';
      const answer = documented.find(
        (each) => each.method === method.toLowerCase() && each.path === template && each.status === status,
      );
      expect(answer, `${method} ${path} answers ${status}, which is not documented`).toBeDefined();
      if (answer?.type === undefined) return;
      expect(headers.get('content-type')?.split(';')[0]).toBe(answer.type);
      if (status >= 400) expect(answer.codes, `codes documented for ${method} ${template} ${status}`).toContain(code);
      const fault = validate(pointer(template, method.toLowerCase(), status), answer.type, body);
      expect(fault, `${method} ${path} answers ${JSON.stringify(body)}`).toBeUndefined();
    },
  };
}
