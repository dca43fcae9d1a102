import { parse } from 'yaml';

/** The part of JSON Schema that `openapi.yaml` uses. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: unknown;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
  };
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
        readonly headers?: Readonly<Record<string, unknown>>;
      }
    >
  >;
}

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/**
 * Generates a TypeScript module with the types of every schema and operation of an OpenAPI description.
 *
 * @param text the description, as YAML
 */
export function emitClientTypes(text: string): string {
  const { paths, components } = parse(text) as Description;
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `${docblock(schema.description, '')}export type ${name} = ${typeOf(schema, '')};\n`,
  );
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return `// Generated from openapi.yaml by \`npm run openapi-client\`. Do not edit.

${schemas.join('\n')}
/** Parameters, body and response of each operation, by its \`operationId\`. */
export interface Operations {
${operations.map(({ operation }) => operationType(operation)).join('\n')}
}

/** Method and path of each operation. */
export const OPERATIONS = {
${operations.map(({ path, method, operation }) => `  ${operation.operationId}: { method: '${method}', path: '${path}' },`).join('\n')}
} as const satisfies Record<keyof Operations, { readonly method: string; readonly path: string }>;
`;
}

function operationType({ operationId, summary, parameters = [], requestBody, responses }: Operation): string {
  const of = (place: Parameter['in']): string => {
    const members = parameters
      .filter((parameter) => parameter.in === place)
      .map(({ name, required, schema }) => member(name, schema, place === 'path' || required === true, '      '));
    return members.length === 0 ? 'Record<never, never>' : `{\n${members.join('\n')}\n    }`;
  };
  const json = requestBody?.content['application/json']?.schema;
  const given = json ? typeOf(json, '    ') : requestBody === undefined ? 'undefined' : 'FormData | Blob';
  const body = requestBody?.required === true || requestBody === undefined ? given : `${given} | undefined`;
  return `${docblock(summary, '  ')}  readonly ${operationId}: {
    readonly path: ${of('path')};
    readonly query: ${of('query')};
    readonly body: ${body};
    readonly answer: ${answerType(responses)};
  };`;
}

/** The type of the JSON, or `Response` when the operation does not return JSON. */
function answerType(responses: Operation['responses']): string {
  const answers = Object.entries(responses)
    // An answer with Retry-After is none yet: the client throws it.
    .filter(([status, { headers }]) => status.startsWith('2') && headers?.['Retry-After'] === undefined)
    .map(([, { content }]) => {
      if (content === undefined) return 'undefined';
      const schema = content['application/json']?.schema;
      return schema === undefined ? 'Response' : typeOf(schema, '    ');
    });
  return [...new Set(answers)].join(' | ');
}

/** @param indent indentation of the line on which the type begins */
function typeOf(schema: Schema, indent: string): string {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? 'unknown';
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.oneOf !== undefined) return schema.oneOf.map((each) => typeOf(each, indent)).join(' | ');
  if (schema.allOf !== undefined) return schema.allOf.map((each) => typeOf(each, indent)).join(' & ');
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
  return types.length === 0 ? 'unknown' : types.map((type) => plainType(type, schema, indent)).join(' | ');
}

function plainType(type: string, schema: Schema, indent: string): string {
  switch (type) {
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `readonly ${parenthesized(typeOf(schema.items ?? {}, indent))}[]`;
    case 'object':
      return objectType(schema, indent);
    default:
      return type;
  }
}

function objectType({ properties, required = [], additionalProperties }: Schema, indent: string): string {
  if (properties === undefined) {
    const values = typeof additionalProperties === 'object' ? typeOf(additionalProperties, indent) : 'unknown';
    return `Readonly<Record<string, ${values}>>`;
  }
  const inner = `${indent}  `;
  const members = Object.entries(properties).map(
    ([name, schema]) => `${docblock(schema.description, inner)}${member(name, schema, required.includes(name), inner)}`,
  );
  return `{\n${members.join('\n')}\n${indent}}`;
}

function member(name: string, schema: Schema, required: boolean, indent: string): string {
  const key = /^[a-z_]\w*$/i.test(name) ? name : `'${name}'`;
  return `${indent}readonly ${key}${required ? '' : '?'}: ${typeOf(schema, indent)}${required ? '' : ' | undefined'};`;
}

function parenthesized(type: string): string {
  return /^[\w<>, ]+$/.test(type) || (type.startsWith('{') && !type.includes('} | ')) ? type : `(${type})`;
}

function docblock(text: string | undefined, indent: string): string {
  return text === undefined ? '' : `${indent}/** ${text.trim().replaceAll(/\s+/g, ' ').replaceAll('*/', '* /')} */\n`;
}
