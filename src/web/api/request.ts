/** A part of a form: a text or a file. */
export interface FormPart {
  readonly name: string;
  readonly value: string | File;
}

/** A request, to be shown to the user. */
export interface SentRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly form?: readonly FormPart[] | undefined;
  readonly json?: unknown;
  /** Whether it needs a key. */
  readonly keyed?: boolean | undefined;
}

/** The request as a shell command. @param origin of the server, for example `http://127.0.0.1:8080` */
export function toCurl({ method, path, form, json, keyed }: SentRequest, origin: string): string {
  const hasBody = form !== undefined || json !== undefined;
  const words = ['curl'];
  if (method !== (hasBody ? 'POST' : 'GET')) words.push('-X', method);
  if (keyed) words.push('-H', '"Authorization: Bearer $MENAGERIE_KEY"');
  for (const { name, value } of form ?? []) {
    // `;`, `,` and quotes have a meaning in the argument of -F: a name with one of them is quoted.
    const content =
      typeof value === 'string' ? value : `@${/[;,"\\]/.test(value.name) ? JSON.stringify(value.name) : value.name}`;
    words.push('-F', shellQuoted(`${name}=${content}`));
  }
  if (json !== undefined)
    words.push('-H', shellQuoted('content-type: application/json'), '-d', shellQuoted(JSON.stringify(json)));
  if (path.includes('/export')) words.push('-OJ');
  return [...words, shellQuoted(origin + path)].join(' ');
}

/** The request as a TypeScript module for Node. */
export function toTypeScript({ method, path, form, json, keyed }: SentRequest, origin: string): string {
  const lines: string[] = [];
  const files = (form ?? []).filter((part): part is FormPart & { value: File } => typeof part.value !== 'string');
  if (files.length > 0) lines.push("import { openAsBlob } from 'node:fs';", '');
  if (form !== undefined) {
    lines.push('const form = new FormData();');
    for (const { name, value } of form) {
      if (typeof value === 'string') lines.push(`form.append(${quoted(name)}, ${quoted(value)});`);
      else lines.push(`form.append(${quoted(name)}, await openAsBlob(${quoted(value.name)}), ${quoted(value.name)});`);
    }
    lines.push('');
  }
  const headers: string[] = [];
  if (keyed) headers.push("authorization: 'Bearer ' + process.env.MENAGERIE_KEY");
  if (json !== undefined) headers.push("'content-type': 'application/json'");
  const options: string[] = [];
  if (method !== 'GET') options.push(`method: ${quoted(method)}`);
  if (headers.length > 0) options.push(`headers: { ${headers.join(', ')} }`);
  if (form !== undefined) options.push('body: form');
  if (json !== undefined) options.push(`body: JSON.stringify(${JSON.stringify(json)})`);
  const second = options.length === 0 ? '' : `, { ${options.join(', ')} }`;
  lines.push(`const response = await fetch(${quoted(origin + path)}${second});`);
  lines.push('if (!response.ok) throw new Error((await response.json()).detail);');
  if (path.includes('/export')) lines.push('const zip = await response.blob();');
  else if (path.endsWith('/events')) lines.push('for await (const chunk of response.body!) console.log(chunk);');
  else if (method !== 'DELETE' || path.startsWith('/jobs')) lines.push('console.log(await response.json());');
  return lines.join('\n');
}

function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
